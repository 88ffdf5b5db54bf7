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
 * poll() is called with the lock held: it takes no lock and runs no callbacks.
 */
import type { RcuDomain } from "@faultline/sync";
import * as L from "./layout.ts";
import type { Region } from "./region.ts";

/** Most objects moved under one hold of the lock; bounds how long other agents wait. */
export const RECLAIM_BATCH = 64;

/** Appends `word` to the FIFO of the cache at `base`. Lock held. Cost: constant. */
export function pushDeferred(words: Int32Array, base: number, word: number, cookie: number): void {
  words[word + L.LINK] = 0;
  words[word + L.COOKIE] = cookie;
  const tail = words[base + L.DEFERRED_TAIL];
  if (tail === 0) words[base + L.DEFERRED_HEAD] = word;
  else words[tail + L.LINK] = word;
  words[base + L.DEFERRED_TAIL] = word;
  words[base + L.DEFERRED] += 1; // interleave: intended race - looked at without the lock, as a hint
}

/**
 * Takes objects off the FIFO while their grace periods have elapsed, at most a batch of them, and hands each
 * to `putFree`. Lock held.
 *
 * @returns how many. Cost: one poll per different cookie, and one for the first that has not elapsed
 */
export function popElapsed(
  region: Region,
  base: number,
  rcu: RcuDomain,
  putFree: (word: number) => void,
): number {
  const words = region.i32;
  let elapsed: number | undefined;
  let count = 0;
  let head = words[base + L.DEFERRED_HEAD];
  for (; head !== 0 && count < RECLAIM_BATCH; count++) {
    const cookie = words[head + L.COOKIE];
    if (cookie !== elapsed && !rcu.poll(cookie)) break;
    elapsed = cookie;
    const next = words[head + L.LINK];
    putFree(head);
    head = next;
  }
  words[base + L.DEFERRED_HEAD] = head;
  if (head === 0) words[base + L.DEFERRED_TAIL] = 0;
  words[base + L.DEFERRED] -= count; // interleave: intended race - as above
  return count;
}
