/*
 * Where the code under test stood at each operation, without looking at the stack each time. A thread is
 * determined by the results of its operations so far: threads with equal results stand at the same place. So
 * the places form a tree, one edge per result, and a stack is taken once per node.
 *
 * Cost: one look-up per step, one stack per new node; a node per different past of a thread stays in memory.
 */
import type { Logged, Op } from "./op.ts";

/** What a thread does after the results on the way to here. */
export interface Site {
  op: Op | undefined;
  readonly next: Map<unknown, Site>;
}

/** The places of a check. */
export class Sites {
  readonly #roots: readonly Site[];
  /** Where `setup` begins; `after` goes on from where it has ended. */
  readonly outside: Site;
  /** One operation, with its stack, of each place. */
  readonly ops: Op[] = [];

  constructor(threads: number) {
    this.#roots = Array.from({ length: threads }, newSite);
    this.outside = newSite();
  }

  /** The place of a thread that has done `log`. */
  of(thread: number, log: readonly Logged[]): Site {
    return log.reduce((site, { result, sleep }) => follow(site, result, sleep), this.#roots[thread]!);
  }

  /** The operation with the stack of its place, taken now if it is new. */
  withStack(site: Site, op: Op): Op {
    if (site.op === undefined) {
      site.op = { ...op, stack: stackHere() };
      this.ops.push(site.op);
    }
    return { ...op, stack: site.op.stack! };
  }
}

function newSite(): Site {
  return { op: undefined, next: new Map() };
}

/** The place behind a result; `sleep` is as in {@link Logged}. */
export function follow(site: Site, result: unknown, sleep: number): Site {
  const key = sleep < 0 ? result : `${sleep} ${String(result)}`;
  let next = site.next.get(key);
  if (next === undefined) {
    next = newSite();
    site.next.set(key, next);
  }
  return next;
}

/** Frames of the checker's own that may lie between the operation and the code under test. */
const DEPTH = 40;

function stackHere(): string {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEPTH;
  Error.captureStackTrace(holder);
  Error.stackTraceLimit = limit;
  return holder.stack ?? "";
}
