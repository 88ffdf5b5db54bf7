// A writer asks for the lock while readers come and go. If readers do not look whether a writer waits, one
// after the other enters before it; with a flag that keeps new readers out, at most those who had looked
// already get in. One reader that comes twice shows it. Checked with the option `starvation: 2`: a reader that
// leaves and one that had looked already are two writes to the count; a reader that comes back is the third.
export interface ReadersWriter {
  readonly words: Int32Array;
}

const COUNT = 0;
const WAITING = 1;

const setup = (): ReadersWriter => ({ words: new Int32Array(new SharedArrayBuffer(8)) });

const WRITER = -1;

function enter(words: Int32Array): void {
  for (;;) {
    const count = Atomics.load(words, COUNT);
    if (count !== WRITER && Atomics.compareExchange(words, COUNT, count, count + 1) === count) return;
    Atomics.pause?.();
  }
}

const ROUNDS = 2;

const rudeReader = ({ words }: ReadersWriter): void => {
  for (let round = 0; round < ROUNDS; round++) {
    enter(words);
    Atomics.sub(words, COUNT, 1);
  }
};

const politeReader = ({ words }: ReadersWriter): void => {
  for (let round = 0; round < ROUNDS; round++) {
    while (Atomics.load(words, WAITING) !== 0) Atomics.pause?.();
    enter(words);
    Atomics.sub(words, COUNT, 1);
  }
};

const writer = ({ words }: ReadersWriter): void => {
  Atomics.store(words, WAITING, 1);
  while (Atomics.compareExchange(words, COUNT, 0, WRITER) !== 0) Atomics.pause?.();
  Atomics.store(words, WAITING, 0);
  Atomics.store(words, COUNT, 0);
};

export const broken = { setup, threads: [writer, rudeReader] };
export const fixed = { setup, threads: [writer, politeReader] };
