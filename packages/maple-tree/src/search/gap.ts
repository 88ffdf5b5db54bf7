/*
 * Gaps: under every child of an allocation node, the longest run of free indices.
 *
 * A run never continues in the next leaf (a leaf that does not end at the largest index never ends with an empty
 * slot), so the gap of a leaf is its widest empty slot. Gaps are read and written under the lock only: a
 * lock-free reader never looks at them, so they are changed in place, after the write has been published.
 *
 * Source: Linux lib/maple_tree.c, mas_leaf_max_gap(), mas_update_gap(), mas_empty_area(), mas_rev_awalk().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { endOf, LEVELS_MAX } from "./path.ts";
import { slotOf } from "./walk.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { GAPS_F64, META, NODE_MASK, PARENT, PIVOTS_F64, ROOT, SLOTS, TAG_MASK } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** Widest empty slot of a leaf, in indices. */
export function leafGap(i32: Int32Array, f64: Float64Array, node: number, min: number): number {
  const pivots = (node >> 1) + PIVOTS_F64;
  const end = endOf(i32, node);
  let widest = 0;
  let below = min - 1;
  for (let slot = 0; slot <= end; slot++) {
    const pivot = f64[pivots + slot]!;
    if (i32[node + SLOTS + slot] === 0 && pivot - below > widest) widest = pivot - below;
    below = pivot;
  }
  return widest;
}

/** Offset of the largest gap of an allocation node, the highest such. */
export function largestGapSlot(i32: Int32Array, f64: Float64Array, node: number): number {
  const gaps = (node >> 1) + GAPS_F64;
  const end = endOf(i32, node);
  let best = 0;
  for (let slot = 1; slot <= end; slot++) if (f64[gaps + slot]! >= f64[gaps + best]!) best = slot;
  return best;
}

/** Largest gap under an allocation node, from its metadata. */
export function nodeGap(i32: Int32Array, f64: Float64Array, node: number): number {
  return f64[(node >> 1) + GAPS_F64 + ((i32[node + META]! >> 8) & 0xff)]!;
}

/**
 * The gap below `child` is now `gap`: writes it into the parents, upwards, while their largest gap changes.
 * The parent words of `child` and above must be right.
 */
export function updateGaps(core: TreeCore, child: number, gap: number): void {
  if (!core.gaps) return;
  const i32 = core.i32;
  const f64 = core.f64;
  let below = child;
  let size = gap;
  for (;;) {
    const parent = i32[below + PARENT]!;
    if (parent < 0) return;
    const node = parent & NODE_MASK;
    const slot = parent & TAG_MASK;
    const word = (node >> 1) + GAPS_F64 + slot;
    const from = f64[word]!;
    if (from === size) return;
    const before = nodeGap(i32, f64, node);
    f64[word] = size;
    if (core.observed) core.step({ what: "gap", node, slot, from, to: size });
    moveLargest(i32, f64, node, slot, size, before);
    const after = nodeGap(i32, f64, node);
    if (after === before) return;
    below = node;
    size = after;
  }
}

/** Keeps the metadata's offset of the largest gap right after gap `slot` became `size`. */
function moveLargest(
  i32: Int32Array,
  f64: Float64Array,
  node: number,
  slot: number,
  size: number,
  before: number,
): void {
  const meta = i32[node + META]!;
  const largest = (meta >> 8) & 0xff;
  if (slot === largest ? size < before : size > before) {
    i32[node + META] = (meta & 0xff) | (largestGapSlot(i32, f64, node) << 8);
  }
}

/**
 * Lowest start `>= min` (or with `fromTop` highest) of a free run of `size` indices that ends by `max`; -1 if
 * there is none. Caller holds the lock and has checked `size <= max - min + 1`; the tree has gaps.
 *
 * Cost: O(height) when the window is wide; children whose gap is too small are skipped.
 */
export function searchGap(core: TreeCore, min: number, max: number, size: number, fromTop: boolean): number {
  const root = core.i32[core.header + ROOT]!;
  if (root <= 0) {
    const low = root < 0 && min === 0 ? 1 : min;
    if (max - low < size - 1) return -1;
    return fromTop ? max - size + 1 : low;
  }
  if (max - min < size - 1) return -1;
  return fromTop
    ? searchDown(core.i32, core.f64, root, min, max, size)
    : searchUp(core.i32, core.f64, root, min, max, size);
}

/*
 * The way down of a search: handle of each node, next slot to look at, lowest index of the node. A search does not
 * call out, so one of them serves all trees of an agent; arguments of a recursion would be boxed, as they are doubles.
 */
const wayNode: Int32Array = new Int32Array(LEVELS_MAX);
const waySlot: Int32Array = new Int32Array(LEVELS_MAX);
const wayMin: Float64Array = new Float64Array(LEVELS_MAX);

/** From the slot of `min` on to the right, passing over children without a gap of that size. */
function searchUp(
  i32: Int32Array,
  f64: Float64Array,
  root: number,
  min: number,
  max: number,
  size: number,
): number {
  /** A run which begins behind this one ends behind `max`. */
  const lastStart = max - size + 1;
  let level = 0;
  let handle = root;
  let slot = slotOf(f64, root, min);
  let first = 0;
  for (;;) {
    const node = handle & NODE_MASK;
    const pivots = (node >> 1) + PIVOTS_F64;
    const end = i32[node + META]! & 0xff;
    wayMin[level] = first;
    if (slot > 0) first = f64[pivots + slot - 1]! + 1;
    if ((handle & TAG_MASK) === LEAF) {
      for (; slot <= end && first <= lastStart; slot++) {
        const last = f64[pivots + slot]!;
        const from = Math.max(first, min);
        if (i32[node + SLOTS + slot] === 0 && last - from >= size - 1 && from <= lastStart) return from;
        first = last + 1;
      }
    } else {
      const gaps = (node >> 1) + GAPS_F64;
      while (slot <= end && f64[gaps + slot]! < size) slot++;
      if (slot <= end) {
        first = slot === 0 ? wayMin[level]! : f64[pivots + slot - 1]! + 1;
        if (first > lastStart) return -1;
        wayNode[level] = handle;
        waySlot[level] = slot + 1;
        level++;
        handle = i32[node + SLOTS + slot]!;
        slot = first < min ? slotOf(f64, handle, min) : 0;
        continue;
      }
    }
    if (level === 0 || first > lastStart) return -1;
    level--;
    handle = wayNode[level]!;
    slot = waySlot[level]!;
    first = wayMin[level]!;
  }
}

/** From the slot of `max` on to the left. */
function searchDown(
  i32: Int32Array,
  f64: Float64Array,
  root: number,
  min: number,
  max: number,
  size: number,
): number {
  /** A run which ends before this one begins before `min`. */
  const firstEnd = min + size - 1;
  let level = 0;
  let handle = root;
  let slot = slotOf(f64, root, max);
  let nodeMin = 0;
  for (;;) {
    const node = handle & NODE_MASK;
    const pivots = (node >> 1) + PIVOTS_F64;
    let last = slot < 0 ? -1 : f64[pivots + slot]!;
    if ((handle & TAG_MASK) === LEAF) {
      for (; slot >= 0 && last >= firstEnd; slot--) {
        const below = slot === 0 ? nodeMin - 1 : f64[pivots + slot - 1]!;
        const to = Math.min(last, max);
        if (i32[node + SLOTS + slot] === 0 && to - below >= size && to >= firstEnd) return to - size + 1;
        last = below;
      }
    } else {
      const gaps = (node >> 1) + GAPS_F64;
      while (slot >= 0 && f64[gaps + slot]! < size) slot--;
      if (slot >= 0) {
        last = f64[pivots + slot]!;
        if (last < firstEnd) return -1;
        wayNode[level] = handle;
        waySlot[level] = slot - 1;
        wayMin[level] = nodeMin;
        level++;
        handle = i32[node + SLOTS + slot]!;
        if (slot > 0) nodeMin = f64[pivots + slot - 1]! + 1;
        slot = last > max ? slotOf(f64, handle, max) : i32[(handle & NODE_MASK) + META]! & 0xff;
        continue;
      }
    }
    if (level === 0) return -1;
    level--;
    handle = wayNode[level]!;
    slot = waySlot[level]!;
    nodeMin = wayMin[level]!;
  }
}

/** Largest gap of the whole tree; with no node, of what the root word leaves free. */
export function treeGap(core: TreeCore): number {
  const root = core.i32[core.header + ROOT]!;
  if (root <= 0) return root === 0 ? core.maxIndex + 1 : core.maxIndex;
  const node = root & NODE_MASK;
  if ((root & TAG_MASK) === LEAF) return leafGap(core.i32, core.f64, node, 0);
  return nodeGap(core.i32, core.f64, node);
}
