/*
 * What an agent that died with the arena's lock held has left: a cache in the middle of an allocation, a free, a
 * reclaim or the making of a slab. Called with the lock held, by the next owner.
 *
 * What is always whole, because each is changed by one store after everything behind it is in place: the list of
 * slabs, the free list, the live bits. What is not: the deferred list (objects move from its head to the free
 * list before the head moves), the objects never handed out (while a new slab takes the place of the old one),
 * and all counts. So:
 *
 *   live bit set                                  allocated, and stays so
 *   on the free list                              free
 *   never handed out, and none of them listed     free
 *   everything else                               deferred, with a grace period that begins now
 *
 * The last line is right for what was on the deferred list, for an object that was just being allocated, and
 * for one that was just being freed: whoever may still read it is waited for. A chunk that was taken and had
 * not become a slab yet, or words just carved out, are lost. So is a reservation of the dead: its objects stay
 * promised.
 */
import { poison } from "./debug.ts";
import { pushDeferred } from "./deferred-free.ts";
import * as L from "./layout.ts";

/** Makes the caches whole. `cookie` names a grace period that has not begun. Cost: the size of all slabs. */
export function repairArena(words: Int32Array, cookie: number): void {
  if (words[L.CARVE] > words[L.CARVE_END]) words[L.CARVE] = words[L.CARVE_END];
  for (let index = 0; index < words[L.CACHES]; index++) repairCache(words, L.cacheRecord(index), cookie);
}

function repairCache(words: Int32Array, base: number, cookie: number): void {
  const free = listed(words, words[base + L.FREE_HEAD]);
  const unsplit = neverHandedOut(words, base, free);
  if ((words[L.FLAGS] & L.FLAG_DEBUG) !== 0) {
    poison(words, words[base + L.BUMP], words[base + L.BUMP_END] - words[base + L.BUMP]);
  }
  words[base + L.FREE] = free.size + unsplit;
  words[base + L.RESERVED] = Math.min(words[base + L.RESERVED], words[base + L.FREE]);
  words[base + L.DEFERRED] = words[base + L.DEFERRED_HEAD] = words[base + L.DEFERRED_TAIL] = 0;
  let slabs = 0;
  for (let slab = words[base + L.SLAB_HEAD]; slab !== 0; slab = words[slab + L.SLAB_NEXT]) {
    slabs++;
    const first = slab + words[base + L.FIRST];
    for (let i = 0; i < words[base + L.PER_SLAB]; i++) {
      const word = first + i * words[base + L.STRIDE];
      const split = word < words[base + L.BUMP] || word >= words[base + L.BUMP_END];
      if (split && !free.has(word) && !isLive(words, base, slab, word)) {
        pushDeferred(words, base, word, cookie);
      }
    }
  }
  words[base + L.SLABS] = slabs;
}

function listed(words: Int32Array, head: number): Set<number> {
  const found = new Set<number>();
  for (let word = head; word !== 0 && !found.has(word); word = words[word + L.LINK]) found.add(word);
  return found;
}

/** How many objects of the newest slab were never handed out; none if some of them have been listed already. */
function neverHandedOut(words: Int32Array, base: number, free: ReadonlySet<number>): number {
  const stride = words[base + L.STRIDE];
  const from = words[base + L.BUMP];
  const end = words[base + L.BUMP_END];
  let whole = from < end;
  for (let word = from; word < end && whole; word += stride) {
    whole = !free.has(word) && sameSlab(words, base, word);
  }
  if (whole) return (end - from) / stride;
  words[base + L.BUMP] = words[base + L.BUMP_END] = 0;
  return 0;
}

/** Between the two stores that move to a new slab, the old end does not belong to the new beginning. */
function sameSlab(words: Int32Array, base: number, word: number): boolean {
  const slab = words[base + L.SLAB_HEAD];
  return word >= slab && word < slab + L.CHUNK_WORDS;
}

function isLive(words: Int32Array, base: number, slab: number, word: number): boolean {
  const bit = (word - slab) >>> (31 - Math.clz32(words[base + L.ALIGN_WORDS]));
  return (words[slab + L.SLAB_LIVE + (bit >>> 5)] & (1 << (bit & 31))) !== 0;
}
