/*
 * Our tree, read by loops that know its words: no argument is checked, no version looked at, no place remembered. What
 * is missing to the figures of `MapleTree` is what its calls cost; what is left is what the layout costs.
 */
import { MapleTree, ZERO_ENTRY } from "@faultline/maple-tree";
import { META, NODE_MASK, NodeType, PARENT, PIVOTS_F64, ROOT, SLOTS, TAG_MASK } from "../../src/layout.ts";
import { searchGap } from "../../src/search/gap.ts";
import { leafSlotOf, slotOf } from "../../src/search/walk.ts";
import type { Contestant, RangeMap } from "../range-map.ts";

const [FIRST_PIVOT, FIRST_SLOT, TAG, MASK] = [PIVOTS_F64, SLOTS, TAG_MASK, NODE_MASK] as const;
const LEAF = NodeType.Leaf;
/** Entry of the integer 0. */
const INTEGERS = ZERO_ENTRY + 1;

class BareRanges implements RangeMap {
  readonly #tree: MapleTree<number>;

  constructor(gaps: boolean) {
    this.#tree = new MapleTree<number>({ gaps });
  }

  insert(start: number, end: number, value: number): void {
    this.#tree.setRange(start, end - 1, value);
  }

  lookup(address: number): number {
    const leaf = this.#leafOf(address);
    const entry = this.#tree.core.arena.i32[leaf + FIRST_SLOT + this.#slotOf(leaf, address)];
    return entry === 0 ? 0 : entry - INTEGERS;
  }

  /** The leaf that an index lies in. */
  #leafOf(index: number): number {
    const { arena, header } = this.#tree.core;
    const { i32, f64 } = arena;
    let handle = i32[header + ROOT];
    while ((handle & TAG) !== LEAF) handle = i32[(handle & MASK) + FIRST_SLOT + slotOf(f64, handle, index)];
    return handle & MASK;
  }

  #slotOf(leaf: number, index: number): number {
    return leafSlotOf(this.#tree.core.arena.f64, leaf, index);
  }

  sum(): number {
    return this.window(0, Number.POSITIVE_INFINITY);
  }

  window(address: number, most: number): number {
    const { i32, f64 } = this.#tree.core.arena;
    let leaf = this.#leafOf(address);
    let slot = this.#slotOf(leaf, address);
    // Where the first slot begins only the nodes above know, unless a pivot tells.
    let low = slot === 0 ? this.#tree.entryAt(address).first : f64[(leaf >> 1) + FIRST_PIVOT + slot - 1] + 1;
    let left = most;
    let sum = 0;
    for (; leaf !== 0; leaf = this.#leafBehind(leaf), slot = 0) {
      const pivots = (leaf >> 1) + FIRST_PIVOT;
      const end = i32[leaf + META] & 0xff;
      for (; slot <= end; slot++) {
        const entry = i32[leaf + FIRST_SLOT + slot];
        const high = f64[pivots + slot] + 1;
        if (entry !== 0) {
          sum += low + high + (entry - INTEGERS);
          if (--left === 0) return sum;
        }
        low = high;
      }
    }
    return sum;
  }

  /** 0 behind the last one. */
  #leafBehind(leaf: number): number {
    const { i32 } = this.#tree.core.arena;
    let node = leaf;
    let climbed = 0;
    for (;;) {
      const parent = i32[node + PARENT];
      if (parent < 0) return 0;
      node = parent & MASK;
      const slot = (parent & TAG) + 1;
      if (slot > (i32[node + META] & 0xff)) {
        climbed++;
        continue;
      }
      node = i32[node + FIRST_SLOT + slot] & MASK;
      for (; climbed > 0; climbed--) node = i32[node + FIRST_SLOT] & MASK;
      return node;
    }
  }

  overwrite(): never {
    throw new Error("loops only read");
  }

  erase(): never {
    throw new Error("loops only read");
  }

  gapLow(low: number, high: number, size: number): number {
    return high - low < size ? -1 : searchGap(this.#tree.core, low, high - 1, size, false);
  }

  gapHigh(low: number, high: number, size: number): number {
    return high - low < size ? -1 : searchGap(this.#tree.core, low, high - 1, size, true);
  }

  visit(fn: (start: number, end: number, value: number) => void): void {
    for (const { first, last, value } of this.#tree) fn(first, last + 1, value);
  }
}

export const contestant: Contestant = {
  make: (gaps) => new BareRanges(gaps),
  most: { W1: 0, W5: 0, W7: 0 },
};
