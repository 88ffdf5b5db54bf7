/*
 * What the checks have to say, and how it reads.
 */
import type { SyncErrorCode } from "../errors.ts";
import { describe, type GraphLock, type LockEdge } from "./lock-graph.ts";

/** Which rule was broken. */
export type LockReportKind =
  /** Two classes are taken in both orders, perhaps by way of others. */
  | "cycle"
  /** The lock, or another of its class, is taken while held. */
  | "recursion"
  /** A call that may sleep, while a spinlock is held. */
  | "sleep-under-spinlock"
  /** A call that may sleep, inside an RCU read section. */
  | "sleep-in-read-section"
  /** A release, or an `assertHeld`, of a lock that this thread does not hold. */
  | "not-held"
  /** `assertNoLocksHeld` found some. */
  | "still-held";

/** One broken rule. */
export interface LockReport {
  readonly kind: LockReportKind;
  /** The code of the error that is thrown if nobody takes the report. */
  readonly code: SyncErrorCode;
  /** The whole report as text, with chains and stacks. */
  readonly message: string;
  /** What this thread (or task) holds, oldest first. */
  readonly held: readonly GraphLock[];
  /** For a cycle: the new dependency first, then the known ones that lead back. Else empty. */
  readonly chain: readonly LockEdge[];
}

/** A report without a chain: a headline, where it happened, and what is held. */
export function reportOf(
  kind: LockReportKind,
  headline: string,
  stack: readonly string[],
  held: readonly GraphLock[],
): LockReport {
  const lines = [headline, ...indent(stack), ...heldLines(held)];
  const code = kind === "not-held" ? "EPERM" : "EDEADLK";
  return { kind, code, message: lines.join("\n"), held, chain: [] };
}

/** The report of a possible deadlock. */
export function cycleReport(
  edge: LockEdge,
  known: readonly LockEdge[],
  held: readonly GraphLock[],
): LockReport {
  const lines = [
    `lock order: taking ${describe(edge.to)} while holding ${describe(edge.from)} can deadlock`,
    "this thread:",
    ...edgeLines(edge),
    "the other way round, seen before:",
    ...known.flatMap(edgeLines),
  ];
  return { kind: "cycle", code: "EDEADLK", message: lines.join("\n"), held, chain: [edge, ...known] };
}

function edgeLines({ from, to }: LockEdge): string[] {
  return [
    `  held ${describe(from)}, taken`,
    ...indent(from.site.stack),
    `  then took ${describe(to)}`,
    ...indent(to.site.stack),
  ];
}

function heldLines(held: readonly GraphLock[]): string[] {
  if (held.length === 0) return ["held: nothing"];
  return held.flatMap((lock) => [`held ${describe(lock)}, taken`, ...indent(lock.site.stack)]);
}

function indent(stack: readonly string[]): string[] {
  return stack.map((frame) => `    ${frame}`);
}
