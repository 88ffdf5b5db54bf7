/*
 * Lock classes and interrupts.
 *
 *   unsafe   an interrupt takes a class that was also taken with interrupts on: it can come while its own thread
 *            holds the lock, and then waits for ever
 *   order    a class that interrupts take is held while one is taken that was also taken with interrupts on: an
 *            interrupt on the holder of the second waits for the first, whose holder waits for the second
 *
 * The same for softirqs. Both are found from what has been seen apart, no such interrupt need ever come. The second
 * one goes along the graph of lock orders, so it is asked again when a class is first used in a new way or an
 * order first seen.
 *
 * Source: Linux kernel/locking/lockdep.c, "Single-lock state rules" in lockdep-design.rst.
 */
import { irqContext, irqsDisabled, softirqsEnabled } from "../irq.ts";
import type { LockEdge, LockGraph } from "./lock-graph.ts";
import { irqOrderReport, irqUnsafeReport, type LockReport } from "./report.ts";
import type { Site } from "./site.ts";

/** The two kinds of interrupt. */
export type IrqKind = "hardirq" | "softirq";
const KINDS: readonly IrqKind[] = ["hardirq", "softirq"];

/** How a class has been taken, each with the first place. */
interface Usage {
  /** In that kind of interrupt. */
  readonly inside: Partial<Record<IrqKind, Site>>;
  /** Where that kind of interrupt could come. */
  readonly open: Partial<Record<IrqKind, Site>>;
}

/** What one agent has seen of its classes. */
export class IrqSafety {
  readonly #graph: LockGraph;
  readonly #onReport: (report: LockReport) => void;
  readonly #usages: Map<string, Usage> = new Map();
  readonly #reported: Set<string> = new Set();

  constructor(graph: LockGraph, onReport: (report: LockReport) => void) {
    this.#graph = graph;
    this.#onReport = onReport;
  }

  /** A lock of this class is taken now. */
  taken(className: string, site: Site): void {
    let usage = this.#usages.get(className);
    if (usage === undefined) {
      usage = { inside: {}, open: {} };
      this.#usages.set(className, usage);
    }
    const context = irqContext();
    const wasKnown = [context === "task" || usage.inside[context] !== undefined];
    if (context !== "task") usage.inside[context] ??= site;
    const isOpen = { hardirq: !irqsDisabled(), softirq: softirqsEnabled() };
    for (const kind of KINDS) {
      wasKnown.push(!isOpen[kind] || usage.open[kind] !== undefined);
      if (isOpen[kind]) usage.open[kind] ??= site;
    }
    if (wasKnown.includes(false)) this.#check(className, usage);
  }

  /** An order of classes was first seen. */
  edgeAdded(): void {
    for (const kind of KINDS) this.#checkOrder(kind);
  }

  #check(className: string, { inside, open }: Usage): void {
    for (const kind of KINDS) {
      const [irqSite, openSite] = [inside[kind], open[kind]];
      if (irqSite !== undefined && openSite !== undefined && this.#isNew(`${kind} ${className}`)) {
        this.#onReport(irqUnsafeReport(kind, className, irqSite.stack, openSite.stack));
      }
      this.#checkOrder(kind);
    }
  }

  #checkOrder(kind: IrqKind): void {
    for (const [className, { inside }] of this.#usages) {
      const irqSite = inside[kind];
      if (irqSite === undefined) continue;
      const path = this.#graph.findPath(className, (to) => this.#usages.get(to)?.open[kind] !== undefined);
      if (path === undefined) continue;
      const to = (path.at(-1) as LockEdge).to.className;
      if (!this.#isNew(`${kind} ${className} ${to}`)) continue;
      const openSite = this.#usages.get(to)?.open[kind] as Site;
      this.#onReport(irqOrderReport(kind, path, irqSite.stack, openSite.stack));
    }
  }

  #isNew(key: string): boolean {
    if (this.#reported.has(key)) return false;
    this.#reported.add(key);
    return true;
  }
}
