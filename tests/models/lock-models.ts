// Models that any exclusive lock must hold in.
import type { Model } from "@faultline/interleave";
import { expectWord, increment, zeroed } from "./support.ts";

interface Lock {
  lock(options?: { readonly timeoutMs?: number }): boolean;
  unlock(): void;
  validate(): void;
  readonly isLocked: boolean;
}

/** A lock in words. */
export type LockClass = { new (words: Int32Array, word: number): Lock; readonly WORDS: number };

/** Lock objects are made in the thread: what a worker has of a lock is never another worker's. */
export function counting(Kind: LockClass, threads = 2): Model<Int32Array> {
  const thread = (words: Int32Array): void => {
    const lock = new Kind(words, 0);
    lock.lock();
    increment(words, Kind.WORDS);
    lock.unlock();
  };
  return {
    setup: () => zeroed(Kind.WORDS + 1),
    threads: Array.from({ length: threads }, () => thread),
    after: (words) => {
      const lock = new Kind(words, 0);
      lock.validate();
      if (lock.isLocked) throw new Error("the lock is held although all have gone");
      expectWord(words, Kind.WORDS, threads, "the count");
    },
  };
}

/** Thread 0 gives up when it likes; whether it does or not, the other gets the lock and leaves it free. */
export function givingUp(Kind: LockClass): Model<Int32Array> {
  const patient = (words: Int32Array): void => {
    const lock = new Kind(words, 0);
    lock.lock();
    increment(words, Kind.WORDS);
    lock.unlock();
  };
  const impatient = (words: Int32Array): boolean => {
    const lock = new Kind(words, 0);
    if (!lock.lock({ timeoutMs: 5 })) return false;
    increment(words, Kind.WORDS);
    lock.unlock();
    return true;
  };
  return {
    setup: () => zeroed(Kind.WORDS + 1),
    threads: [impatient, patient],
    after: (words, results) => {
      const lock = new Kind(words, 0);
      lock.validate();
      if (!lock.lock({ timeoutMs: 0 })) throw new Error("the lock is held although all have gone");
      expectWord(words, Kind.WORDS, results[0] === true ? 2 : 1, "the count");
    },
  };
}
