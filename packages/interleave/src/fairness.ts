/*
 * Bounded fairness: a thread that can go on is not passed over more than `limit` times in a row. A loop that
 * ends under every fair scheduler then ends, and one that does not is a livelock, not the scheduler's fault.
 *
 * Source of the idea: Musuvathi and Qadeer, "Fair Stateless Model Checking", PLDI 2008; with a bound in steps
 * instead of priorities by yields, since code under test does not yield.
 */
import { isProgress } from "./choices.ts";
import type { Choice } from "./op.ts";

/** How often each thread of an execution was passed over. */
export class Fairness {
  readonly #limit: number;
  #passed: number[];

  constructor(threads: number, limit: number) {
    this.#limit = limit;
    this.#passed = new Array<number>(threads).fill(0);
  }

  /** Leaves only the choices of threads that must go now, if there are such. */
  restrict(able: readonly (readonly Choice[])[]): readonly (readonly Choice[])[] {
    const isDue = (list: readonly Choice[], i: number): boolean =>
      this.#passed[i]! >= this.#limit && list.some(isProgress);
    if (!able.some(isDue)) return able;
    return able.map((list, i) => (isDue(list, i) ? list : []));
  }

  /** A choice was made at a point where the threads could do this. */
  chose(thread: number, able: readonly (readonly Choice[])[]): void {
    this.#passed = able.map((list, i) => (i !== thread && list.some(isProgress) ? this.#passed[i]! + 1 : 0));
  }

  /** The counts, to go on from here in another execution. */
  get passed(): readonly number[] {
    return this.#passed;
  }

  set passed(counts: readonly number[]) {
    this.#passed = [...counts];
  }
}
