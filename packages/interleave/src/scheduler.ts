/*
 * Who decides which thread goes next.
 */
import type { Execution } from "./execution.ts";
import type { Choice, Step } from "./op.ts";
import type { Thread } from "./thread.ts";

/** Told of everything that an execution does, and asked at each scheduling point. */
export interface Scheduler {
  /** Called at each scheduling point with at least one thread able to run; `undefined` gives the execution up. */
  choose(execution: Execution): Choice | undefined;
  /** Steps that are no choice, such as those of a spin. */
  forced(execution: Execution): void;
  /** Called after each step but those of a redone prefix. */
  stepped(execution: Execution, step: Step): void;
  /** The spin that began at the point of that many steps never ends: the choice was none. */
  spun(execution: Execution, depth: number): void;
  /** A sleeper could time out here if others had not used up the limit. */
  denied?(execution: Execution, thread: Thread): void;
}
