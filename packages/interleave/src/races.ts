/*
 * Happens-before by vector clocks, as the ECMAScript memory model has it: a sequentially consistent read
 * synchronises with the sequentially consistent write that it reads from; a notify with the waiters it wakes.
 * Two accesses of a common byte, one of them a write, one of them plain, race if neither happens before the
 * other. What `setup` did happens before everything.
 *
 * Source of the idea: Flanagan and Freund, FastTrack (PLDI 2009); here every cell keeps full records, since
 * models are small.
 */
import { isAtomic, overlaps, promisedBy, type Step, type Value, writes } from "./op.ts";

type Clock = number[];

interface Access {
  readonly step: Step;
  readonly thread: number;
  /** The thread's own time of the access. */
  readonly time: number;
}

interface Written extends Access {
  readonly clock: readonly number[];
  readonly value: Value;
}

/** Two steps that race. */
export interface Race {
  readonly first: Step;
  readonly second: Step;
}

/** Clocks of one execution. */
export class HappensBefore {
  readonly #clocks: Clock[];
  /** Clock that a sequentially consistent read of the place acquires. */
  readonly #published: Map<number, Clock> = new Map();
  /** Accesses by aligned 8-byte cell. */
  readonly #cells: Map<number, Access[]> = new Map();
  /** Writes per place, oldest first; the first is the initial value. Only in stale mode. */
  readonly #history: Map<number, (Written | { readonly value: Value })[]> = new Map();
  /** Clocks of the notifies by the sleep that each has ended. */
  readonly #notified: Map<number, Clock> = new Map();
  readonly #stale: boolean;

  constructor(threads: number, stale: boolean) {
    this.#clocks = [];
    for (let i = 0; i < threads; i++) {
      const clock = new Array<number>(threads).fill(0);
      clock[i] = 1;
      this.#clocks.push(clock);
    }
    this.#stale = stale;
  }

  /** Takes a step in; returns the race that it completes. `before` is the element's value before it. */
  onStep(step: Step, before: Value): Race | undefined {
    if (step.kind === "kill") return undefined;
    const thread = step.choice.thread;
    const clock = this.#clocks[thread]!;
    for (const { thread: other, sleep } of step.woken) this.#notified.set(sleepOf(other, sleep), [...clock]);
    if (step.kind === "wake") this.#wakeUp(thread, step.sleep);
    const race =
      step.kind === "op" || step.kind === "enter" ? this.#record(step, thread, clock, before) : undefined;
    clock[thread]!++;
    return race;
  }

  #wakeUp(thread: number, sleep: number): void {
    const notify = this.#notified.get(sleepOf(thread, sleep));
    if (notify !== undefined) join(this.#clocks[thread]!, notify);
  }

  #record(step: Step, thread: number, clock: Clock, before: Value): Race | undefined {
    const { op } = step;
    const place = keyOf(op.buffer, op.offset);
    const write = writes(step);
    if (op.kind === "notify") return undefined;
    if (isAtomic(op)) {
      const published = this.#published.get(place);
      // A promised value comes from a plain write, which synchronises with nobody.
      const isPromised = promisedBy(step.choice.action) !== undefined;
      if (op.kind !== "store" && !isPromised && published !== undefined) join(clock, published);
      if (write) this.#published.set(place, [...clock]);
    } else if (write) this.#published.delete(place);
    if (this.#stale && write) this.#remember(step, place, thread, clock, before);
    return this.#access(step, thread, clock, write);
  }

  #access(step: Step, thread: number, clock: Clock, write: boolean): Race | undefined {
    const { op } = step;
    const cell = keyOf(op.buffer, op.offset & ~7);
    let list = this.#cells.get(cell);
    if (list === undefined) {
      list = [];
      this.#cells.set(cell, list);
    }
    let race: Race | undefined;
    let own = list.length;
    for (let i = 0; i < list.length; i++) {
      const other = list[i]!;
      if (other.thread === thread) {
        if (isSame(other.step, step, write)) own = i;
      } else if (clock[other.thread]! < other.time && conflict(other.step, step, write)) {
        race ??= { first: other.step, second: step };
      }
    }
    list[own] = { step, thread, time: clock[thread]! };
    return race;
  }

  #remember(step: Step, place: number, thread: number, clock: Clock, before: Value): void {
    const list = this.#history.get(place) ?? [{ value: before }];
    list.push({ step, thread, time: clock[thread]!, clock: [...clock], value: step.after });
    this.#history.set(place, list);
  }

  /**
   * Ranks of the older writes whose value a plain read by `thread` may return: those that no other write
   * known to the reader has overwritten. Source: ECMA-262, "Valid Coherent Reads" and "happens-before".
   */
  staleRanks(thread: number, buffer: number, offset: number, current: Value): number[] {
    const list = this.#history.get(keyOf(buffer, offset));
    if (list === undefined) return [];
    const clock = this.#clocks[thread]!;
    const seen = new Set<Value>([current]);
    const ranks: number[] = [];
    list.forEach((write, rank) => {
      if (seen.has(write.value) || this.#overwritten(list, write, clock)) return;
      seen.add(write.value);
      ranks.push(rank);
    });
    return ranks;
  }

  /** The thread's own time. */
  timeOf(thread: number): number {
    return this.#clocks[thread]![thread]!;
  }

  /** Does what `other` did at its time `time` happen before what `thread` does next? */
  knows(thread: number, other: number, time: number): boolean {
    return this.#clocks[thread]![other]! >= time;
  }

  /** Value of a write by its rank. */
  staleValue(buffer: number, offset: number, rank: number): Value | undefined {
    return this.#history.get(keyOf(buffer, offset))?.[rank]?.value;
  }

  #overwritten(
    list: readonly (Written | { readonly value: Value })[],
    write: Written | { readonly value: Value },
    reader: Clock,
  ): boolean {
    return list.some((later) => {
      if (later === write || !("clock" in later)) return false;
      if (reader[later.thread]! < later.time) return false;
      if (!("clock" in write)) return true;
      return later.clock[write.thread]! >= write.time;
    });
  }
}

function conflict(a: Step, b: Step, bWrites: boolean): boolean {
  if (!bWrites && !writes(a)) return false;
  if (isAtomic(a.op) && isAtomic(b.op) && a.op.size === b.op.size) return false;
  return overlaps(a.op, b.op);
}

function isSame(a: Step, b: Step, bWrites: boolean): boolean {
  return (
    a.op.offset === b.op.offset &&
    a.op.size === b.op.size &&
    isAtomic(a.op) === isAtomic(b.op) &&
    writes(a) === bWrites
  );
}

function sleepOf(thread: number, sleep: number): number {
  return thread * 2 ** 32 + sleep + 1;
}

function keyOf(buffer: number, offset: number): number {
  return buffer * 2 ** 32 + offset;
}

function join(into: Clock, from: readonly number[]): void {
  for (let i = 0; i < into.length; i++) if (from[i]! > into[i]!) into[i] = from[i]!;
}
