/*
 * Stale mode, the other direction: a plain read may also return what another thread writes later, if nothing
 * orders the two (engines may move a plain store before an earlier load). The value is guessed from those that
 * plain writes have stored in executions so far; the execution counts only if the write then comes.
 *
 * A guess must not be its own reason: if the promised value reached the write through data that the guess
 * itself produced, it would come out of thin air. So a promise is kept only by a write whose value was stored
 * there by the same thread in some execution without any guess.
 */
import { type Op, promisedBy, type Step, sameOp, type Value } from "./op.ts";
import type { HappensBefore } from "./races.ts";

/** Values that threads may promise, by place. */
export class Promises {
  readonly #values: Map<string, { readonly thread: number; readonly value: Value }[]> = new Map();
  /** Number of values known. */
  size = 0;

  /** A plain write, in an execution without guesses. */
  add(op: Op, thread: number, value: Value): void {
    const key = placeOf(op);
    const list = this.#values.get(key) ?? [];
    if (list.some((known) => known.thread === thread && known.value === value)) return;
    list.push({ thread, value });
    this.#values.set(key, list);
    this.size++;
  }

  /** What is known, to be restored in another exploration. */
  save(): unknown {
    return this.#values;
  }

  /** Takes in what another exploration knew. */
  restore(saved: unknown): void {
    for (const [place, list] of saved as Map<string, { readonly thread: number; readonly value: Value }[]>) {
      this.#values.set(place, list);
      this.size += list.length;
    }
  }

  /** Values that threads other than the reader may write to the place. */
  of(op: Op, reader: number): Value[] {
    const list = this.#values.get(placeOf(op)) ?? [];
    return [...new Set(list.filter(({ thread }) => thread !== reader).map(({ value }) => value))];
  }
}

/** Reads of one execution whose value must still be written, by a thread that does not know of the read. */
export class Guesses {
  readonly #promises: Promises;
  readonly #order: HappensBefore;
  #owed: { readonly op: Op; readonly reader: number; readonly time: number; readonly value: Value }[] = [];
  #guessed = false;

  constructor(promises: Promises, order: HappensBefore) {
    this.#promises = promises;
    this.#order = order;
  }

  /** Did a promised write not come? Then the execution does not count. */
  get isOwed(): boolean {
    return this.#owed.length > 0;
  }

  /** Takes a step in, after the clocks of the steps before it and before its own. */
  onStep(step: Step): void {
    const { op, choice } = step;
    const value = promisedBy(choice.action);
    if (value !== undefined) {
      this.#guessed = true;
      this.#owed.push({ op, reader: choice.thread, time: this.#order.timeOf(choice.thread), value });
    } else if (op.kind === "write") {
      if (!this.#guessed) this.#promises.add(op, choice.thread, step.after);
      this.#owed = this.#owed.filter(
        (read) =>
          !sameOp({ ...read.op, kind: op.kind, value: op.value }, op) ||
          read.value !== step.after ||
          read.reader === choice.thread ||
          this.#order.knows(choice.thread, read.reader, read.time),
      );
    }
  }
}

function placeOf(op: Op): string {
  return `${op.type}#${op.buffer}@${op.offset}`;
}
