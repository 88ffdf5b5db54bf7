/*
 * How an execution ends.
 */
import { describeOp, type Step } from "./op.ts";
import type { Race } from "./races.ts";
import { nextOp, type Thread } from "./thread.ts";

/** How an execution ended. */
export type Ending =
  | { readonly kind: "complete" | "pruned" }
  | { readonly kind: "exception"; readonly error: unknown; readonly thread: number }
  | { readonly kind: "after"; readonly error: unknown }
  | { readonly kind: "race"; readonly race: Race }
  | {
      readonly kind: "deadlock" | "livelock" | "starvation" | "nondeterministic";
      readonly message: string;
    };

/** The step bound was reached: is it the code's fault, or that of a schedule that passes somebody over? */
export function endless(
  threads: readonly Thread[],
  steps: readonly Step[],
  fairness: number | undefined,
): Ending {
  const what = `no end after ${steps.length} steps`;
  if (fairness !== undefined) {
    const message = `${what}, although nobody was passed over more than ${fairness} times in a row`;
    return { kind: "livelock", message };
  }
  const late = new Set(steps.slice(steps.length >> 1).map((step) => step.choice.thread));
  const idle = threads.filter((thread) => {
    return thread.status === "ready" && thread.waiting !== "asleep" && !late.has(thread.index);
  });
  const names = idle.map((thread) => `thread ${thread.index}`).join(", ");
  const unfair = `; ${names} had no turn: the option fairness leaves such schedules out`;
  return { kind: "livelock", message: idle.length === 0 ? what : `${what}${unfair}` };
}

/** Nobody can go on: everybody sleeps, or spins on words that nobody will write. */
export function stuck(threads: readonly Thread[]): Ending {
  const asleep = threads.filter(({ waiting, status }) =>
    status === "idle" ? true : waiting === "asleep" && status === "ready",
  );
  const spinning = threads.filter(({ parking, status }) => parking === "hard" && status === "ready");
  const name = (thread: Thread): string => {
    const op = nextOp(thread, -1);
    return `thread ${thread.index} at ${op === undefined ? "?" : describeOp(op)}`;
  };
  if (spinning.length === 0) {
    return { kind: "deadlock", message: `nobody wakes ${asleep.map(name).join(", ")}` };
  }
  const sleepers = asleep.length === 0 ? "" : `; asleep: ${asleep.map(name).join(", ")}`;
  const words = spinning.map(name).join(", ");
  return { kind: "livelock", message: `nobody writes what is spun on: ${words}${sleepers}` };
}
