/*
 * A leaf gets more slots than it has room for. Data is pushed into the left or the right neighbour if that
 * has space to spare, which ends the ripple at once; otherwise the node is split, and its parent may be the
 * next to overflow.
 *
 * Source: Linux lib/maple_tree.c, mas_split(), mas_push_data(), mast_fill_bnode().
 */

import { avoidEmptyEnd, buildPart, calcSplit, type Part, pushParts } from "./fill.ts";
import { MAX_INDEX } from "./geometry.ts";
import * as L from "./layout.ts";
import { editedLeaf } from "./leaf-store.ts";
import { endOf } from "./path.ts";
import { replaceTop } from "./replace.ts";
import type { WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { NODE_MASK, PIVOTS_F64, SLOTS } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** Carries out a split_store; nodes have been reserved. */
export function splitStore(w: WriteState): void {
  const { core, items, left: path } = w;
  let level = path.leafLevel;
  let type: L.NodeType = LEAF;
  const heightBefore = level + 1;
  items.count = 0;
  editedLeaf(w, items);
  while (items.count > core.slotsOf(type)) {
    const pushed = pushData(w, level, type, "left") || pushData(w, level, type, "right");
    if (!pushed) splitNode(w, level, type);
    type = core.internalType;
    level--;
    if (pushed) break;
  }
  // At level -1 the root itself was split, and the items are the children of a new one.
  const grown = level < 0;
  const at = grown ? 0 : level;
  const oldTop = path.node[at]! | (at === path.leafLevel ? LEAF : core.internalType);
  const newTop = items.build(core, type, 0, items.count - 1);
  replaceTop(core, oldTop, newTop, path.min[at]!, heightBefore + (grown ? 1 : 0));
}

/** Builds two nodes from the items and makes `items` those of the level above. */
function splitNode(w: WriteState, level: number, type: L.NodeType): void {
  const { core, items, left: path } = w;
  const { split } = calcSplit(core, items, type, w.bulk);
  const parts = buildTwo(w, type, split, path.min[level]!);
  parentItems(w, level, parts, level === 0 ? 0 : path.slot[level - 1]!, 1);
}

/**
 * Shares the items out between a node and its neighbour of the same parent, if together they leave some
 * room, and makes `items` those of the level above, which then fit.
 *
 * The neighbour is filled nearly full: a tree that grows in one direction leaves well-filled nodes behind.
 */
function pushData(w: WriteState, level: number, type: L.NodeType, side: "left" | "right"): boolean {
  if (level === 0) return false;
  const { core, items, left: path } = w;
  const parent = path.node[level - 1]!;
  const slot = path.slot[level - 1]!;
  const sibling = slot + (side === "left" ? -1 : 1);
  if (sibling < 0 || sibling > endOf(core.i32, parent)) return false;
  const node = core.i32[parent + SLOTS + sibling]! & NODE_MASK;
  const slots = core.slotsOf(type);
  const total = items.count - 1 + endOf(core.i32, node);
  // Two nodes hold it all, with one slot to spare each, and one more where an end may have to move.
  let space = 2 * slots - 2;
  if (type === LEAF) space--;
  if (path.max[level] === MAX_INDEX) space--;
  if (total >= space) return false;
  if (side === "left") {
    items.prependAll(core, node);
    const split = avoidEmptyEnd(core, items, type, slots - 2, items.count - 1);
    const parts = buildTwo(w, type, split, lowestOf(w, level - 1, sibling));
    parentItems(w, level, parts, sibling, 2);
  } else {
    items.append(core, node, 0, endOf(core.i32, node));
    const split = avoidEmptyEnd(core, items, type, total - (slots - 2), items.count);
    const parts = buildTwo(w, type, split, path.min[level]!);
    parentItems(w, level, parts, slot, 2);
  }
  return true;
}

/** Lowest index of a slot of the path's node at `level`. */
function lowestOf(w: WriteState, level: number, slot: number): number {
  if (slot === 0) return w.left.min[level]!;
  return w.core.f64[(w.left.node[level]! >> 1) + PIVOTS_F64 + slot - 1]! + 1;
}

function buildTwo(w: WriteState, type: L.NodeType, split: number, min: number): Part[] {
  const { core, items } = w;
  const first = buildPart(core, items, type, 0, split, min);
  return [first, buildPart(core, items, type, split + 1, items.count - 1, first.max + 1)];
}

/** Items of the level above `level`: the parent's slots with `replaced` of them, from `at`, given way to `parts`. */
function parentItems(
  w: WriteState,
  level: number,
  parts: readonly Part[],
  at: number,
  replaced: number,
): void {
  const { core, items, left: path } = w;
  items.count = 0;
  if (level === 0) return pushParts(items, parts);
  const parent = path.node[level - 1]!;
  items.append(core, parent, 0, at - 1);
  pushParts(items, parts);
  items.append(core, parent, at + replaced, endOf(core.i32, parent));
}
