/*
 * What a writer does to MODE, BLOCK and TURN.
 *
 * Why a writer is alone. It makes MODE SLOW and lets a grace period pass: after that every fast entry and exit
 * that had seen FAST is over, and what they did plainly to their COUNT happens before the end of the grace
 * period. From then on counts change by Atomics only. The writer sets BLOCK and then adds the counts up; a
 * reader adds its 1 and then looks at BLOCK. In the total order of Atomics operations one of the two sees the
 * other (store buffering cannot happen). While BLOCK is set counts change by reads that end and by newcomers
 * that add 1 and take it back in the same slot, so a sum made one word after the other is never below the
 * number of readers at its end: when it is 0 there are none.
 *
 * Why a reader sees what the writer wrote. It finds BLOCK 0, or MODE FAST, and both were stored after the
 * writer's section; no grace period is needed for that. EXITING still lasts for one, so that writers which
 * come close together share their price: who finds MODE other than FAST need not wait for a grace period. A
 * slow reader that finds it over makes MODE FAST again.
 *
 * Why neither side starves. Once BLOCK is set no reader gets in, so a writer waits for those who are. When it
 * leaves while readers sleep, it makes it their TURN before it clears BLOCK: no writer sets BLOCK until all of
 * them have got in or given up. The last of them ends the TURN and wakes a writer. Readers do not go to sleep
 * while it is their TURN, so it ends.
 *
 * A writer that gives up before the grace period is over, or is told by an error, makes MODE FAST again: some
 * reader may still be counting itself plainly, so the next writer must wait for it.
 */
import { wakeEvent } from "../event-count.ts";
import type { RcuDomain } from "../rcu.ts";
import { type AsyncWaitOptions, FOREVER, isPast, nowMs } from "../words.ts";
import { BLOCK, COOKIE, EXITING, FAST, MODE, READERS, SLOW, TURN, WRITERS } from "./layout.ts";

/** The writers' side of a semaphore. */
export class WriterPhases {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #rcu: RcuDomain;
  /** How many readers wait for BLOCK to be 0. */
  readonly #waitingReaders: () => number;

  constructor(words: Int32Array, base: number, rcu: RcuDomain, waitingReaders: () => number) {
    this.#words = words;
    this.#base = base;
    this.#rcu = rcu;
    this.#waitingReaders = waitingReaders;
  }

  /** Keeps new readers and other writers out, unless a writer does or it is the readers' turn. */
  tryBlock(owner: number): boolean {
    if (Atomics.load(this.#words, this.#base + TURN) !== 0 && this.#waitingReaders() > 0) return false;
    return Atomics.compareExchange(this.#words, this.#base + BLOCK, 0, owner) === 0;
  }

  /**
   * Returns when no fast reader is left. Otherwise, and if it throws, some may be, and MODE says so.
   *
   * @param isForced - also if MODE says that a grace period has passed
   * @param look - called each time it has waited for `lookMs`
   * @returns `false` if the deadline has passed first
   */
  makeSlow(deadline: number, isForced = false, lookMs: number = FOREVER, look = (): void => {}): boolean {
    if (!this.#beginSlow(isForced)) return true;
    try {
      const cookie = this.#rcu.cookie();
      while (!this.#rcu.waitCookie(cookie, { timeoutMs: Math.min(lookMs, leftOf(deadline)) })) {
        if (isPast(deadline)) return this.#backToFast();
        look();
      }
      return true;
    } catch (error) {
      this.#backToFast();
      throw error;
    }
  }

  /** The same without blocking. */
  async makeSlowAsync(
    deadline: number,
    signal: AsyncWaitOptions["signal"],
    isForced = false,
    lookMs: number = FOREVER,
    look = (): void => {},
  ): Promise<boolean> {
    if (!this.#beginSlow(isForced)) return true;
    try {
      const cookie = this.#rcu.cookie();
      for (;;) {
        const timeoutMs = Math.min(lookMs, leftOf(deadline));
        if (await this.#rcu.waitCookieAsync(cookie, { timeoutMs, signal })) return true;
        if (isPast(deadline)) return this.#backToFast();
        look();
      }
    } catch (error) {
      this.#backToFast();
      throw error;
    }
  }

  /** Lets the others in: the readers that wait first, then a writer. */
  unblock(): void {
    const [words, base] = [this.#words, this.#base];
    Atomics.store(words, base + COOKIE, this.#rcu.cookie());
    Atomics.compareExchange(words, base + MODE, SLOW, EXITING);
    const isTurnOfReaders = this.#waitingReaders() > 0;
    Atomics.store(words, base + TURN, isTurnOfReaders ? 1 : 0);
    Atomics.store(words, base + BLOCK, 0);
    wakeEvent(words, base + READERS);
    if (!isTurnOfReaders) wakeEvent(words, base + WRITERS, 1);
    // The sleeper that was counted may have given up, and looked at TURN, before it was stored.
    else this.endTurn();
  }

  /** Called by a reader that has slept, in or not: the last one lets a writer try. And by the writer before. */
  endTurn(): void {
    const [words, base] = [this.#words, this.#base];
    if (Atomics.load(words, base + TURN) === 0 || this.#waitingReaders() > 0) return;
    if (Atomics.compareExchange(words, base + TURN, 1, 0) === 1) wakeEvent(words, base + WRITERS, 1);
  }

  /** @returns whether there is a grace period to wait for */
  #beginSlow(isForced: boolean): boolean {
    return Atomics.exchange(this.#words, this.#base + MODE, SLOW) === FAST || isForced;
  }

  #backToFast(): false {
    Atomics.store(this.#words, this.#base + MODE, FAST);
    return false;
  }
}

/** Milliseconds until the deadline. */
export function leftOf(deadline: number): number {
  return deadline === FOREVER ? FOREVER : Math.max(0, deadline - nowMs());
}
