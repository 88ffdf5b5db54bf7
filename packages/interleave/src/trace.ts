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

/** A line of a file. */
export interface Place {
  readonly path: string;
  readonly line: number;
}

/** Where the innermost frame of the code under test stands. */
export function placeOf(stack: string | undefined): Place | undefined {
  const first = userStack(stack)[0] ?? "";
  const [, file, line] = /(?:^at |\()(?:async )?([^()]+):(\d+):\d+\)?$/.exec(first) ?? [];
  if (file === undefined) return undefined;
  const path = file.startsWith("file:") ? decodeURIComponent(new URL(file).pathname) : file;
  return { path, line: Number(line) };
}

/** Its file name and line, such as `counter.model.ts:7`. */
function lineOf(step: Step): string {
  const place = placeOf(step.op.stack);
  return place === undefined ? "" : `${/[^/\\]*$/.exec(place.path)![0]}:${place.line}`;
}

/** One row per step. */
export function rowsOf(steps: readonly Step[]): Row[] {
  return steps.map((step) => ({
    thread: step.choice.thread,
    operation: operationOf(step),
    outcome: outcomeOf(step),
    at: lineOf(step),
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
