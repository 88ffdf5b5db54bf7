/*
 * What a user gives to the checker and gets from it.
 */

/** A model: what is shared, what each thread does with it, and what must hold afterwards. */
export interface Model<Shared = unknown> {
  /** Makes the shared memory; called once per execution. */
  readonly setup: () => Shared;
  /** The threads. A throw is a violation; what they return is given to `after`. */
  readonly threads: readonly ((shared: Shared) => unknown)[];
  /** Throws if the outcome is wrong. Runs when every thread has ended (or was killed). */
  readonly after?: (shared: Shared, results: readonly unknown[]) => void;
  /** Plain accesses that may race. */
  readonly races?: readonly AllowedRace[];
}

/** A race that is meant: both or one of its accesses lie where `at` says. */
export interface AllowedRace {
  /** Part of a stack line, such as `"seqcount.ts:120"` or a function's name. */
  readonly at: string;
  /** Why the race does no harm; must not be empty. */
  readonly reason: string;
}

/** How executions are chosen. */
export type Strategy = "exhaustive" | "random" | "pct";

/** Options of `check`. */
export interface CheckOptions {
  /** Of a module: the export that is the model; default the module itself, or its default export. */
  readonly exportName?: string;
  /** Most preemptions per execution; without it there is no bound. An integer `>= 0`. */
  readonly bound?: number;
  /** Default `"exhaustive"`. */
  readonly strategy?: Strategy;
  /** Seed of `random` and `pct`; default 1. */
  readonly seed?: number;
  /** Priority change points of `pct`, `>= 0`; default 3. */
  readonly depth?: number;
  /** Skip orders that differ only in independent steps; default `true` unless there is a `bound` or `fairness`. */
  readonly reduction?: boolean;
  /** Most executions; default 1,000,000, with `random` and `pct` 10,000. */
  readonly maxExecutions?: number;
  /** Most milliseconds; default no limit. */
  readonly timeMs?: number;
  /** Most steps per execution; reaching it is a livelock. Default 20,000. */
  readonly maxSteps?: number;
  /** Reads of unchanged words after which a spinning thread is left aside until one is written; default 200. */
  readonly spinLimit?: number;
  /**
   * How often a thread may read an unchanged word again before it is taken to spin; default 2. Others may run
   * between all these reads; a spin is undisturbed until one of its words is written.
   */
  readonly freeReads?: number;
  /** Timeouts of `Atomics.wait` that may fire per execution while others can run; default 1. */
  readonly timeouts?: number;
  /** Threads that may die per execution; default 0. */
  readonly kills?: number;
  /** Threads that may die; default all. */
  readonly killable?: readonly number[];
  /** Is an unsynchronised plain access a violation? Default `true`; always `false` with `stale`. */
  readonly races?: boolean;
  /** Let racing plain reads return any value that the memory model allows; default `false`. */
  readonly stale?: boolean;
  /**
   * Find out which shared operations of the source were never reached; default `false`. Costs a look-up per
   * step, and memory for each different past of a thread. Needs files, so not in a browser.
   */
  readonly coverage?: boolean;
  /**
   * Bounded fairness: how often in a row a thread that can go on may be passed over, `>= 1`; without it there is no
   * bound. Loops that end under every fair scheduler then end, and what reaches `maxSteps` is a livelock of
   * the code's own. Turns reduction off, and the report names the limit.
   */
  readonly fairness?: number;
  /**
   * A violation if others write more often than this, `>= 0`, to the words that a thread looks at or sleeps at, from
   * when it asks until it gets on; default no limit. A lock taken and given back is two writes.
   */
  readonly starvation?: number;
  /** If the exploration stops before its end, have the report tell how to `resume` it; default `false`. */
  readonly resumable?: boolean;
  /** The `frontier` of an exploration that was stopped, to go on there, with the same model and options. */
  readonly resume?: string;
  /** Stops the exploration, within about a second. */
  readonly signal?: AbortSignal;
  /** Run exactly this schedule. */
  readonly replay?: string;
  /** Explore part `index` (from 1) of `count`. */
  readonly shard?: { readonly index: number; readonly count: number };
  /** Called about once a second. */
  readonly onProgress?: (progress: Progress) => void;
}

/** How far a check is. */
export interface Progress {
  readonly executions: number;
  readonly pruned: number;
  readonly points: number;
  readonly elapsedMs: number;
}

/** What was found. */
export type FailureKind =
  | "exception"
  | "after"
  | "deadlock"
  | "livelock"
  | "starvation"
  | "race"
  | "nondeterministic";

/** One row of a failing schedule. */
export interface Row {
  readonly thread: number;
  /** The operation, such as `load Int32[0]`. */
  readonly operation: string;
  /** What it returned or did. */
  readonly outcome: string;
  /** Source line, such as `counter.model.ts:7`; empty if unknown. */
  readonly at: string;
}

/** A violation. */
export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  /** Give it to `replay` to see exactly this execution. */
  readonly schedule: string;
  /** Switches from a thread that could have gone on. */
  readonly preemptions: number;
  readonly rows: readonly Row[];
  /** Stacks of the error, or of both accesses of a race. */
  readonly stacks: readonly string[];
}

/** A shared operation of the source that no execution has reached. */
export interface Missed {
  /** Such as `counter.model.ts:7`. */
  readonly at: string;
  /** Such as `Atomics.load`, or `words[]`. */
  readonly operation: string;
}

/** What of the source was run. */
export interface Coverage {
  /** Shared operations that were reached, two of a kind on one line counted as one. */
  readonly reached: number;
  readonly missed: readonly Missed[];
}

/** Result of `check`. */
export interface Report {
  /** Nothing was found. */
  readonly ok: boolean;
  /** Every execution within the bounds was run, or is equivalent to one that was. */
  readonly exhausted: boolean;
  /** What limited the search, in words. */
  readonly limits: readonly string[];
  readonly threads: number;
  /** Executions run to their end. */
  readonly executions: number;
  /** Executions given up because all that follows was seen before. */
  readonly pruned: number;
  /** Scheduling points. */
  readonly points: number;
  /** Longest execution, in steps. */
  readonly longest: number;
  readonly elapsedMs: number;
  readonly failure?: Failure;
  /** Where a `resumable` exploration stopped. The reports of its parts add up to that of the whole. */
  readonly frontier?: string;
  /** With the option `coverage`. */
  readonly coverage?: Coverage;
  /** Races that were seen and are intended. */
  readonly intended?: readonly AllowedRace[];
  /** Annotations that nothing was seen of, or that cannot be read. */
  readonly warnings?: readonly string[];
}
