/*
 * Where the threads of a run meet. The last to arrive raises the generation; the others look at it for a
 * while, since threads that leave a barrier spinning leave it together, and sleep if that takes too long.
 */
const ARRIVED = 0;
const GENERATION = 16;

/** About 50 µs: several times what a sleep and a wake-up cost. */
const SPINS = 5_000;

/** Waits until `count` threads have arrived. Everything they did before is visible to all after. */
export function barrier(words: Int32Array, count: number): void {
  const generation = Atomics.load(words, GENERATION);
  if (Atomics.add(words, ARRIVED, 1) + 1 === count) {
    Atomics.store(words, ARRIVED, 0);
    Atomics.add(words, GENERATION, 1);
    Atomics.notify(words, GENERATION);
    return;
  }
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(words, GENERATION) !== generation) return;
  }
  while (Atomics.load(words, GENERATION) === generation) Atomics.wait(words, GENERATION, generation);
}
