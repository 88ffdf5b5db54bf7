import { posted, received } from "./memory.ts";

/**
 * A view on the same shared words that RcuDomain takes for another agent's.
 *
 * An agent recognises its domains by the buffer object. A structured clone of a SharedArrayBuffer is another
 * object over the same memory, exactly what a worker would have received, so one thread can play many agents
 * and run them in any order it likes.
 */
export function anotherAgent(words: Int32Array): Int32Array {
  return received(structuredClone(posted(words as Int32Array<SharedArrayBuffer>)));
}
