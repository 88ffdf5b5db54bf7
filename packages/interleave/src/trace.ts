/*
 * What a failing execution did, for people: a row per step with its source line, and the stacks.
 */

import type { Row } from "./model.ts";
import { describeOp, promisedBy, type Step } from "./op.ts";

const OWN_URL = import.meta.url.replace(/[^/]*$/, "");
const OWN_PATH = OWN_URL.replace(/^file:\/\//, "");

function isOwn(line: string): boolean {
  return line.includes(OWN_URL) || line.includes(OWN_PATH);
}

/** Lines of a stack that are the model's: between the checker's own that intercept and those that call. */
export function userStack(stack: string | undefined): string[] {
  const lines = (stack ?? "").split("\n").filter((line) => /^\s*at .*:\d+:\d+\)?$/.test(line));
  const start = lines.findIndex((line) => !isOwn(line));
  if (start < 0) return [];
  const end = lines.findIndex((line, i) => i > start && isOwn(line));
  return lines
    .slice(start, end < 0 ? undefined : end)
    .map((line) => line.trim().replace(/\?interleave=\d+/, ""));
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
  if (step.kind === "timeout" || step.kind === "late") return "times out";
  return describeOp(step.op);
}

function outcomeOf(step: Step): string {
  if (step.kind === "enter") return "sleeps";
  if (step.kind !== "op") return "";
  if (step.op.kind === "waitAsync" && typeof step.result === "number") return "a promise";
  if (step.op.kind === "write" || step.op.kind === "store") return "";
  const { action } = step.choice;
  const stale =
    typeof action === "number" ? " (stale)" : promisedBy(action) === undefined ? "" : " (written later)";
  return `${String(step.result)}${stale}`;
}
