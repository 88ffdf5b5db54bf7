/*
 * Who decides which thread goes next.
 */
import type { Choice, Step } from "./op.ts";
import type { Point, Thread } from "./thread.ts";

/** As much of an execution as a scheduler sees. */
export interface Scheduled {
  readonly threads: readonly Thread[];
  /** What has been done. */
  readonly steps: readonly Step[];
  /** What each thread could do next. */
  readonly able: readonly (readonly Choice[])[];
  /** How each thread stands, to come back to. */
  point(): Point;
}

/** Told of everything that an execution does, and asked at each scheduling point. */
export interface Scheduler {
  /** Called at each scheduling point with at least one thread able to run; `undefined` gives the execution up. */
  choose(execution: Scheduled): Choice | undefined;
  /** Steps that are no choice, such as those of a spin. */
  forced(execution: Scheduled): void;
  /** Called after each step but those of a redone prefix. */
  stepped(execution: Scheduled, step: Step): void;
  /** The spin that began at the point of that many steps never ends: the choice was none. */
  spun(execution: Scheduled, depth: number): void;
  /** A sleeper could time out here if others had not used up the limit. */
  denied?(execution: Scheduled, thread: Thread): void;
}
