// Two threads add one to a counter. A load and a store are not one step; an add is.
export interface Counter {
  readonly words: Int32Array;
}

function setup(): Counter {
  return { words: new Int32Array(new SharedArrayBuffer(4)) };
}

function after({ words }: Counter): void {
  const count = Atomics.load(words, 0);
  if (count !== 2) throw new Error(`two increments made ${count}`);
}

const loadThenStore = ({ words }: Counter): void => {
  Atomics.store(words, 0, Atomics.load(words, 0) + 1);
};

const add = ({ words }: Counter): void => {
  Atomics.add(words, 0, 1);
};

export const broken = { setup, after, threads: [loadThenStore, loadThenStore] };
export const fixed = { setup, after, threads: [add, add] };
