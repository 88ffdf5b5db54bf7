/*
 * Writes that stay inside one leaf and leave it with a proper number of slots.
 *
 * RCU mode, node_store: the leaf is replaced, its parent is not.
 *
 *   1 build    the new leaf, its parent word already in place; nobody can see it
 *   2 publish  one Atomics.store into the parent's slot (or the root word)
 *   3 dead     the old leaf's parent word := itself
 *   4 defer    the arena reuses it after a grace period
 *   5 gap      the parents' gaps, in place
 *
 * 2 before 3: a reader that finds the old leaf dead restarts, and must then find the new one. 3 before 4: a
 * node handed to the arena is no longer whole. 1 before 2: readers take what they find for complete.
 *
 * Without RCU no reader runs beside the writer, and the leaf is rewritten in place.
 *
 * Source: Linux lib/maple_tree.c, mas_wr_node_store(), mas_wr_slot_store(), mas_wr_append().
 */

import * as L from "../layout.ts";
import { leafGap, updateGaps } from "../search/gap.ts";
import { clearBehind, type Items } from "./items.ts";
import type { WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { GAPS_F64, META, NODE_MASK, PARENT, PIVOTS_F64, SLOTS, TAG_MASK } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** [first, last] is exactly the range of one slot: one store, which is atomic. */
export function exactFit(w: WriteState): void {
  const { core } = w;
  const word = w.leaf + SLOTS + w.slot;
  const from = core.i32[word]!;
  core.put(word, w.entry);
  if (core.observed) core.step({ what: "slot", node: w.leaf, slot: w.slot, from, to: w.entry });
  if ((from === 0) !== (w.entry === 0)) fixGaps(w, w.leaf, from);
}

/** Replaces the leaf by an edited copy; the five effects at the top of the file. @returns that copy */
export function nodeStore(w: WriteState): number {
  const { core } = w;
  const parent = core.i32[w.leaf + PARENT]!;
  const built = editedCopy(w);
  const node = built & NODE_MASK;
  const before = core.i32[w.leaf + SLOTS + w.slot]!;
  core.i32[node + PARENT] = parent;
  if (parent < 0) core.publish(0, 0, built);
  else core.publish(parent & NODE_MASK, parent & TAG_MASK, built);
  core.markDead(w.leaf);
  core.retire(w.leaf);
  fixGaps(w, node, before);
  return node;
}

/** A new leaf with the slots as they will be, copied once: with a list between, a store took 100 ns more. */
function editedCopy(w: WriteState): number {
  const { core, leaf } = w;
  const node = core.newNode();
  const { i32, f64 } = core;
  const slots = node + SLOTS;
  const pivots = (node >> 1) + PIVOTS_F64;
  let count = copySlots(i32, f64, leaf, 0, w.slot, node, 0);
  if (w.first > w.slotMin) put(i32, f64, slots, pivots, count++, i32[leaf + SLOTS + w.slot]!, w.first - 1);
  put(i32, f64, slots, pivots, count++, w.entry, w.last);
  if (w.last < w.endPivot) {
    put(i32, f64, slots, pivots, count++, i32[leaf + SLOTS + w.slotLast]!, w.endPivot);
  }
  count = copySlots(i32, f64, leaf, w.slotLast + 1, w.end + 1, node, count);
  clearBehind(i32, f64, node, LEAF, count);
  i32[node + META] = count - 1;
  core.built(node);
  return node | LEAF;
}

/** Copies slots `from` up to but not `to` to slot `at` of another leaf and behind. @returns the slot after them */
function copySlots(
  i32: Int32Array,
  f64: Float64Array,
  leaf: number,
  from: number,
  to: number,
  node: number,
  at: number,
): number {
  const back = (leaf >> 1) + PIVOTS_F64;
  const pivots = (node >> 1) + PIVOTS_F64;
  let slot = at;
  for (let s = from; s < to; s++, slot++) {
    i32[node + SLOTS + slot] = i32[leaf + SLOTS + s]!;
    f64[pivots + slot] = f64[back + s]!;
  }
  return slot;
}

/** Appends the slots of the leaf as they will be to `items`. */
export function editedLeaf(w: WriteState, items: Items): void {
  const { core } = w;
  const slots = w.leaf + SLOTS;
  items.append(core, w.leaf, 0, w.slot - 1);
  if (w.first > w.slotMin) items.push(core.i32[slots + w.slot]!, w.first - 1, 0);
  items.push(w.entry, w.last, 0);
  if (w.last < w.endPivot) items.push(core.i32[slots + w.slotLast]!, w.endPivot, 0);
  items.append(core, w.leaf, w.slotLast + 1, w.end);
}

/**
 * Makes the change in the leaf itself: moves the tail, then writes up to three slots. No RCU. It serves append
 * (there is no tail), slot_store (the tail stays where it is) and node_store.
 */
export function rewriteInPlace(w: WriteState): void {
  const { i32, f64 } = w.core;
  const slots = w.leaf + SLOTS;
  const pivots = (w.leaf >> 1) + PIVOTS_F64;
  const before = i32[slots + w.slot]!;
  const behind = i32[slots + w.slotLast]!;
  const keepsStart = w.first > w.slotMin;
  const keepsEnd = w.last < w.endPivot;
  const tail = w.slotLast + 1;
  const newTail = w.slot + 1 + (keepsStart ? 1 : 0) + (keepsEnd ? 1 : 0);
  const newEnd = w.end + newTail - tail;
  if (newTail > tail) {
    for (let s = w.end; s >= tail; s--) move(i32, f64, slots, pivots, s, s + newTail - tail);
  } else if (newTail < tail) {
    for (let s = tail; s <= w.end; s++) move(i32, f64, slots, pivots, s, s + newTail - tail);
    // Nothing stays behind the last used slot.
    for (let s = newEnd + 1; s <= w.end; s++) put(i32, f64, slots, pivots, s, 0, Infinity);
  }
  let at = w.slot;
  if (keepsStart) put(i32, f64, slots, pivots, at++, before, w.first - 1);
  put(i32, f64, slots, pivots, at, w.entry, w.last);
  if (w.core.observed) w.core.step({ what: "slot", node: w.leaf, slot: at, from: before, to: w.entry });
  if (keepsEnd) put(i32, f64, slots, pivots, at + 1, behind, w.endPivot);
  i32[w.leaf + META] = newEnd;
  fixGaps(w, w.leaf, before);
}

function move(
  i32: Int32Array,
  f64: Float64Array,
  slots: number,
  pivots: number,
  from: number,
  to: number,
): void {
  i32[slots + to] = i32[slots + from]!;
  f64[pivots + to] = f64[pivots + from]!;
}

function put(
  i32: Int32Array,
  f64: Float64Array,
  slots: number,
  pivots: number,
  slot: number,
  entry: number,
  pivot: number,
): void {
  i32[slots + slot] = entry;
  f64[pivots + slot] = pivot;
}

/**
 * `before` is what was stored at the first slot of the write. Mostly the new gap of the leaf follows from the old one,
 * which its parent knows, without a look at all slots: a write of nothing makes one run of free indices and takes
 * nothing from any other; a store inside one slot can only shorten the run which that slot was.
 */
function fixGaps(w: WriteState, leaf: number, before: number): void {
  const { core } = w;
  if (!core.gaps) return;
  const parent = core.i32[leaf + PARENT]!;
  if (parent < 0) return;
  const known = core.f64[((parent & NODE_MASK) >> 1) + GAPS_F64 + (parent & TAG_MASK)]!;
  if (w.entry === 0) {
    const run = w.last - w.first + 1;
    if (run > known) updateGaps(core, leaf, run);
    return;
  }
  if (w.slot === w.slotLast && (before !== 0 || w.slotMax - w.slotMin + 1 < known)) return;
  updateGaps(core, leaf, leafGap(core.i32, core.f64, leaf, w.leafMin));
}
