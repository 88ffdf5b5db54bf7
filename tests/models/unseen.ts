/*
 * Memory that is copied word by word behind the checker's back. What a model's setup() and after() do costs as
 * much as the execution between them, if it goes through the checker; so shared memory is built once, with the
 * globals as they were before any check, and copied; and what is looked at afterwards is a copy, too.
 */

/** A constructor from before the check: what is done through it the checker does not see. */
const Unseen = Int32Array;

/** The words in a buffer of their own: that of a thread's if a thread asks, else that of the execution. */
export function sharedCopy(words: Int32Array): Int32Array {
  const buffer = new SharedArrayBuffer(words.byteLength);
  new Unseen(buffer).set(new Unseen(words.buffer));
  return new Int32Array(buffer);
}

/** The words as nobody shares them. */
export function privateCopy(words: Int32Array): Int32Array<ArrayBuffer> {
  return new Unseen(new Unseen(words.buffer));
}
