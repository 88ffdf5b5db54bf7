/*
 * A lock in one word that survives the death of anybody at any instruction. The word is that of
 * owned-lock.ts; those who wait sleep on it.
 *
 * Why no wake-up is lost while everybody lives: a waiter sleeps only while the word is what it saw, with
 * WAITERS set and an owner in it. Whoever frees the lock takes WAITERS out in the same operation and wakes
 * one. That one takes the lock with WAITERS set, because it cannot know whether it was the last.
 *
 * And if somebody dies:
 *   - the holder: the word names it; see owned-lock.ts;
 *   - between freeing and waking, or between being woken and looking: the lock is free, and a sleeper finds
 *     that out when agentDied() wakes everybody, or by itself after RECHECK_MS;
 *   - while waiting: nothing is left but WAITERS, and so at most one needless notify.
 */
import type { HowToWait } from "../exclusive-lock.ts";
import type { SlowPath } from "../waiting.ts";
import { checkWords, deadlineOf, FOREVER, pause, type WaitOptions } from "../words.ts";
import { OwnedLock } from "./owned-lock.ts";
import { OWNER_DIED, OWNER_MASK, type RobustOptions, UNUSABLE, WAITERS } from "./recovery.ts";

/**
 * The robust form of `SpinLock` and `TestAndSetLock`: one word, not fair, never burns a core for long.
 *
 * Zeroed words are an unlocked lock. Every thread that uses it has joined the registry. Not recursive: a thread
 * that holds it and would block for it gets `EDEADLK`. Who does not hold it and unlocks gets `EPERM`; tasks of
 * one thread are one owner. Cost uncontended: one Atomics compareExchange each way, as without robustness.
 *
 * Source: the futex of PTHREAD_MUTEX_ROBUST, Linux Documentation/locking/robust-futexes.rst.
 */
export class RobustSpinLock extends OwnedLock {
  /** Number of 32-bit words a lock occupies. */
  static readonly WORDS: number = 1;

  protected override get kind(): string {
    return "RobustSpinLock";
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - index of the lock's word
   * @throws RangeError if the word is outside the view; TypeError if an option is missing
   */
  constructor(words: Int32Array, word: number, options: RobustOptions) {
    checkWords("RobustSpinLock", words, word, RobustSpinLock.WORDS);
    super(words, word, options);
  }

  override tryLock(): boolean {
    return this.take(0);
  }

  /**
   * Takes the lock, waiting for it if need be. After an owner's death the next one to come here repairs.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `ENOTRECOVERABLE` if it is unusable; `EDEADLK` if this agent holds it, or it is held and
   * the words are not shared; `EINVAL` if this thread has not joined
   */
  override lock(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RobustSpinLock.lock", options);
    const self = this.agents.self;
    if (self !== 0 && Atomics.compareExchange(this.words, this.state, 0, self) === 0) return true;
    if (this.take(0)) return true;
    this.assertNotOwner("lock");
    return this.lockSlow(deadline);
  }

  /**
   * Gives the lock back. If the last owner died and `markConsistent` was not called, that makes it unusable.
   *
   * @throws SyncError `EPERM` if this agent does not hold it
   */
  override unlock(): void {
    const self = this.agents.self;
    if (self !== 0 && Atomics.compareExchange(this.words, this.state, self, 0) === self) return;
    this.#unlockSlow();
  }

  /** Throws an `Error` naming the word and its value if that is not a state of this lock. */
  override validate(): void {
    this.validateState();
  }

  /** The state in words, for messages. */
  override toString(): string {
    return `RobustSpinLock(${this.describe()})`;
  }

  protected override recoverWaiters(): boolean {
    return false;
  }

  protected override wakeAll(): void {
    Atomics.notify(this.words, this.state);
  }

  protected override *slowPath({ spins }: HowToWait): SlowPath {
    for (let look = 0; look < spins; look++) {
      pause();
      if ((this.load() & OWNER_MASK) === 0 && this.take(0)) return true;
    }
    while (!this.take(WAITERS)) {
      const state = this.load();
      if ((state & OWNER_MASK) <= UNUSABLE) continue;
      if ((state & WAITERS) === 0 && !this.replace(state, state | WAITERS)) continue;
      const expected = state | WAITERS;
      if (!(yield { word: this.state, expected, recheckMs: this.recheckMs })) return false;
    }
    return true;
  }

  #unlockSlow(): void {
    for (;;) {
      const state = this.load();
      this.assertOwner("unlock", state);
      if ((state & OWNER_DIED) !== 0) return this.abandon();
      if (!this.replace(state, 0)) continue;
      if ((state & WAITERS) !== 0) Atomics.notify(this.words, this.state, 1);
      return;
    }
  }
}
