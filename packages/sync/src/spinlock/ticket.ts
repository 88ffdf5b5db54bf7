/*
 * A spinlock that serves in order of arrival, by numbers drawn at the door.
 *
 *   word     name      meaning
 *   0        NEXT      the number the next arrival draws
 *   1        SERVING   the number whose turn it is; the lock is free if it equals NEXT
 *   2        SLEEPERS  how many are asleep on SERVING, or about to be
 *   3                  zero
 *
 * Both numbers wrap around at 2^32; only their equality is asked.
 *
 * Why no wake-up is lost: a waiter adds itself to SLEEPERS, then sleeps while SERVING is what it saw; unlock
 * adds to SERVING, then looks at SLEEPERS. One of the two sees the other.
 *
 * A drawn number cannot be given back: everybody behind it would wait for ever. So a wait that may be given
 * up draws none. It takes the lock when nobody holds a number, and has no place in the order.
 *
 * Memory order: every access is a sequentially consistent Atomics operation; the add in unlock() is read by
 * the load that ends the next holder's wait, so plain accesses inside one critical section are seen by the next.
 */
import { SyncError } from "../errors.ts";
import { ExclusiveLock, type HowToWait } from "../exclusive-lock.ts";
import type { SlowPath } from "../waiting.ts";
import { checkWords, deadlineOf, FOREVER, isUnchanged, type WaitOptions } from "../words.ts";

const NEXT = 0;
const SERVING = 1;
const SLEEPERS = 2;

/**
 * A ticket spinlock: strictly first come, first served, for waits without timeout and signal.
 *
 * Zeroed words are an unlocked lock. Not recursive, no owner is recorded, neither of the lock nor of a number:
 * when a holder or a waiter dies, its turn never ends. Use `RobustMutex` with `handoffAfter: 0` then. Each release wakes all that sleep,
 * and all but one of them go back to sleep: for few waiters, and for comparison. Cost uncontended: two Atomics
 * operations to take, four to release.
 *
 * Source: the ticket spinlock of Linux 2.6.25 to 4.1, arch/x86/include/asm/spinlock.h.
 */
export class TicketLock extends ExclusiveLock {
  /** Number of 32-bit words a lock occupies. */
  static readonly WORDS: number = 4;

  protected override get kind(): string {
    return "TicketLock";
  }
  protected override readonly words: Int32Array;
  readonly #word: number;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the lock
   * @throws RangeError if the words lie outside the view
   */
  constructor(words: Int32Array, word: number) {
    super();
    checkWords("TicketLock", words, word, TicketLock.WORDS);
    this.words = words;
    this.#word = word;
  }

  override get isLocked(): boolean {
    return this.#load(SERVING) !== this.#load(NEXT);
  }

  override tryLock(): boolean {
    // NEXT being SERVING still, nobody can have drawn that number, so SERVING cannot have moved on.
    const serving = this.#load(SERVING);
    return Atomics.compareExchange(this.words, this.#word + NEXT, serving, (serving + 1) | 0) === serving;
  }

  override lock(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("TicketLock.lock", options);
    return this.tryLock() || this.lockSlow(deadline);
  }

  override unlock(): void {
    if (!this.isLocked) throw new SyncError("EPERM", `TicketLock.unlock: word ${this.#word} is not locked`);
    Atomics.add(this.words, this.#word + SERVING, 1);
    if (this.#load(SLEEPERS) !== 0) Atomics.notify(this.words, this.#word + SERVING);
  }

  override validate(): void {
    const waiting = (this.#load(NEXT) - this.#load(SERVING)) | 0;
    const sleepers = this.#load(SLEEPERS);
    if (waiting < 0) throw new Error(`TicketLock: SERVING is ahead of NEXT by ${-waiting}`);
    if (sleepers < 0) throw new Error(`TicketLock: SLEEPERS is ${sleepers}`);
  }

  /** The state in words, for messages. */
  override toString(): string {
    const numbers = (this.#load(NEXT) - this.#load(SERVING)) | 0;
    return `TicketLock(${numbers === 0 ? "free" : `held, waiting: ${numbers - 1}`})`;
  }

  protected override *slowPath({ mayGiveUp, spins }: HowToWait): SlowPath {
    const ticket = mayGiveUp ? undefined : Atomics.add(this.words, this.#word + NEXT, 1);
    for (;;) {
      const serving = this.#load(SERVING);
      if (ticket === undefined ? this.tryLock() : serving === ticket) return true;
      if (!isUnchanged(this.words, this.#word + SERVING, serving, spins)) continue;
      Atomics.add(this.words, this.#word + SLEEPERS, 1);
      const mayGoOn = yield { word: this.#word + SERVING, expected: serving };
      Atomics.sub(this.words, this.#word + SLEEPERS, 1);
      if (!mayGoOn) return false;
    }
  }

  #load(offset: number): number {
    return Atomics.load(this.words, this.#word + offset);
  }
}
