/*
 * One of two real threads that hand over a baton: whoever has it does a step of its model and decides, by the
 * shared seed, who does the next. The other sleeps. Words: 0 who has the baton, 1 the state of the random
 * numbers, 2 and 3 whether each has ended, 4 the model's word, 5 and 6 the gate of a round.
 */
import { workerData } from "node:worker_threads";

export interface BatonOrder {
  readonly words: Int32Array;
  readonly index: number;
}

/** Words of the shared memory by name; `GATE` counts rounds begun, `READY` threads that have ended theirs. */
export const WORD = {
  baton: 0,
  random: 1,
  ended: 2,
  model: 4,
  gate: 5,
  ready: 6,
  steps: 7,
  switches: 8,
} as const;

function random(words: Int32Array): number {
  let state = words[WORD.random]!; // plain: only who has the baton comes here
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  words[WORD.random] = state;
  return state & 1;
}

/** Gives the baton to whoever is to go next; returns when it is back here. */
function handOver(words: Int32Array, me: number): void {
  const other = 1 - me;
  const next = random(words) === me || words[WORD.ended + other] === 1 ? me : other;
  if (next === me) return;
  words[WORD.switches] = words[WORD.switches]! + 1;
  Atomics.store(words, WORD.baton, next);
  Atomics.notify(words, WORD.baton);
  await_(words, me);
}

function await_(words: Int32Array, me: number): void {
  for (;;) {
    const holder = Atomics.load(words, WORD.baton);
    if (holder === me) return;
    Atomics.wait(words, WORD.baton, holder);
  }
}

function run(words: Int32Array, me: number, steps: number): void {
  await_(words, me);
  for (let i = 0; i < steps; i++) {
    Atomics.add(words, WORD.model, 1);
    if (i < steps - 1) handOver(words, me);
  }
  words[WORD.ended + me] = 1;
  Atomics.store(words, WORD.baton, 1 - me);
  Atomics.notify(words, WORD.baton);
}

const order = workerData as BatonOrder | null;
if (order !== null) {
  const { words, index } = order;
  for (let round = 1; ; round++) {
    for (let gate = 0; gate < round; gate = Atomics.load(words, WORD.gate)) {
      Atomics.wait(words, WORD.gate, gate);
    }
    if (words[WORD.steps] === 0) break;
    run(words, index, words[WORD.steps]!);
    Atomics.add(words, WORD.ready, 1);
    Atomics.notify(words, WORD.ready);
  }
}
