// What the models share: words, and the question whether anybody else is inside.
import type { CheckOptions, Model } from "@faultline/interleave";

/** A protocol, and the same with the mistake that it exists to avoid. */
export interface ModelPair {
  /** What it is, and what must hold. */
  readonly name: string;
  readonly sound: Model<Int32Array>;
  readonly broken: Model<Int32Array>;
  /** The violation that the broken one must show. */
  readonly finds: RegExp;
  /** Further mistakes, each with a violation. */
  readonly others?: readonly Twin[];
  /** What the checker is to do besides, in every run: kill threads, for example. */
  readonly options?: Pick<CheckOptions, "kills" | "killable" | "stale" | "timeouts">;
  /** Where all interleavings are too many. */
  readonly limits?: Limits;
  /** Only run by `pnpm model --full`: it adds to a smaller model of the same what costs much. */
  readonly isLong?: boolean;
}

/** A mistake. */
export interface Twin {
  /** What it does wrong. */
  readonly mistake: string;
  readonly broken: Model<Int32Array>;
  readonly finds: RegExp;
}

/** No bound: all interleavings. */
export const ALL: number = Number.POSITIVE_INFINITY;

/** How far the search goes. */
export interface Limits {
  /** Most preemptions, in the normal test command. */
  readonly bound: number;
  /**
   * The same of `pnpm model --full`. {@link ALL} where that has come to an end within some minutes; default: one more.
   * Some can have none: a waiter that looks around every so often may do so for ever while others get no turn.
   */
  readonly full?: number;
}

/** Zeroed shared words: of most locks that is a free one. */
export function zeroed(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}

/**
 * A critical section: a plain read and a plain write. If two are in it at once a count is lost, and already
 * that nothing orders them is a race.
 */
export function increment(words: Int32Array, word: number): void {
  words[word] = (words[word] as number) + 1;
}

/** Throws unless `words[word]` is `expected`. */
export function expectWord(words: Int32Array, word: number, expected: number, what: string): void {
  if (words[word] !== expected) throw new Error(`${what}: ${words[word]}, expected ${expected}`);
}
