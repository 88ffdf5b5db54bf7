/*
 * Writes that change several nodes of a level: spanning_store and rebalance.
 *
 *        left path                    right path
 *            R                            R           items of a level: what the left node keeps before the
 *           ╱ ╲                          ╱ ╲          change, the change, what the right node keeps behind it
 *          A   …                        …   C
 *         ╱                                  ╲        They are shared out over one to three new nodes. Those
 *        a ── items before ── new ── items behind ─ c are the change of the level above. It ends at the first
 *                                                     level where both paths meet and everything fits one node.
 *
 * A level that ends up with too few items takes in a neighbour first, the right one if there is one below the
 * closest common parent, else the left one. If one node holds the whole tree, that node is the new root.
 *
 * Source: Linux lib/maple_tree.c, mas_wr_spanning_store(), mas_rebalance(), mas_spanning_rebalance().
 */

import * as L from "../layout.ts";
import { endOf } from "../search/path.ts";
import { leafSlotOf } from "../search/walk.ts";
import { buildParts, type Part, pushParts } from "./fill.ts";
import { editedLeaf } from "./leaf-store.ts";
import { replaceTop, spliceChildren } from "./replace.ts";
import { announce, type WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { PIVOTS_F64, SLOTS } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** The leaf would keep too few slots: it shares with its neighbour. Nodes have been reserved. */
export function rebalance(w: WriteState): void {
  const { core, items, left, right } = w;
  const leafLevel = left.leafLevel;
  right.copyFrom(left, leafLevel);
  items.count = 0;
  editedLeaf(w, items);
  takeNeighbour(w, leafLevel);
  rebuild(w, core.height);
}

/**
 * Lets the last leaf share with its neighbour if ascending stores have left it nearly empty. Source:
 * mas_destroy_rebalance()
 */
export function topUpLastLeaf(w: WriteState): void {
  const { core, items, left, right } = w;
  if (core.rootWord <= 0) return;
  left.walk(core, core.maxIndex);
  const level = left.leafLevel;
  const leaf = left.node[level]!;
  const end = endOf(core.i32, leaf);
  if (level === 0 || end + 1 >= core.minSlotsOf(LEAF) - 1) return;
  w.first = w.requestedFirst = left.min[level]!;
  w.last = w.requestedLast = core.maxIndex;
  announce(w, "rebalance", 2 * (level + 1) - 1);
  right.copyFrom(left, level);
  items.count = 0;
  items.append(core, leaf, 0, end);
  takeNeighbour(w, level);
  rebuild(w, core.height);
}

/**
 * Finds where a spanning write ends and widens it, if it stores nothing, over the empty slots beside it.
 * Fills in `right` with the path to the index behind the range, and `slotLast`, its slot there.
 */
export function locateSpan(w: WriteState): void {
  const { core, right } = w;
  const behind = w.last === core.maxIndex ? w.last : w.last + 1;
  right.walk(core, behind);
  if (w.entry !== 0) return;
  const { i32, f64 } = core;
  const slots = w.leaf + SLOTS;
  const pivots = (w.leaf >> 1) + PIVOTS_F64;
  if (i32[slots + w.slot] === 0) w.first = w.slotMin;
  if (w.first === w.slotMin && w.slot > 0 && i32[slots + w.slot - 1] === 0) {
    w.slot--;
    w.first = w.slotMin = w.slot === 0 ? w.leafMin : f64[pivots + w.slot - 1]! + 1;
  }
  const level = right.leafLevel;
  const leaf = right.node[level]!;
  const slot = right.slot[level]!;
  if (i32[leaf + SLOTS + slot] === 0) w.last = f64[(leaf >> 1) + PIVOTS_F64 + slot]!;
}

/** The range leaves the leaf. `locateSpan` has run, and nodes have been reserved. */
export function spanningStore(w: WriteState): void {
  const { core, items, right } = w;
  const slots = w.leaf + SLOTS;
  items.count = 0;
  items.append(core, w.leaf, 0, w.slot - 1);
  if (w.first > w.slotMin) items.push(core.i32[slots + w.slot]!, w.first - 1, 0);
  items.push(w.entry, w.last, 0);
  const level = right.leafLevel;
  const node = right.node[level]!;
  if (right.max[level]! > w.last) {
    items.append(core, node, leafSlotOf(core.f64, node, w.last + 1), endOf(core.i32, node));
  }
  rebuild(w, core.height);
}

/** From the items of the leaf level up to the new top; see the top of the file. */
function rebuild(w: WriteState, heightBefore: number): void {
  const { core, items, left, right } = w;
  let level = left.leafLevel;
  let type: L.NodeType = LEAF;
  let levelsBuilt = 0;
  if (!coversAll(w, level) && items.count <= core.minSlotsOf(type)) takeNeighbour(w, level);
  for (;;) {
    const parts = buildParts(core, items, type, left.min[level]!);
    levelsBuilt++;
    if (parts.length === 1 && coversAll(w, level)) {
      const oldRoot = left.node[0]! | typeAt(w, 0);
      return replaceTop(core, oldRoot, parts[0]!.handle, 0, levelsBuilt);
    }
    type = core.internalType;
    level--;
    if (level >= 0 && splice(w, level, type, parts)) return;
    itemsAbove(w, level, parts);
    // The old root was not enough: a new one goes on top of it.
    if (level < 0) break;
    if (items.count > core.minSlotsOf(type)) {
      if (items.count <= core.slotsOf(type) && left.node[level] === right.node[level]) break;
    } else {
      if (level === 0) break;
      takeNeighbour(w, level);
    }
  }
  const at = Math.max(level, 0);
  const newTop = items.build(core, type, 0, items.count - 1);
  const height = level < 0 ? heightBefore + 1 : heightBefore;
  replaceTop(core, left.node[at]! | typeAt(w, at), newTop, left.min[at]!, height);
}

/** Without RCU: makes the change in the node where both paths meet, if that leaves it neither too full nor too empty. */
function splice(w: WriteState, level: number, type: L.NodeType, parts: readonly Part[]): boolean {
  const { core, left, right } = w;
  const node = left.node[level]!;
  if (core.rcu || node !== right.node[level]) return false;
  const at = left.slot[level]!;
  const replaced = right.slot[level]! - at + 1;
  const count = endOf(core.i32, node) + 1 + parts.length - replaced;
  if (count <= core.minSlotsOf(type) || count > core.slotsOf(type)) return false;
  spliceChildren(core, node, at, replaced, parts);
  return true;
}

function coversAll(w: WriteState, level: number): boolean {
  return w.left.min[level] === 0 && w.right.max[level] === w.core.maxIndex;
}

function typeAt(w: WriteState, level: number): L.NodeType {
  return level === w.left.leafLevel ? LEAF : w.core.internalType;
}

/** Items of `level` once `parts` have replaced everything between the two paths one level below. */
function itemsAbove(w: WriteState, level: number, parts: readonly Part[]): void {
  const { core, items, left, right } = w;
  items.count = 0;
  if (level < 0) return pushParts(items, parts);
  items.append(core, left.node[level]!, 0, left.slot[level]! - 1);
  pushParts(items, parts);
  const last = right.node[level]!;
  items.append(core, last, right.slot[level]! + 1, endOf(core.i32, last));
}

/**
 * Adds the items of the node right of `right`, or else left of `left`, at `level`, and moves that path there.
 * At least one of them exists unless the level covers everything.
 */
function takeNeighbour(w: WriteState, level: number): void {
  const { core, items, left, right } = w;
  for (let above = level - 1; above >= 0; above--) {
    if (right.slot[above]! < endOf(core.i32, right.node[above]!)) {
      right.slot[above]!++;
      right.descend(core, above, level, "first");
      const node = right.node[level]!;
      items.append(core, node, 0, endOf(core.i32, node));
      return;
    }
    if (left.slot[above]! > 0) {
      left.slot[above]!--;
      left.descend(core, above, level, "last");
      items.prependAll(core, left.node[level]!);
      return;
    }
  }
}
