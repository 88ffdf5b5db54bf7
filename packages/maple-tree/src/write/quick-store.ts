/*
 * The common store: a value into one slot of a leaf which has room for it. It needs no path, no reservation of nodes
 * that might be wanted and no list of items: append, slot_store, exact_fit and node_store in one. Whatever it does not
 * do is left to write.ts, which does all of this too.
 *
 * The leaf of the last such store is remembered. If no other write has happened since and the range lies in it, the
 * way down is saved; so ascending and clustered stores cost a search in one node.
 *
 * In RCU mode leaf-store.ts carries it out. An exact fit took 98 ns so and 148 without, an append among 100,000 ranges 590
 * and 705; a store over several slots, which has been searched for in vain then, 5 % longer. The one node that a node_store needs is taken before its first effect, so a
 * refusal changes nothing.
 */

import * as L from "../layout.ts";
import { leafGap, updateGaps } from "../search/gap.ts";
import { leafSlotOf, slotOf } from "../search/walk.ts";
import { buildPart } from "./fill.ts";
import { gapBelow } from "./items.ts";
import { exactFit, nodeStore } from "./leaf-store.ts";
import { spliceChildren } from "./replace.ts";
import type { WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { GAPS_F64, META, NODE_MASK, PARENT, PIVOTS_F64, ROOT, SLOTS, TAG_MASK, VERSION } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/**
 * Stores `entry`, which is not 0, if that is simple.
 *
 * @returns whether it has; if not, nothing has changed. @throws MapleError `ENOMEM` with the tree unchanged
 */
export function quickStore(w: WriteState, first: number, last: number, entry: number): boolean {
  const { core } = w;
  const { arena, rcu } = core;
  if (core.isWatched) return false;
  if (rcu) arena.refresh();
  const { i32, f64 } = arena;
  const version = core.header + VERSION;
  if (w.hintVersion !== i32[version]! || first < w.hintMin || last > w.hintMax) {
    if (!findLeaf(w, i32, f64, first, last)) return false;
  }
  const leaf = w.hint;
  const slot = leafSlotOf(f64, leaf, first);
  const pivots = (leaf >> 1) + PIVOTS_F64;
  const slotMax = f64[pivots + slot]!;
  if (last > slotMax) return false;
  const slotMin = slot === 0 ? w.hintMin : f64[pivots + slot - 1]! + 1;
  const end = i32[leaf + META]! & 0xff;
  const grow = (first > slotMin ? 1 : 0) + (last < slotMax ? 1 : 0);
  if (end + grow >= core.leafSlots) return !rcu && slot === end && appendSplit(w, first, last, entry);
  // The last leaf may be nearly empty: see appendSplit().
  const mayBeSmall = !rcu && core.packs && w.hintMax === core.maxIndex;
  if (end + grow < core.leafSlotsMin && !mayBeSmall) return false;
  const old = i32[leaf + SLOTS + slot]!;
  w.first = first;
  w.last = last;
  w.old = old;
  if (rcu) {
    w.leaf = leaf;
    w.leafMin = w.hintMin;
    w.end = end;
    w.slot = w.slotLast = slot;
    w.slotMin = slotMin;
    w.slotMax = w.endPivot = slotMax;
    w.entry = entry;
    storeBesideReaders(w);
  } else {
    putInto(i32, f64, leaf, slot, end, slotMin, first, last, entry);
    i32[leaf + META] = end + grow;
    i32[version] = i32[version]! + 2;
    if (core.gaps && old === 0) shrinkGap(w, i32, f64, leaf, slotMax - slotMin + 1);
  }
  w.hintVersion = core.arena.i32[version]!;
  return true;
}

/** In RCU mode; `w` tells the leaf and the slot that the range lies in. */
function storeBesideReaders(w: WriteState): void {
  const { core } = w;
  core.writeBegin();
  try {
    if (w.first === w.slotMin && w.last === w.slotMax) exactFit(w);
    else w.hint = nodeStore(w);
  } finally {
    core.writeEnd();
  }
}

/** Finds the leaf of `first` and remembers it; `false` if the range leaves it, or there is no node. */
function findLeaf(w: WriteState, i32: Int32Array, f64: Float64Array, first: number, last: number): boolean {
  let handle = i32[w.core.header + ROOT]!;
  if (handle <= 0) return false;
  let min = 0;
  let max = w.core.maxIndex;
  while ((handle & TAG_MASK) !== LEAF) {
    const node = handle & NODE_MASK;
    const slot = slotOf(f64, handle, first);
    const pivots = (node >> 1) + PIVOTS_F64;
    if (slot > 0) min = f64[pivots + slot - 1]! + 1;
    max = f64[pivots + slot]!;
    handle = i32[node + SLOTS + slot]!;
  }
  if (last > max) return false;
  w.hint = handle & NODE_MASK;
  w.hintMin = min;
  w.hintMax = max;
  w.hintVersion = i32[w.core.header + VERSION]!;
  return true;
}

/** Cuts up to three slots out of slot `slot`, which begins at `slotMin`. */
function putInto(
  i32: Int32Array,
  f64: Float64Array,
  leaf: number,
  slot: number,
  end: number,
  slotMin: number,
  first: number,
  last: number,
  entry: number,
): void {
  const slots = leaf + SLOTS;
  const pivots = (leaf >> 1) + PIVOTS_F64;
  const old = i32[slots + slot]!;
  const slotMax = f64[pivots + slot]!;
  const grow = (first > slotMin ? 1 : 0) + (last < slotMax ? 1 : 0);
  if (grow > 0) {
    for (let s = end; s > slot; s--) {
      i32[slots + s + grow] = i32[slots + s]!;
      f64[pivots + s + grow] = f64[pivots + s]!;
    }
  }
  let at = slot;
  if (first > slotMin) f64[pivots + at++] = first - 1;
  i32[slots + at] = entry;
  f64[pivots + at] = last;
  if (last < slotMax) {
    i32[slots + at + 1] = old;
    f64[pivots + at + 1] = slotMax;
  }
}

/**
 * The last leaf is full, and the store goes into the free indices at its end: it stays as it is, but for those, and
 * a new leaf takes the store and what comes after. So ascending stores leave full leaves behind, and copy none.
 */
function appendSplit(w: WriteState, first: number, last: number, entry: number): boolean {
  const { core, hint: leaf, items } = w;
  const { i32, f64 } = core.arena;
  const parent = i32[leaf + PARENT]!;
  const end = i32[leaf + META]! & 0xff;
  const pivots = (leaf >> 1) + PIVOTS_F64;
  if (!core.packs || w.hintMax !== core.maxIndex || parent < 0 || i32[leaf + SLOTS + end] !== 0) return false;
  const node = parent & NODE_MASK;
  if ((i32[node + META]! & 0xff) + 1 >= core.slotsOf(core.internalType)) return false;
  const max = f64[pivots + end - 1]!;
  core.reserve(1);
  items.count = 0;
  if (first > max + 1) items.push(0, first - 1, 0);
  items.push(entry, last, 0);
  if (last < core.maxIndex) items.push(0, core.maxIndex, 0);
  const right = buildPart(core, items, LEAF, 0, items.count - 1, max + 1);
  // Taking a node may have replaced the views.
  core.i32[leaf + SLOTS + end] = 0;
  core.f64[pivots + end] = Infinity;
  core.i32[leaf + META] = end - 1;
  const left = { handle: leaf | LEAF, max, gap: gapBelow(core, leaf | LEAF, w.hintMin) };
  spliceChildren(core, node, parent & TAG_MASK, 1, [left, right]);
  const version = core.header + VERSION;
  w.hint = right.handle & NODE_MASK;
  w.hintMin = max + 1;
  w.hintVersion = core.i32[version] = core.i32[version]! + 2;
  w.first = first;
  w.last = last;
  w.old = 0;
  return true;
}

/** A run of `run` free indices has become shorter. */
function shrinkGap(w: WriteState, i32: Int32Array, f64: Float64Array, leaf: number, run: number): void {
  const parent = i32[leaf + PARENT]!;
  if (parent < 0) return;
  const known = f64[((parent & NODE_MASK) >> 1) + GAPS_F64 + (parent & TAG_MASK)]!;
  if (run === known) updateGaps(w.core, leaf, leafGap(i32, f64, leaf, w.hintMin));
}
