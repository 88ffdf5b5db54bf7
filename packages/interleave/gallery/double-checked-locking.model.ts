// An object is made once, by whoever comes first; later comers look at a flag without the lock.
export interface Lazy {
  readonly words: Int32Array;
}

const FLAG = 0;
const LOCK = 1;
const DATA = 2;

const setup = (): Lazy => ({ words: new Int32Array(new SharedArrayBuffer(12)) });

function lock(words: Int32Array): void {
  while (Atomics.compareExchange(words, LOCK, 0, 1) !== 0) Atomics.pause?.();
}

function use(words: Int32Array): void {
  if (words[DATA] !== 42) throw new Error(`used before it was made: ${words[DATA]}`);
}

/** The flag is plain: seeing it set orders nothing. */
const plainFlag = ({ words }: Lazy): void => {
  if (words[FLAG] === 0) {
    lock(words);
    if (words[FLAG] === 0) {
      words[DATA] = 42;
      words[FLAG] = 1;
    }
    Atomics.store(words, LOCK, 0);
  }
  use(words);
};

const atomicFlag = ({ words }: Lazy): void => {
  if (Atomics.load(words, FLAG) === 0) {
    lock(words);
    if (Atomics.load(words, FLAG) === 0) {
      words[DATA] = 42;
      Atomics.store(words, FLAG, 1);
    }
    Atomics.store(words, LOCK, 0);
  }
  use(words);
};

export const broken = { setup, threads: [plainFlag, plainFlag] };
export const fixed = { setup, threads: [atomicFlag, atomicFlag] };
