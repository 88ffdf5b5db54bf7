/*
 * Who sleeps at which word, in order of arrival: `Atomics.notify` wakes the longest sleepers first, whether
 * they came by `wait` or by `waitAsync`.
 */
import { keyOf, type Op, type Woken } from "./op.ts";

interface Waiter extends Woken {
  readonly key: number;
}

/** The wait lists of one execution. */
export class WaitLists {
  readonly #waiters: Waiter[] = [];

  /** A sleep begins; `sleep` is its number, `-1` for one that blocks the thread. */
  enter(thread: number, sleep: number, op: Op): void {
    this.#waiters.push({ thread, sleep, key: keyOf(op) });
  }

  /** Whom this notify wakes, longest sleeper first; they are still listed. */
  wokenBy(op: Op): Woken[] {
    if (this.#waiters.length === 0) return [];
    const key = keyOf(op);
    const here = this.#waiters.filter((waiter) => waiter.key === key);
    return here
      .slice(0, Math.min(here.length, Number(op.value)))
      .map(({ thread, sleep }) => ({ thread, sleep }));
  }

  /** A sleep has ended. */
  leave(thread: number, sleep: number): void {
    if (this.#waiters.length === 0) return;
    const at = this.#waiters.findIndex((waiter) => waiter.thread === thread && waiter.sleep === sleep);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  /** A thread has died, with all its sleeps. */
  leaveAll(thread: number): void {
    for (let i = this.#waiters.length - 1; i >= 0; i--) {
      if (this.#waiters[i]!.thread === thread) this.#waiters.splice(i, 1);
    }
  }
}
