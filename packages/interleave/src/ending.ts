/*
 * How an execution ends.
 */
import { describeOp } from "./op.ts";
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
