/*
 * Objects that wait for a grace period before they may be reused: a FIFO in shared words.
 *
 *   cache record            object a                 object b                 object c
 *   DEFERRED_HEAD  ───────▶ word 0  (untouched)   ┌▶ word 0  (untouched)   ┌▶ word 0
 *   DEFERRED_TAIL  ────┐    word 1  LINK ─────────┘  word 1  LINK ─────────┘  word 1  0
 *   DEFERRED       3   │    word 2  COOKIE           word 2  COOKIE           word 2  COOKIE
 *                      └─────────────────────────────────────────────────────▶
 *
 * Any agent may reclaim, also for an agent that has died since. Readers may still look at a deferred object,
 * so only words 1 and 2 change: word 0 keeps what its user left there, a dead mark for instance.
 *
 * Ordering. The user unpublishes an object with an Atomics store, then calls freeDeferred(), which asks the
 * domain for a cookie: the grace period it names begins after the unpublish. The cookie is asked for before
 * the lock is taken, to keep the lock short, so cookies in the FIFO are nearly but not strictly in order.
 * That costs at most a late reclaim, never an early one, because every object carries its own cookie.
 *
 * poll() is called without the lock, since the domain may run callbacks there and those may free objects.
 * Between the two another agent may have reclaimed the head and even deferred it again, so what is taken
 * off under the lock is compared with the one cookie known to have elapsed.
 */
import * as L from "./layout.ts";

/** Most objects moved under one hold of the lock; bounds how long other agents wait. */
export const RECLAIM_BATCH = 64;

/** Appends `word` to the FIFO of the cache at `base`. Lock held. Cost: constant. */
export function pushDeferred(words: Int32Array, base: number, word: number, cookie: number): void {
  words[word + L.LINK] = 0;
  words[word + L.COOKIE] = cookie;
  const tail = words[base + L.DEFERRED_TAIL]!;
  if (tail === 0) words[base + L.DEFERRED_HEAD] = word;
  else words[tail + L.LINK] = word;
  words[base + L.DEFERRED_TAIL] = word;
  words[base + L.DEFERRED]! += 1;
}

/**
 * Takes the head off the FIFO if its cookie is `cookie`; 0 if it is another or the FIFO is empty. Lock held.
 */
export function popDeferred(words: Int32Array, base: number, cookie: number): number {
  const head = words[base + L.DEFERRED_HEAD]!;
  if (head === 0 || words[head + L.COOKIE] !== cookie) return 0;
  const next = words[head + L.LINK]!;
  words[base + L.DEFERRED_HEAD] = next;
  if (next === 0) words[base + L.DEFERRED_TAIL] = 0;
  words[base + L.DEFERRED]! -= 1;
  return head;
}

/** Cookie of the head of the FIFO, `undefined` if it is empty. Lock held. */
export function headCookie(words: Int32Array, base: number): number | undefined {
  const head = words[base + L.DEFERRED_HEAD]!;
  return head === 0 ? undefined : words[head + L.COOKIE]!;
}
