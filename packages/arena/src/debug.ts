/*
 * Poison: in debug mode free objects are filled with a pattern, which alloc() expects to find again. A
 * difference means that somebody wrote to the object after freeing it. The link in word 1 is exempt.
 */
import { LINK, OWNER_MARK } from "./layout.ts";
import { POISON } from "./region.ts";

/** Fills `count` words with the pattern. */
export function poison(words: Int32Array, word: number, count: number): void {
  words.fill(POISON, word, word + count);
}

/** @throws Error if an object that was free has been written to. Words 0 and 1 are already zeroed by alloc */
export function checkPoison(
  words: Int32Array,
  word: number,
  objectWords: number,
  name: string,
  owner: number,
): void {
  for (let i = LINK + 1; i < objectWords; i++) {
    if (words[word + i] === POISON || (i === OWNER_MARK && owner !== 0)) continue;
    throw new Error(
      `${name}.alloc: word ${word + i} (object ${word} + ${i}) was written after free: ${words[word + i]}`,
    );
  }
}
