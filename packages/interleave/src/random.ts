/*
 * Schedulers by chance, for models too large to explore. All chance comes from the seed and the number of the
 * execution, so that one can be run again alone.
 *
 * Source of PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic
 * Guarantees of Finding Bugs", ASPLOS 2010: random priorities, lowered at `depth` random steps.
 */
import type { Execution } from "./execution.ts";
import type { Choice } from "./op.ts";
import type { Scheduler } from "./scheduler.ts";

/** Numbers in `[0, 1)` by seed (mulberry32). */
export function randomBy(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Chooses any thread at each step with equal chance. */
export class RandomWalk implements Scheduler {
  readonly #random: () => number;

  constructor(seed: number, execution: number) {
    this.#random = randomBy(Math.imul(seed, 0x9e3779b1) + execution);
  }

  choose(execution: Execution): Choice | undefined {
    const lists = execution.able.filter((list) => list.length > 0);
    return pick(this.#random, pick(this.#random, lists)!);
  }

  forced(): void {}
  stepped(): void {}
  spun(): void {}
}

/** Runs the thread of highest priority; at `depth` random steps the running one falls to the lowest. */
export class PriorityWalk implements Scheduler {
  readonly #random: () => number;
  readonly #priorities: number[];
  readonly #changes: ReadonlySet<number>;
  #lowest = 0;

  constructor(seed: number, execution: number, threads: number, depth: number, length: number) {
    this.#random = randomBy(Math.imul(seed, 0x9e3779b1) + execution);
    this.#priorities = Array.from({ length: threads }, () => 1 + this.#random());
    this.#changes = new Set(Array.from({ length: depth }, () => Math.floor(this.#random() * length)));
  }

  choose(execution: Execution): Choice | undefined {
    const able = execution.able;
    const best = this.#best(able);
    if (this.#changes.has(execution.steps.length)) this.#priorities[best] = --this.#lowest;
    return pick(this.#random, able[this.#best(able)]!);
  }

  #best(able: readonly (readonly Choice[])[]): number {
    let best = -1;
    able.forEach((list, i) => {
      if (list.length > 0 && (best < 0 || this.#priorities[i]! > this.#priorities[best]!)) best = i;
    });
    return best;
  }

  forced(): void {}
  stepped(): void {}
  spun(): void {}
}

function pick<T>(random: () => number, list: readonly T[]): T | undefined {
  return list[Math.floor(random() * list.length)];
}
