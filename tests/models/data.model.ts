// Without exclusion: a reader of a SeqLock repeats, an object with a RefCount is freed once and by the last.
import type { Model } from "@faultline/interleave";
import { RefCount } from "@faultline/sync/refcount";
import { SeqLock } from "@faultline/sync/seqlock";
import { expectWord, type ModelPair, zeroed } from "./support.ts";

const LEFT = SeqLock.WORDS;
const RIGHT = LEFT + 1;

function seqlock(read: (lock: SeqLock, words: Int32Array) => readonly [number, number]): Model<Int32Array> {
  return {
    setup: () => zeroed(RIGHT + 1),
    threads: [
      (words) => {
        const lock = new SeqLock(words, 0);
        lock.writeLock();
        Atomics.store(words, LEFT, 7);
        Atomics.store(words, RIGHT, 7);
        lock.writeUnlock();
      },
      (words) => {
        const [left, right] = read(new SeqLock(words, 0), words);
        if (left !== right) throw new Error(`halves of two writes: ${left} and ${right}`);
      },
    ],
    after: (words) => new SeqLock(words, 0).validate(),
  };
}

const copy = (words: Int32Array): readonly [number, number] => [
  Atomics.load(words, LEFT),
  Atomics.load(words, RIGHT),
];

/** Begins well and does not ask at the end. */
function readOnce(lock: SeqLock, words: Int32Array): readonly [number, number] {
  lock.readBegin();
  return copy(words);
}

/** Two writers: the second comer's write must not slip into the first one's. */
function writers(write: (lock: SeqLock, words: Int32Array) => void): Model<Int32Array> {
  const thread = (words: Int32Array): void => write(new SeqLock(words, 0), words);
  return {
    setup: () => zeroed(RIGHT + 1),
    threads: [thread, thread],
    after: (words) => {
      new SeqLock(words, 0).validate();
      expectWord(words, LEFT, 2, "writes");
    },
  };
}

const OBJECT = 1;
const FREED = -1;
const quiet = { warn: (): void => {} };

/** Each has a reference, looks at the object and drops it; the last one frees. */
function lastOneFrees(drop: (count: RefCount) => boolean): Model<Int32Array> {
  const thread = (words: Int32Array): boolean => {
    const count = new RefCount(words, 0, quiet);
    if (words[OBJECT] === FREED) throw new Error("reads what is freed");
    const isLast = drop(count);
    if (isLast) words[OBJECT] = FREED;
    return isLast;
  };
  return {
    setup: () => {
      const words = zeroed(2);
      new RefCount(words, 0).set(3);
      return words;
    },
    threads: [thread, thread, thread],
    after: (words, results) => {
      const freed = results.filter((isLast) => isLast === true).length;
      if (freed !== 1) throw new Error(`freed ${freed} times`);
      new RefCount(words, 0).validate();
    },
  };
}

/** One drops the last reference while another one looks the object up. */
function lookUp(take: (count: RefCount) => boolean): Model<Int32Array> {
  const drop = (count: RefCount, words: Int32Array): void => {
    if (count.decAndTest()) words[OBJECT] = FREED;
  };
  return {
    setup: () => {
      const words = zeroed(2);
      new RefCount(words, 0).set(1);
      return words;
    },
    threads: [
      (words) => drop(new RefCount(words, 0, quiet), words),
      (words) => {
        const count = new RefCount(words, 0, quiet);
        if (!take(count)) return;
        if (words[OBJECT] === FREED) throw new Error("reads what is freed");
        drop(count, words);
      },
    ],
    after: (words) => expectWord(words, OBJECT, FREED, "the object when nobody has a reference"),
  };
}

export const pairs: readonly ModelPair[] = [
  {
    name: "SeqLock never shows half a write",
    sound: seqlock((lock, words) => lock.read(() => copy(words))),
    broken: seqlock(readOnce),
    finds: /halves of two writes/,
  },
  {
    name: "SeqLock, a read that falls back on the lock",
    sound: seqlock((lock, words) => lock.readOrLock(() => copy(words))),
    broken: seqlock((_lock, words) => copy(words)),
    finds: /halves of two writes/,
  },
  {
    name: "SeqLock excludes writers",
    sound: writers((lock, words) => {
      lock.writeLock();
      words[LEFT] = (words[LEFT] as number) + 1;
      lock.writeUnlock();
    }),
    broken: writers((lock, words) => {
      const before = lock.readBegin();
      words[LEFT] = (words[LEFT] as number) + 1;
      lock.readRetry(before);
    }),
    finds: /nothing that orders them/,
  },
  {
    name: "RefCount: the last of three frees, once",
    sound: lastOneFrees((count) => count.decAndTest()),
    broken: lastOneFrees((count) => {
      const isLast = count.read() === 1;
      if (!isLast) count.decAndTest();
      return isLast;
    }),
    finds: /freed 0 times|nothing that orders them/,
  },
  {
    name: "RefCount: nobody takes a reference to what is freed",
    sound: lookUp((count) => count.incNotZero()),
    broken: lookUp((count) => {
      count.inc();
      return true;
    }),
    finds: /nothing that orders them|freed/,
  },
];
