/*
 * Stale mode, the other direction: a plain read may also return what another thread writes later, if nothing
 * orders the two (engines may move a plain store before an earlier load). The value is guessed from those that
 * plain writes have stored in executions so far; the execution counts only if the write then comes.
 *
 * A guess must not be its own reason: if the promised value reached the write through data that the guess
 * itself produced, it would come out of thin air. So a promise is kept only by a write whose value was stored
 * there by the same thread in some execution without any guess.
 */
import type { Op, Value } from "./op.ts";

/** Values that threads may promise, by place. */
export class Promises {
  readonly #values: Map<string, { readonly thread: number; readonly value: Value }[]> = new Map();
  /** Number of values known. */
  size = 0;

  /** A plain write, in an execution without guesses. */
  add(op: Op, thread: number, value: Value): void {
    const key = keyOf(op);
    const list = this.#values.get(key) ?? [];
    if (list.some((known) => known.thread === thread && known.value === value)) return;
    list.push({ thread, value });
    this.#values.set(key, list);
    this.size++;
  }

  /** Values that threads other than the reader may write to the place. */
  of(op: Op, reader: number): Value[] {
    const list = this.#values.get(keyOf(op)) ?? [];
    return [...new Set(list.filter(({ thread }) => thread !== reader).map(({ value }) => value))];
  }
}

function keyOf(op: Op): string {
  return `${op.type}#${op.buffer}@${op.offset}`;
}
