// What the page and its workers agree on: the words of one buffer, the kinds of lock, and the signals.
import { Mutex, RwSem, SpinLock } from "@faultline/sync";

/** Word numbers. Locks first, each kind on its own; then what they guard and what the agents signal with. */
export const Word = {
  Lock: 0,
  Rcu: 128,
  Counter: 1024,
  Held: 1040,
  Release: 1056,
  Ready: 1072,
  Seen: 1088,
  Registry: 1104,
  Srcu: 1280,
  WORDS: 2048,
};

export const LOCKS = ["SpinLock", "Mutex", "RwSem for writing"];

export function newWords() {
  return new Int32Array(new SharedArrayBuffer(Word.WORDS * 4));
}

/** The three locks, and both modes of RwSem, behind one face. */
export function lockOf(kind, words) {
  if (kind === "SpinLock" || kind === "Mutex") {
    const lock = new (kind === "Mutex" ? Mutex : SpinLock)(words, Word.Lock);
    return {
      asyncForm: `${kind}.lockAsync`,
      lock: (options) => lock.lock(options),
      lockAsync: (options) => lock.lockAsync(options),
      unlock: () => lock.unlock(),
      validate: () => lock.validate(),
      get isLocked() {
        return lock.isLocked;
      },
    };
  }
  const sem = new RwSem(words, Word.Lock);
  const isRead = kind === "RwSem for reading";
  return {
    asyncForm: isRead ? "RwSem.downReadAsync" : "RwSem.downWriteAsync",
    lock: (options) => (isRead ? sem.downRead(options) : sem.downWrite(options)),
    lockAsync: (options) => (isRead ? sem.downReadAsync(options) : sem.downWriteAsync(options)),
    unlock: () => (isRead ? sem.upRead() : sem.upWrite()),
    validate: () => sem.validate(),
    get isLocked() {
      return sem.isLocked;
    },
  };
}

/** Sets a word and wakes whoever sleeps on it. */
export function signal(words, word) {
  Atomics.store(words, word, 1);
  Atomics.notify(words, word);
}
