/*
 * One thread of an execution: how it stands, what it has done, and where it is in doing that again.
 *
 * A thread whose function is async is an agent with an event loop of its own: it runs until its microtasks are
 * drained, and then idles until one of its sleeps (`Atomics.waitAsync`) ends. Sleeps are numbered in the order
 * in which the thread began them, so that the same number means the same sleep whenever it is executed again.
 */
import type { Logged, Op, Value } from "./op.ts";
import type { Site } from "./sites.ts";

/** How a thread stands; an idle one waits for its sleeps. */
export type Status = "ready" | "idle" | "done" | "dead";
/** Is it left aside because it spins? */
export type Parking = "no" | "soft" | "hard";

/** An `Atomics.waitAsync` that sleeps or slept. */
export interface Sleep {
  readonly op: Op;
  /** The thread's virtual time at which it times out, `Infinity` if it does not. */
  readonly dueMs: number;
  /** Asleep, and not notified yet? */
  asleep: boolean;
}

/** One thread of an execution. */
export interface Thread {
  readonly index: number;
  readonly log: Logged[];
  position: number;
  status: Status;
  pending: Op | undefined;
  /** Of `Atomics.wait`. */
  waiting: "no" | "asleep" | "notified";
  parking: Parking;
  /** Words read since its last write, and what was read. */
  readonly window: Map<number, { readonly op: Op; readonly value: Value; readonly count: number }>;
  /** Repetitions since the spin began; 0 outside spins. */
  repeats: number;
  /** Steps done when the spin began. */
  spinStart: number;
  spinLog: number;
  suspended: boolean;
  /** Was its function executed to its end in this execution? */
  ran: boolean;
  result: unknown;
  /** Virtual time of what it has done, in ms. */
  clockMs: number;
  /** Virtual time of what it is doing again. */
  nowMs: number;
  /** Where it stands, if that is wanted. */
  site: Site | undefined;
  readonly sleeps: Sleep[];
  /** Sleeps that were notified and not delivered yet, oldest first. */
  readonly notified: number[];
  /** How the promises of its sleeps are settled while it is executed. */
  settlers: ((result: unknown) => void)[];
}

/** State of the threads at a scheduling point, from which an execution can go on. */
export interface Point {
  readonly pending: readonly (Op | undefined)[];
  readonly status: readonly Status[];
  readonly parking: readonly Parking[];
  /** How often each was passed over; only with bounded fairness. */
  readonly passed?: readonly number[] | undefined;
}

/** A thread that has done nothing yet. */
export function newThread(index: number): Thread {
  return {
    index,
    log: [],
    position: 0,
    status: "ready",
    pending: undefined,
    waiting: "no",
    parking: "no",
    window: new Map(),
    repeats: 0,
    spinStart: 0,
    spinLog: 0,
    suspended: false,
    ran: false,
    result: undefined,
    clockMs: 0,
    nowMs: 0,
    site: undefined,
    sleeps: [],
    notified: [],
    settlers: [],
  };
}

/** May it still do something? */
export function isAlive(thread: Thread): boolean {
  return thread.status === "ready" || thread.status === "idle";
}

/** Number of the idle thread's sleep that times out first, `-1` if none does. */
export function firstDue(thread: Thread): number {
  let found = -1;
  thread.sleeps.forEach(({ asleep, dueMs }, i) => {
    if (!asleep || dueMs === Number.POSITIVE_INFINITY) return;
    if (found < 0 || dueMs < thread.sleeps[found]!.dueMs) found = i;
  });
  return found;
}

/** The operation that a choice of the thread is about. */
export function nextOp(thread: Thread, sleep: number): Op | undefined {
  if (thread.status !== "idle") return thread.pending;
  return (thread.sleeps[sleep] ?? thread.sleeps.find(({ asleep }) => asleep))?.op;
}
