// What the models share: words, and the question whether anybody else is inside.
import type { Model } from "@faultline/interleave";

/** A protocol, and the same with the mistake that it exists to avoid. */
export interface ModelPair {
  /** What it is, and what must hold. */
  readonly name: string;
  readonly sound: Model<Int32Array>;
  readonly broken: Model<Int32Array>;
  /** The violation that the broken one must show. */
  readonly finds: RegExp;
  /** Limits for the normal test command, where all interleavings are too many; `pnpm model --full` has none. */
  readonly limits?: { readonly bound: number };
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
