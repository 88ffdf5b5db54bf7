/*
 * Starvation: a thread asks for something, and others write again and again what it looks at before it gets it.
 * A thread waits at the words that it looks at or sleeps at, until it writes elsewhere, or writes one of them
 * and then goes on with something else than looking at it again. Each time it comes back to such a word, the
 * writes that others have made there since are counted.
 *
 * The count depends only on the order of operations that touch a common word, so that equivalent executions
 * agree on it: it may be used with reduction.
 *
 * Source of the idea: bounded bypass (Burns, "Complexity of communication among asynchronous parallel
 * processes", 1981; Lynch, Distributed Algorithms, chapter 10), with words instead of rounds, since code under
 * test does not say when it asks and when it has got something.
 */
import { describeOp, isSilent, keyOf, type Op, overlaps, type Step, type Value, writes } from "./op.ts";

interface Place {
  readonly op: Op;
  /** Writes by others since the thread was here. */
  since: number;
}

interface Waiting {
  readonly places: Map<number, Place>;
  overtaken: number;
  /** Did it write to one of the places? Then it has got what it asked for, unless it looks again. */
  hasWritten: boolean;
}

/** Counts, for the threads of one execution, how often each is overtaken. */
export class Patience {
  readonly #waiting: readonly Waiting[];
  readonly #limit: number;

  constructor(threads: number, limit: number) {
    this.#limit = limit;
    this.#waiting = Array.from({ length: threads }, () => ({
      places: new Map<number, Place>(),
      overtaken: 0,
      hasWritten: false,
    }));
  }

  /** Takes a step in; says who starves, if its thread does. */
  onStep(step: Step, before: Value): string | undefined {
    if ((step.kind !== "op" && step.kind !== "enter") || step.op.kind === "notify") return undefined;
    if (writes(step)) this.#others(step);
    const mine = this.#waiting[step.choice.thread]!;
    this.#own(mine, step, step.kind === "enter" || step.op.kind === "waitAsync" || isSilent(step.op, before));
    if (mine.overtaken <= this.#limit) return undefined;
    return (
      `thread ${step.choice.thread} is kept waiting at ${describeOp(step.op)}: ` +
      `others have written there ${mine.overtaken} times since it asked`
    );
  }

  #others(step: Step): void {
    this.#waiting.forEach(({ places }, thread) => {
      if (thread === step.choice.thread) return;
      for (const place of places.values()) if (overlaps(place.op, step.op)) place.since++;
    });
  }

  #own(mine: Waiting, { op }: Step, isLook: boolean): void {
    const key = keyOf(op);
    if (mine.hasWritten && !(isLook && mine.places.has(key))) reset(mine);
    mine.hasWritten = false;
    const place = mine.places.get(key);
    if (place !== undefined) {
      mine.overtaken += place.since;
      place.since = 0;
      mine.hasWritten = !isLook;
    } else if (isLook) mine.places.set(key, { op, since: 0 });
    else reset(mine);
  }
}

function reset(mine: Waiting): void {
  mine.places.clear();
  mine.overtaken = 0;
}
