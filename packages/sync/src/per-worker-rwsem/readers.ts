/*
 * The readers' counts.
 *
 * A read may end in another worker than it began in, so no COUNT means anything alone; their sum is the number
 * of readers. Two ways in:
 *
 *     fast: in an RCU section, while MODE is FAST: COUNT += 1 by plain accesses. BLOCK is not looked at.
 *     slow: COUNT += 1 by Atomics, then look at BLOCK; if it is set, take the 1 back, poke the writer, sleep.
 *
 * What makes that sound is told in phases.ts.
 */
import { SyncError } from "../errors.ts";
import { wakeEvent } from "../event-count.ts";
import type { RcuDomain } from "../rcu.ts";
import {
  BLOCK,
  CLAIMED,
  COOKIE,
  COUNT,
  DRAIN,
  EXITING,
  FAST,
  HEADER_WORDS,
  MODE,
  SLOT_WORDS,
  WORKERS,
} from "./layout.ts";

// Copies: the compiler folds a constant of this module into the code, and loads an imported one each time.
const MODE_WORD = MODE;
const COUNT_WORD = COUNT;
const IS_FAST = FAST;

/**
 * Changes the own COUNT without Atomics if no writer has been about.
 *
 * @returns whether it has
 */
export function countFast(
  words: Int32Array,
  base: number,
  rcu: RcuDomain,
  slot: number,
  by: 1 | -1,
): boolean {
  rcu.readLock();
  const isFast = Atomics.load(words, base + MODE_WORD) === IS_FAST;
  // Plain: only this object touches its COUNT, and whoever adds counts up lets a grace period pass first.
  if (isFast) words[slot + COUNT_WORD] += by;
  rcu.readUnlock();
  return isFast;
}

/** Enters the slow way, unless a writer is about; never waits. */
export function enterSlow(words: Int32Array, base: number, rcu: RcuDomain, slot: number): boolean {
  Atomics.add(words, slot + COUNT, 1);
  if (Atomics.load(words, base + BLOCK) === 0) {
    tryMakeFast(words, base, rcu);
    return true;
  }
  leaveSlow(words, base, slot);
  return false;
}

/** Ends a read, or takes an attempt back; a writer that waits for the sum looks again. */
export function leaveSlow(words: Int32Array, base: number, slot: number): void {
  Atomics.sub(words, slot + COUNT, 1);
  wakeEvent(words, base + DRAIN);
}

/** How many read. */
export function readersOf(words: Int32Array, base: number): number {
  const workers = Atomics.load(words, base + WORKERS);
  let sum = 0;
  for (let index = 0; index < workers; index++) {
    sum = (sum + Atomics.load(words, base + HEADER_WORDS + SLOT_WORDS * index + COUNT)) | 0;
  }
  return sum;
}

/** Claims a free slot. @throws SyncError `ENOSPC` if there is none */
export function claimSlot(kind: string, words: Int32Array, base: number, owner: number): number {
  const workers = Atomics.load(words, base + WORKERS);
  for (let index = 0; index < workers; index++) {
    const slot = base + HEADER_WORDS + SLOT_WORDS * index;
    if (Atomics.compareExchange(words, slot + CLAIMED, 0, owner) === 0) return slot;
  }
  throw new SyncError("ENOSPC", `${kind}: all ${workers} slots are taken; close() those of workers that end`);
}

/** Called by a reader that is in, hence with no writer past its wait for the sum. */
function tryMakeFast(words: Int32Array, base: number, rcu: RcuDomain): void {
  if (Atomics.load(words, base + MODE) !== EXITING || !rcu.poll(Atomics.load(words, base + COOKIE))) return;
  Atomics.compareExchange(words, base + MODE, EXITING, FAST);
}
