/*
 * Lock checks and lock statistics, off until `enableLockDebug()` is called.
 *
 * Off costs nothing: the lock classes contain no field, branch or hook for this. Switching on replaces the
 * methods on their prototypes by checking ones, switching off puts the originals back (instrument.ts). Each
 * agent switches on for itself; what a worker has seen can be merged by another through `graph`.
 */
import { SyncError } from "../errors.ts";
import { Instrumentation } from "./instrument.ts";
import { type LockClassOptions, type LockLike, nameLock, placeOf } from "./lock-class.ts";
import type { LockEdge, LockGraph } from "./lock-graph.ts";
import { type LockMode, LockOrder } from "./lock-order.ts";
import { LockStat } from "./lock-stat.ts";
import type { LockReport } from "./report.ts";
import { Site } from "./site.ts";

export type { LockClassOptions, LockLike } from "./lock-class.ts";
export { type GraphLock, type LockEdge, LockGraph } from "./lock-graph.ts";
export type { LockMode } from "./lock-order.ts";
export { type ContentionPoint, type DurationsMs, LockStat, type LockStatRow } from "./lock-stat.ts";
export type { LockReport, LockReportKind } from "./report.ts";

/** Options of {@link enableLockDebug}. */
export interface LockDebugOptions {
  /**
   * Gets every report. Default: throws a {@link SyncError} with the report's code (`EDEADLK`, or `EPERM` for a
   * lock that is not held) and message. If it returns, the call that broke the rule goes on.
   */
  readonly onReport?: (report: LockReport) => void;
  /**
   * The task that runs now, any value that tells tasks apart, `undefined` outside of tasks; in Node
   * `() => storage.getStore()` of an `AsyncLocalStorage`. With it, locks taken by `…Async` calls take part in
   * all checks. Without it they are only known to be held.
   */
  readonly currentTask?: () => unknown;
}

/** The checks of this agent while they are on. */
export interface LockDebug {
  /** The order of lock classes seen so far. */
  readonly graph: LockGraph;
  /** The statistics since the start. */
  readonly stat: LockStat;
  /** Adds what another agent's `graph.toJSON()` says, and reports what contradicts the order known here. */
  merge(edges: readonly LockEdge[]): void;
  /** Puts the plain locks back; a second call does nothing. Graph and statistics stay readable. */
  disable(): void;
  [Symbol.dispose](): void;
}

interface Session extends LockDebug {
  readonly order: LockOrder;
}

let current: Session | undefined;

/**
 * Switches the lock checks and statistics on, for this agent. Do so before any lock is taken: a lock held from
 * before is not known to be held, and its release is reported.
 *
 * Cost while on: some microseconds per lock operation, most of it for the stack. After `disable` the plain
 * methods run again, but the engine may remember for a call site that ran meanwhile that it has had two
 * targets, and inline it no more: measure in a process that has never switched this on.
 *
 * @throws SyncError `EINVAL` if they are on already
 *
 * Source: Linux kernel/locking/lockdep.c, Documentation/locking/lockdep-design.rst and lockstat.rst.
 */
export function enableLockDebug(options: LockDebugOptions = {}): LockDebug {
  if (current !== undefined) throw new SyncError("EINVAL", "enableLockDebug: it is on already");
  const order = new LockOrder(options.onReport ?? throwReport, options.currentTask);
  const stat = new LockStat();
  const instrumentation = new Instrumentation(order, stat);
  const disable = () => {
    if (current !== session) return;
    instrumentation.restore();
    current = undefined;
  };
  const merge = (edges: readonly LockEdge[]) => order.merge(edges);
  const session: Session = { order, graph: order.graph, stat, merge, disable, [Symbol.dispose]: disable };
  current = session;
  return session;
}

/**
 * Names the class of a lock: locks of one name follow one order. Name it in every agent that uses it. May be
 * called at any time, before or after {@link enableLockDebug}; other objects on the same words share the name.
 *
 * @returns the lock, so that it can be named where it is constructed
 * @throws RangeError if the name is empty
 */
export function lockClass<L extends LockLike>(lock: L, name: string, options: LockClassOptions = {}): L {
  nameLock(lock, name, options);
  if (current !== undefined) placeOf(lock);
  return lock;
}

/**
 * Runs `take`, in which locks are taken under a subclass of their class: a parent's and a child's lock of one
 * class may be held together if the order is always the same. Off, it just runs `take`, which must not be async.
 *
 * @param subclass - `1..7`; 0 is every lock taken without this
 *
 * Source: mutex_lock_nested(), SINGLE_DEPTH_NESTING.
 */
export function lockNested<T>(subclass: number, take: () => T): T {
  if (!Number.isInteger(subclass) || subclass < 1 || subclass > 7) {
    throw new RangeError(`lockNested: subclass must be an integer in 1..7, got ${subclass}`);
  }
  const order = current?.order;
  if (order === undefined) return take();
  const was = order.subclass;
  order.subclass = subclass;
  try {
    return take();
  } finally {
    order.subclass = was;
  }
}

/**
 * Reports if this thread (or task) does not hold the lock, in `mode` if given. Off, it does nothing.
 *
 * Source: lockdep_assert_held(), lockdep_assert_held_write().
 */
export function assertHeld(lock: LockLike, mode?: LockMode): void {
  current?.order.assertHeld(placeOf(lock), mode, new Site());
}

/**
 * Reports the locks and read sections this agent holds: for the end of a turn, or of a worker. Off, it does
 * nothing. Locks of all tasks count.
 *
 * @param what - names the moment in the report
 *
 * Source: debug_check_no_locks_held().
 */
export function assertNoLocksHeld(what = "assertNoLocksHeld"): void {
  current?.order.assertNoLocksHeld(what, new Site());
}

/** This agent's statistics; an empty table while the checks are off. */
export function lockStat(): LockStat {
  return current?.stat ?? new LockStat();
}

function throwReport(report: LockReport): never {
  throw new SyncError(report.code, report.message);
}
