// A reader follows a pointer that a writer replaces. The old object may be reused only when every reader that
// could have seen it has left.
export interface Rcu {
  readonly words: Int32Array;
}

const POINTER = 0;
const READING = 1;
/** Objects 2 and 3 are one word each; FREED is the poison. */
const OLD = 2;
const NEW = 3;
const FREED = -1;

function setup(): Rcu {
  const words = new Int32Array(new SharedArrayBuffer(16));
  words[POINTER] = OLD;
  words[OLD] = 1;
  words[NEW] = 2;
  return { words };
}

const reader = ({ words }: Rcu): void => {
  Atomics.store(words, READING, 1);
  const object = Atomics.load(words, POINTER);
  if (words[object] === FREED) throw new Error("the reader reads freed memory");
  Atomics.store(words, READING, 0);
};

const freeAtOnce = ({ words }: Rcu): void => {
  Atomics.store(words, POINTER, NEW);
  words[OLD] = FREED;
};

const freeAfterReaders = ({ words }: Rcu): void => {
  Atomics.store(words, POINTER, NEW);
  while (Atomics.load(words, READING) !== 0) Atomics.pause?.();
  words[OLD] = FREED;
};

export const broken = { setup, threads: [reader, freeAtOnce] };
export const fixed = { setup, threads: [reader, freeAfterReaders] };
