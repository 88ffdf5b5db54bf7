/*
 * The index space of the stress test and what a reader may find in it.
 *
 *   block of 1024 indices, number mod 4     0 pinned        1 and 2 churn            3 void
 *   the writer                              replaces parts  maps, unmaps, protects   never stores
 *   a reader finds                          an entry        an entry or nothing      nothing
 *
 * An entry describes the range it was stored over. Later stores may cut the range, never extend it, so
 * whatever a reader finds must lie inside what the entry says. The last index is the clock: an entry that only
 * grows, and which a reader must not find older than the last store that had returned before it looked.
 */
import type { SharedMapleTree, SharedMapleTreeHandle } from "@faultline/maple-tree";

export const BLOCK = 1024;
export const BLOCKS = 64;
export const SPACE: number = BLOCK * BLOCKS;
export const CLOCK: number = SPACE - 1;

const LENGTH_BITS = 13;

/** Words for signals between the agents. */
export const Signal = { Ready: 0, Stop: 1, Clock: 2, Reads: 3, Writes: 4, WORDS: 16 } as const;

/** What a worker is to do, and with which words. */
export interface Task {
  readonly kind: "write" | "read";
  readonly handle: SharedMapleTreeHandle;
  /** First of {@link Signal.WORDS} words. */
  readonly signals: number;
  readonly seed: number;
  /** Free nodes at once, readers or not. */
  readonly noGracePeriod: boolean;
}

/** What a worker answers. */
export interface Answer {
  readonly operations: number;
  /** Wrong answers, the first ones in words. */
  readonly wrong: readonly string[];
}

/** What may be found in the block that `index` lies in. */
export function zoneOf(index: number): "pinned" | "churn" | "void" {
  const block = Math.floor(index / BLOCK) & 3;
  return block === 0 ? "pinned" : block === 3 ? "void" : "churn";
}

/** The entry for a range of at most 8191 indices. */
export function describe(first: number, last: number): number {
  return (first << LENGTH_BITS) | (last - first + 1);
}

/** A tree in which the pinned blocks are mapped in pieces of 16 indices, and the clock stands at 1. */
export function mapPinned(tree: SharedMapleTree): void {
  for (let first = 0; first < CLOCK; first += 16) {
    if (zoneOf(first) === "pinned") tree.storeRange(first, first + 15, describe(first, first + 15));
  }
  tree.storeRange(CLOCK, CLOCK, 1);
}

/** Is `[first, last]` inside the range for which `entry` was made? */
export function describes(entry: number, first: number, last: number): boolean {
  const from = entry >>> LENGTH_BITS;
  return from <= first && last < from + (entry & ((1 << LENGTH_BITS) - 1));
}

/** Is `entry` a right answer for `[first, last]`, one index or the whole range found? */
export function isRight(first: number, last: number, entry: number): boolean {
  if (entry === 0) return zoneOf(first) !== "pinned" && zoneOf(last) !== "pinned";
  return zoneOf(first) !== "void" && describes(entry, first, last);
}

/** Pseudo-random integers `0..below-1`. */
export function random(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
