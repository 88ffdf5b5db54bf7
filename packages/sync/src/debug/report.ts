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
  /** A spinlock was held at the end of an event-loop turn: somebody has awaited with it. */
  | "await-under-spinlock"
  /** A call that may sleep, inside an RCU read section. */
  | "sleep-in-read-section"
  /** A call that may sleep, in an interrupt or with interrupts off. */
  | "sleep-in-irq"
  /** Interrupts take the class, and it was taken where they could come. */
  | "irq-unsafe"
  /** A class that interrupts take is held while one is taken under which they can come. */
  | "irq-order"
  /** A release, or an `assertHeld`, of a lock that this thread does not hold. */
  | "not-held"
  /** `assertNoLocksHeld` found some, or the thread has ended with them. */
  | "still-held"
  /** Words were given back with a lock in them that is held. */
  | "freed-while-held"
  /** What RCU readers see was loaded outside every read section. */
  | "load-outside-section"
  /** The same function was handed to `call` twice, before it has run. */
  | "double-call";

/** Code of the error that is thrown if nobody takes the report. */
const CODES: Readonly<Record<LockReportKind, SyncErrorCode>> = {
  cycle: "EDEADLK",
  recursion: "EDEADLK",
  "sleep-under-spinlock": "EDEADLK",
  "await-under-spinlock": "EDEADLK",
  "sleep-in-read-section": "EDEADLK",
  "sleep-in-irq": "EDEADLK",
  "irq-unsafe": "EDEADLK",
  "irq-order": "EDEADLK",
  "not-held": "EPERM",
  "still-held": "EDEADLK",
  "freed-while-held": "EINVAL",
  "load-outside-section": "EPERM",
  "double-call": "EINVAL",
};

/** One broken rule. */
export interface LockReport {
  readonly kind: LockReportKind;
  /** The code of the error that is thrown if nobody takes the report. */
  readonly code: SyncErrorCode;
  /** The whole report as text, with chains and stacks. */
  readonly message: string;
  /** What this thread (or task) holds, oldest first. */
  readonly held: readonly GraphLock[];
  /** For a cycle: the new dependency first, then the known ones that lead back. For an order: its path. */
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
  return { kind, code: CODES[kind], message: lines.join("\n"), held, chain: [] };
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

/** The report of a class that an interrupt can find taken. */
export function irqUnsafeReport(
  irq: string,
  className: string,
  irqStack: readonly string[],
  openStack: readonly string[],
): LockReport {
  const lines = [
    `irq safety: ${className}: a ${irq} takes it, and can come while it is held`,
    `taken in a ${irq}`,
    ...indent(irqStack),
    `taken where a ${irq} can come`,
    ...indent(openStack),
  ];
  return { kind: "irq-unsafe", code: CODES["irq-unsafe"], message: lines.join("\n"), held: [], chain: [] };
}

/** The report of a lock order that an interrupt turns round. */
export function irqOrderReport(
  irq: string,
  path: readonly LockEdge[],
  irqStack: readonly string[],
  openStack: readonly string[],
): LockReport {
  const [from, to] = [path[0].from.className, path[path.length - 1].to.className];
  const lines = [
    `irq safety: ${to} is taken while holding ${from}, which a ${irq} takes that can come while ${to} is held`,
    `${from} is taken in a ${irq}`,
    ...indent(irqStack),
    `${to} is taken where a ${irq} can come`,
    ...indent(openStack),
    "the order, seen before:",
    ...path.flatMap(edgeLines),
  ];
  return { kind: "irq-order", code: CODES["irq-order"], message: lines.join("\n"), held: [], chain: path };
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
