// A reader copies two words and tries again if a writer was there meanwhile. With a plain payload nothing
// keeps the copies between the two looks at the sequence, and the accesses race.
export interface SeqLock {
  readonly words: Int32Array;
}

const SEQUENCE = 0;
const LEFT = 1;
const RIGHT = 2;

const setup = (): SeqLock => ({ words: new Int32Array(new SharedArrayBuffer(12)) });

function read(words: Int32Array, copy: (word: number) => number): void {
  for (;;) {
    const before = Atomics.load(words, SEQUENCE);
    if ((before & 1) === 0) {
      const left = copy(LEFT);
      const right = copy(RIGHT);
      if (Atomics.load(words, SEQUENCE) === before) {
        if (left !== right) throw new Error(`halves of two writes: ${left} and ${right}`);
        return;
      }
    }
    Atomics.pause?.();
  }
}

const plainReader = ({ words }: SeqLock): void => read(words, (word) => words[word]!);

const plainWriter = ({ words }: SeqLock): void => {
  Atomics.add(words, SEQUENCE, 1);
  words[LEFT] = 7;
  words[RIGHT] = 7;
  Atomics.add(words, SEQUENCE, 1);
};

const atomicReader = ({ words }: SeqLock): void => read(words, (word) => Atomics.load(words, word));

const atomicWriter = ({ words }: SeqLock): void => {
  Atomics.add(words, SEQUENCE, 1);
  Atomics.store(words, LEFT, 7);
  Atomics.store(words, RIGHT, 7);
  Atomics.add(words, SEQUENCE, 1);
};

export const broken = { setup, threads: [plainReader, plainWriter] };
export const fixed = { setup, threads: [atomicReader, atomicWriter] };
