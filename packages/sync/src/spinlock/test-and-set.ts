/*
 * A lock for critical sections that are shorter than a sleep.
 *
 *   word   meaning
 *   0      0 free | 1 held | 2 held, and somebody may be asleep
 *
 * Why no wake-up is lost: a waiter sleeps only after its exchange has left 2 in the word, and only while the
 * word is 2. The one store that frees the lock is an exchange which returns what was there, so the holder
 * learns in the same instant that there may be a sleeper. A woken waiter takes the lock with 2, not 1,
 * because it cannot know whether it was the last one asleep; the price is at most one needless notify.
 *
 * Memory order: every access is a sequentially consistent Atomics operation. The exchange in unlock()
 * synchronises with the compareExchange or exchange that next takes the lock, so plain accesses inside one
 * critical section are seen by the next.
 */
import { SyncError } from "../errors.ts";
import { ExclusiveLock, type HowToWait } from "../exclusive-lock.ts";
import type { SlowPath } from "../waiting.ts";
import { checkWords, deadlineOf, FOREVER, pause, type WaitOptions } from "../words.ts";

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

/**
 * A spinlock that never burns a core: it looks a bounded number of times, then sleeps.
 *
 * Zeroed words are an unlocked lock, so the constructor creates and attaches alike. Not recursive, not fair
 * (a newcomer may overtake a sleeper), no owner is recorded: a waiter that dies leaves nothing behind, a holder
 * leaves it locked (use `RobustSpinLock` then). One lock per 16 words avoids false sharing.
 *
 * Source: Linux kernel/locking/spinlock.c for the contract; the three states are those of a futex mutex.
 */
export class TestAndSetLock extends ExclusiveLock {
  /** Number of 32-bit words a lock occupies. */
  static readonly WORDS: number = 1;

  protected override get kind(): string {
    return "TestAndSetLock";
  }
  protected override readonly words: Int32Array;
  readonly #word: number;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - index of the lock's word
   * @throws RangeError if the word is outside the view
   */
  constructor(words: Int32Array, word: number) {
    super();
    checkWords("TestAndSetLock", words, word, TestAndSetLock.WORDS);
    this.words = words;
    this.#word = word;
  }

  /** Is it held by anybody? True or false may be out of date on return; for assertions and display. */
  override get isLocked(): boolean {
    return Atomics.load(this.words, this.#word) !== FREE;
  }

  /** Takes the lock if that needs no waiting. */
  override tryLock(): boolean {
    return Atomics.compareExchange(this.words, this.#word, FREE, HELD) === FREE;
  }

  /**
   * Takes the lock, waiting for it if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it is held and the words are not shared
   */
  override lock(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf(`${this.kind}.lock`, options);
    if (Atomics.compareExchange(this.words, this.#word, FREE, HELD) === FREE) return true;
    return this.lockSlow(deadline);
  }

  /**
   * Gives the lock back, and wakes one sleeper if there may be one.
   *
   * @throws SyncError `EPERM` if nobody holds it
   */
  override unlock(): void {
    const was = Atomics.exchange(this.words, this.#word, FREE);
    if (was === CONTENDED) Atomics.notify(this.words, this.#word, 1);
    else if (was === FREE)
      throw new SyncError("EPERM", `${this.kind}.unlock: word ${this.#word} is not locked`);
  }

  /** Throws an `Error` naming the word and its value if that is not a state of this lock. */
  override validate(): void {
    const state = Atomics.load(this.words, this.#word);
    if (state < FREE || state > CONTENDED) {
      throw new Error(`${this.kind}: word ${this.#word} is ${state}, expected 0, 1 or 2`);
    }
  }

  /** The state in words, for messages. */
  override toString(): string {
    const names = ["free", "held", "held, contended"];
    return `${this.kind}(${names[Atomics.load(this.words, this.#word)] ?? "corrupt"})`;
  }

  protected override *slowPath({ spins }: HowToWait): SlowPath {
    for (let look = 0; look < spins; look++) {
      pause();
      // Look before trying: a failing compareExchange takes the cache line away from the holder.
      if (Atomics.load(this.words, this.#word) === FREE && this.tryLock()) return true;
    }
    while (Atomics.exchange(this.words, this.#word, CONTENDED) !== FREE) {
      // After a timeout the word may say "contended" with nobody asleep: harmless, one needless notify.
      if (!(yield { word: this.#word, expected: CONTENDED })) return false;
    }
    return true;
  }
}
