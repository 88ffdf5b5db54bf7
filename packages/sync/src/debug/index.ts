/*
 * Lock checks and lock statistics, off until `enableLockDebug()` is called.
 *
 * Off costs nothing: the lock classes contain no field, branch or hook for this. Switching on replaces the
 * methods on their prototypes by checking ones, switching off puts the originals back (instrument.ts). Each
 * agent switches on for itself; what a worker has seen can be merged by another through `graph`.
 */
import { SyncError } from "../errors.ts";
import { setOnAttach } from "../words.ts";
import { AttachCheck } from "./attach.ts";
import type { ContentionEvent } from "./contention.ts";
import { Instrumentation } from "./instrument.ts";
import { instrumentRcu } from "./instrument-rcu.ts";
import { instrumentThread } from "./instrument-thread.ts";
import { type LockClassOptions, type LockLike, nameLock, placeOf } from "./lock-class.ts";
import { LockEvents } from "./lock-events.ts";
import type { LockEdge, LockGraph } from "./lock-graph.ts";
import { type LockMode, LockOrder } from "./lock-order.ts";
import { LockStat } from "./lock-stat.ts";
import { OwnerTable } from "./owner-table.ts";
import { Patches } from "./patch.ts";
import type { LockReport } from "./report.ts";
import { Site } from "./site.ts";

export { type ContentionEvent, ContentionFlag } from "./contention.ts";
export type { LockClassOptions, LockLike } from "./lock-class.ts";
export type { LockEvents } from "./lock-events.ts";
export { type GraphLock, type LockEdge, LockGraph } from "./lock-graph.ts";
export type { LockMode } from "./lock-order.ts";
export {
  type ContentionPoint,
  type DurationsMs,
  LockStat,
  type LockStatRow,
  type StatMode,
} from "./lock-stat.ts";
export type { LockReport, LockReportKind } from "./report.ts";

/** Options of {@link enableLockDebug}. */
export interface LockDebugOptions {
  /**
   * Gets every report. Default: throws a {@link SyncError} with the report's code and message. If it returns, the call that broke the rule goes on.
   */
  readonly onReport?: (report: LockReport) => void;
  /**
   * The task that runs now, any value that tells tasks apart, `undefined` outside of tasks; in Node
   * `() => storage.getStore()` of an `AsyncLocalStorage`. With it, locks taken by `…Async` calls take part in
   * all checks. Without it they are only known to be held.
   */
  readonly currentTask?: () => unknown;
  /** Told when a wait for a lock begins, and when it is over. Linux: contention_begin, contention_end. */
  readonly onContention?: (event: ContentionEvent) => void;
  /**
   * A table that agents share, zeroed at the start, some words per lock class: with it the statistics count
   * bounces, and a release of what another agent holds says whose it is.
   */
  readonly owners?: Int32Array;
}

/** The checks of this agent while they are on. */
export interface LockDebug {
  /** The order of lock classes seen so far. */
  readonly graph: LockGraph;
  /** The statistics since the start. */
  readonly stat: LockStat;
  /** Counts of what happens inside the locks, by the kernel's names. */
  readonly events: LockEvents;
  /** Adds what another agent's `graph.toJSON()` says, and reports what contradicts the order known here. */
  merge(edges: readonly LockEdge[]): void;
  /** Puts the plain locks back; a second call does nothing. Graph and statistics stay readable. */
  disable(): void;
  [Symbol.dispose](): void;
}

interface Session extends LockDebug {
  readonly order: LockOrder;
  readonly attach: AttachCheck;
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
 * Constructing an object on words that cannot hold one of its kind throws `SyncError` `EINVAL` while it is on.
 *
 * @throws SyncError `EINVAL` if they are on already
 *
 * Source: Linux kernel/locking/lockdep.c, Documentation/locking/lockdep-design.rst and lockstat.rst.
 */
export function enableLockDebug(options: LockDebugOptions = {}): LockDebug {
  if (current !== undefined) throw new SyncError("EINVAL", "enableLockDebug: it is on already");
  const { onReport = throwReport, currentTask, onContention } = options;
  const owners = options.owners === undefined ? undefined : new OwnerTable(options.owners);
  const order = new LockOrder(onReport, currentTask);
  const stat = new LockStat();
  const events = new LockEvents();
  const patches = new Patches();
  new Instrumentation(patches, { order, stat, events, owners, onContention });
  instrumentRcu(patches, order);
  instrumentThread(patches, order);
  const attach = new AttachCheck();
  setOnAttach(attach.check);
  patches.onRestore(() => setOnAttach(undefined));
  const disable = () => {
    if (current !== session) return;
    patches.restore();
    current = undefined;
  };
  const merge = (edges: readonly LockEdge[]) => order.merge(edges);
  const { graph } = order;
  const handle: LockDebug = { graph, stat, events, merge, disable, [Symbol.dispose]: disable };
  const session: Session = { ...handle, order, attach };
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
 * nothing. Locks of all tasks count. While the checks are on, it happens by itself at the end of the thread and
 * when it leaves its registry.
 *
 * @param what - names the moment in the report
 *
 * Source: debug_check_no_locks_held().
 */
export function assertNoLocksHeld(what = "assertNoLocksHeld"): void {
  current?.order.assertNoLocksHeld(what, new Site());
}

/**
 * Reports the locks this agent holds that begin in `words[word]..words[word + count - 1]`: for allocators, before
 * memory is given back. The words may hold something else afterwards. Off, it does nothing.
 *
 * Source: debug_check_no_locks_freed().
 */
export function assertNoLocksFreed(words: Int32Array, word: number, count: number): void {
  current?.order.assertNoLocksFreed(words, word, count, new Site());
  current?.attach.forget(words, word, count);
}

/** This agent's statistics; an empty table while the checks are off. */
export function lockStat(): LockStat {
  return current?.stat ?? new LockStat();
}

/** This agent's counts of events; none while the checks are off. */
export function lockEvents(): LockEvents {
  return current?.events ?? new LockEvents();
}

function throwReport(report: LockReport): never {
  throw new SyncError(report.code, report.message);
}
