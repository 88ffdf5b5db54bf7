/*
 * What a failing execution did, for people: a row per step with its source line, and the stacks.
 */

import type { Row } from "./model.ts";
import { describeOp, type Step } from "./op.ts";

/** Lines of a stack that are the user's: the checker's own files are left out. */
export function userStack(stack: string | undefined): string[] {
  const lines = (stack ?? "").split("\n").filter((line) => /^\s*at /.test(line));
  const own = import.meta.url.replace(/[^/]*$/, "");
  const path = own.replace(/^file:\/\//, "");
  return lines
    .map((line) => line.trim().replace(/\?interleave=\d+/, ""))
    .filter((line) => !line.includes(own) && !line.includes(path) && !line.includes("node:internal"))
    .filter((line) => /:\d+:\d+\)?$/.test(line));
}

/** File name and line of the innermost frame, such as `counter.model.ts:7`. */
function placeOf(step: Step): string {
  const first = userStack(step.op.stack)[0] ?? "";
  return /([^/\\(\s]+:\d+):\d+\)?$/.exec(first)?.[1] ?? "";
}

/** One row per step. */
export function rowsOf(steps: readonly Step[]): Row[] {
  return steps.map((step) => ({
    thread: step.choice.thread,
    operation: operationOf(step),
    outcome: outcomeOf(step),
    at: placeOf(step),
  }));
}

function operationOf(step: Step): string {
  if (step.kind === "kill") return "dies";
  if (step.kind === "wake") return "wakes up";
  if (step.kind === "timeout") return "times out";
  return describeOp(step.op);
}

function outcomeOf(step: Step): string {
  if (step.kind === "enter") return "sleeps";
  if (step.kind !== "op") return "";
  if (step.op.kind === "write" || step.op.kind === "store") return "";
  const stale = typeof step.choice.action === "number" ? " (stale)" : "";
  return `${String(step.result)}${stale}`;
}
