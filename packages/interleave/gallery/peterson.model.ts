// Mutual exclusion of two threads with loads and stores only. Giving way before saying that one wants to enter
// lets both in.
export interface Peterson {
  readonly words: Int32Array;
}

const TURN = 2;
const INSIDE = 3;

const setup = (): Peterson => ({ words: new Int32Array(new SharedArrayBuffer(16)) });

function criticalSection(words: Int32Array): void {
  if (Atomics.add(words, INSIDE, 1) !== 0) throw new Error("both threads are inside");
  Atomics.sub(words, INSIDE, 1);
}

function waitForTurn(words: Int32Array, me: number): void {
  while (Atomics.load(words, 1 - me) === 1 && Atomics.load(words, TURN) === 1 - me) Atomics.pause?.();
}

const wrongOrder =
  (me: number) =>
  ({ words }: Peterson): void => {
    Atomics.store(words, TURN, 1 - me);
    Atomics.store(words, me, 1);
    waitForTurn(words, me);
    criticalSection(words);
    Atomics.store(words, me, 0);
  };

const rightOrder =
  (me: number) =>
  ({ words }: Peterson): void => {
    Atomics.store(words, me, 1);
    Atomics.store(words, TURN, 1 - me);
    waitForTurn(words, me);
    criticalSection(words);
    Atomics.store(words, me, 0);
  };

export const broken = { setup, threads: [wrongOrder(0), wrongOrder(1)] };
export const fixed = { setup, threads: [rightOrder(0), rightOrder(1)] };
