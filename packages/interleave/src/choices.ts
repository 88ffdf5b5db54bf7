/*
 * What each thread could do next. Timeouts and deaths are limited per execution; a spinner that was left aside,
 * and a timeout beyond the limit, get their turn when nobody else can run.
 */

import type { ExecutionOptions } from "./execution-options.ts";
import type { Memory } from "./memory.ts";
import type { Action, Choice, Op } from "./op.ts";
import type { HappensBefore } from "./races.ts";
import { firstDue, isAlive, type Thread } from "./thread.ts";

const NOBODY: readonly Thread[] = [];

/** What is chosen from, in one execution. */
export class Choices {
  /** Timeouts that fired so far. */
  timeouts = 0;
  /** Threads that died so far. */
  kills = 0;
  /** Sleepers whose timeout is not offered now, because others have used up the limit. */
  denied: readonly Thread[] = NOBODY;
  readonly #options: ExecutionOptions;
  readonly #memory: Memory;
  readonly #order: HappensBefore;

  constructor(options: ExecutionOptions, memory: Memory, order: HappensBefore) {
    this.#options = options;
    this.#memory = memory;
    this.#order = order;
  }

  /** By thread; empty for those that cannot go on. */
  of(threads: readonly Thread[]): readonly (readonly Choice[])[] {
    this.denied = NOBODY;
    const able = threads.map((thread) => this.#actions(thread));
    if (able.some((list) => list.some(isProgress))) return able;
    return threads.map((thread, i) => [...this.#lastResort(thread), ...able[i]!]);
  }

  /** May a timeout fire although others can run? */
  get mayTimeOut(): boolean {
    return this.timeouts < this.#options.timeouts;
  }

  #actions(thread: Thread): Choice[] {
    if (thread.status === "idle") return this.#idleActions(thread);
    const list: Choice[] = [];
    const op = thread.pending;
    if (thread.status !== "ready" || op === undefined) return list;
    if (thread.waiting === "asleep") {
      if (op.timeoutMs !== Number.POSITIVE_INFINITY) this.#timeOut(thread, list);
    } else if (thread.parking === "no") {
      list.push({ thread: thread.index, action: "run" });
      if (this.#options.stale) list.push(...this.#otherValues(thread, op));
    }
    if (this.#mayDie(thread)) list.push({ thread: thread.index, action: "kill" });
    return list;
  }

  #idleActions(thread: Thread): Choice[] {
    const list: Choice[] = [];
    if (thread.notified.length > 0) list.push({ thread: thread.index, action: "run" });
    if (firstDue(thread) >= 0) this.#timeOut(thread, list);
    if (this.#mayDie(thread)) list.push({ thread: thread.index, action: "kill" });
    return list;
  }

  #timeOut(thread: Thread, list: Choice[]): void {
    if (this.mayTimeOut) list.push({ thread: thread.index, action: "timeout" });
    else this.denied = [...this.denied, thread];
  }

  /** What a racing read may return besides the value in memory. */
  #otherValues(thread: Thread, op: Op): Choice[] {
    if (op.kind !== "read" && op.kind !== "load") return [];
    const current = this.#memory.peek(op);
    const ranks =
      op.kind === "read" ? this.#order.staleRanks(thread.index, op.buffer, op.offset, current) : [];
    const promised = this.#options.promises.of(op, thread.index).filter((value) => value !== current);
    const actions: Action[] = [
      ...ranks,
      ...promised.map((value) => `promise ${typeof value === "bigint" ? `${value}n` : value}` as const),
    ];
    return actions.map((action) => ({ thread: thread.index, action }));
  }

  #mayDie(thread: Thread): boolean {
    const { kills, killable } = this.#options;
    return this.kills < kills && (killable === undefined || killable.includes(thread.index));
  }

  #lastResort(thread: Thread): Choice[] {
    if (!isAlive(thread)) return [];
    const timeout: Choice = { thread: thread.index, action: "timeout" };
    if (thread.status === "idle") return firstDue(thread) >= 0 ? [timeout] : [];
    if (thread.waiting === "asleep") {
      return thread.pending!.timeoutMs === Number.POSITIVE_INFINITY ? [] : [timeout];
    }
    return thread.parking === "soft" ? [{ thread: thread.index, action: "run" }] : [];
  }
}

/** Does the thread get on by it? */
export function isProgress(choice: Choice): boolean {
  return choice.action !== "kill";
}
