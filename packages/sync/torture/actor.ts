/* What a torturing thread is made of: its dice, its counts, its ways to hold a lock. */
import { FAULTS } from "./words.ts";

/** What has been counted, by name. */
export type Tally = Record<string, number>;

/** What a thread, and the whole run, has seen. */
export interface Report {
  readonly seen: Tally;
  /** Broken promises; empty if all were kept. */
  readonly faults: Tally;
}

/** One thread's state. */
export class Actor {
  readonly words: Int32Array;
  readonly index: number;
  readonly seen: Tally = {};
  /** Broken promises, by what was seen. */
  readonly faults: Tally = {};
  #state: number;

  constructor(words: Int32Array, index: number, seed: number) {
    this.words = words;
    this.index = index;
    this.#state = Math.imul(seed + index + 1, 0x9e3779b1) | 1;
  }

  /** A number in `0..limit - 1`; xorshift32. */
  roll(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.roll(times) === 0;
  }

  count(name: string): void {
    this.seen[name] = (this.seen[name] ?? 0) + 1;
  }

  /** Records a broken promise unless `isKept`. */
  expect(isKept: boolean, fault: string): void {
    if (isKept) return;
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
    Atomics.add(this.words, FAULTS, 1);
  }

  /** Stays a while with a lock held, burning time: mostly not at all, now and then for half a millisecond. */
  hold(): void {
    const looks = this.oneIn(2_000) ? 70_000 : this.oneIn(4) ? this.roll(400) : 0;
    for (let look = 0; look < looks; look++) Atomics.load(this.words, FAULTS);
  }

  /** Stays a while where sleeping is allowed: as `hold`, but once in many turns asleep for some 20 ms. */
  holdAsleep(): void {
    if (!this.oneIn(10_000)) {
      this.hold();
      return;
    }
    this.count("long holds");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1 + this.roll(20));
  }
}
