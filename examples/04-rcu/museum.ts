/*
 * The words that the museum's visitors and its director share, and how the director leads a visitor through a
 * step: a command word per visitor, written by the director, and an answer word, written by the visitor.
 */

/** Commands to a visitor. */
export const Command = { none: 0, enter: 1, look: 2, leave: 3, goHome: 4 } as const;
export type Command = (typeof Command)[keyof typeof Command];

/** Index of the pointer to the picture on show. */
export const ON_SHOW = 0;
/** Where the two pictures lie; a picture is one word, its version. */
export const PICTURES = [16, 32] as const;
/** What freed memory is filled with. */
export const POISON = 0x6b6b6b6b;
/** Where the RCU domain begins. */
export const DOMAIN = 64;

export function commandWord(visitor: number): number {
  return 2 + visitor * 2;
}

export function answerWord(visitor: number): number {
  return 3 + visitor * 2;
}

/** Sends a command and waits for the answer. */
export function order(words: Int32Array, visitor: number, command: Command): number {
  const at = commandWord(visitor);
  Atomics.store(words, at, command);
  Atomics.notify(words, at);
  Atomics.wait(words, at, command);
  return Atomics.load(words, answerWord(visitor));
}
