/*
 * The models that are measured.
 */
import type { Model } from "../src/index.ts";

function setup(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Threads that each add one by a load and a compareExchange, again until it succeeds. */
export function incrementers(threads: number): Model<Int32Array> {
  const increment = (words: Int32Array): void => {
    for (;;) {
      const seen = Atomics.load(words, 0);
      if (Atomics.compareExchange(words, 0, seen, seen + 1) === seen) return;
    }
  };
  return {
    setup,
    threads: Array.from({ length: threads }, () => increment),
    after: (words) => {
      if (words[0] !== threads) throw new Error(`${threads} increments made ${words[0]}`);
    },
  };
}

/** Two threads of many steps each on one word. */
export function adders(steps: number): Model<Int32Array> {
  const walk = (words: Int32Array): void => {
    for (let i = 0; i < steps; i++) Atomics.add(words, 0, 1);
  };
  return { setup, threads: [walk, walk] };
}

/** The same by async functions. */
export function asyncAdders(steps: number): Model<Int32Array> {
  const walk = async (words: Int32Array): Promise<void> => {
    for (let i = 0; i < steps; i++) Atomics.add(words, 0, 1);
  };
  return { setup, threads: [walk, walk] };
}

/** Two threads that take a lock by exchange and count plainly inside. */
export function spinlock(rounds: number): Model<Int32Array> {
  const count = (words: Int32Array): void => {
    for (let i = 0; i < rounds; i++) {
      while (Atomics.exchange(words, 0, 1) === 1) Atomics.pause?.();
      words[1] = (words[1] as number) + 1;
      Atomics.store(words, 0, 0);
    }
  };
  return { setup, threads: [count, count] };
}

/** The same with a lock that sleeps. */
export function mutex(rounds: number): Model<Int32Array> {
  const count = (words: Int32Array): void => {
    for (let i = 0; i < rounds; i++) {
      if (Atomics.compareExchange(words, 0, 0, 1) !== 0) {
        while (Atomics.exchange(words, 0, 2) !== 0) Atomics.wait(words, 0, 2);
      }
      words[1] = (words[1] as number) + 1;
      if (Atomics.exchange(words, 0, 0) === 2) Atomics.notify(words, 0, 1);
    }
  };
  return { setup, threads: [count, count] };
}
