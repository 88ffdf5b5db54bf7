/*
 * A leaf gets more slots than it has room for. Data is pushed into the left or the right neighbour if that
 * has space to spare, which ends the ripple at once; otherwise the node is split, and its parent may be the
 * next to overflow.
 *
 * Source: Linux lib/maple_tree.c, mas_split(), mas_push_data(), mast_fill_bnode().
 */

import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { endOf } from "../search/path.ts";
import { avoidEmptyEnd, buildPart, calcSplit, type Part, pushParts } from "./fill.ts";
import type { Items } from "./items.ts";
import { editedLeaf } from "./leaf-store.ts";
import { replaceTop, spliceChildren } from "./replace.ts";
import type { WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { NODE_MASK, PARENT, PIVOTS_F64, SLOTS } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** Two nodes that take the place of `replaced` children of a node, from slot `at` on. */
interface Split {
  readonly parts: readonly Part[];
  readonly at: number;
  readonly replaced: number;
}

/** Carries out a split_store; nodes have been reserved. */
export function splitStore(w: WriteState): void {
  const { core, items, left: path } = w;
  let level = path.leafLevel;
  let type: L.NodeType = LEAF;
  const heightBefore = level + 1;
  items.count = 0;
  editedLeaf(w, items);
  while (items.count > core.slotsOf(type)) {
    const pushed = pushData(w, level, type, "left") ?? pushData(w, level, type, "right");
    const split = pushed ?? splitNode(w, level, type);
    type = core.internalType;
    level--;
    if (level >= 0 && splicesInto(core, path.node[level]!, type, split)) {
      return spliceChildren(core, path.node[level]!, split.at, split.replaced, split.parts);
    }
    parentItems(w, level, split);
    if (pushed !== undefined) break;
  }
  if (core.inPlace) return growRoot(core, items, heightBefore);
  // At level -1 the root itself was split, and the items are the children of a new one.
  const grown = level < 0;
  const at = grown ? 0 : level;
  const oldTop = path.node[at]! | (at === path.leafLevel ? LEAF : core.internalType);
  const newTop = items.build(core, type, 0, items.count - 1);
  replaceTop(core, oldTop, newTop, path.min[at]!, heightBefore + (grown ? 1 : 0));
}

/** The old root is now the first child of a new one. */
function growRoot(core: TreeCore, items: Items, heightBefore: number): void {
  const root = items.build(core, core.internalType, 0, items.count - 1);
  core.i32[(root & NODE_MASK) + PARENT] = -core.header;
  core.setHeight(heightBefore + 1);
  core.publish(0, 0, root);
}

/** Without RCU a node that has room is changed in place. */
function splicesInto(core: TreeCore, node: number, type: L.NodeType, split: Split): boolean {
  return !core.rcu && endOf(core.i32, node) + 1 + split.parts.length - split.replaced <= core.slotsOf(type);
}

/** Builds two nodes from the items. */
function splitNode(w: WriteState, level: number, type: L.NodeType): Split {
  const { core, items, left: path } = w;
  const { split } = calcSplit(core, items, type, w.bulk);
  const parts = buildTwo(w, type, split, path.min[level]!, path.node[level]!, 0);
  return { parts, at: level === 0 ? 0 : path.slot[level - 1]!, replaced: 1 };
}

/**
 * Shares the items out between a node and its neighbour of the same parent, if together they leave some room;
 * the parent then has as many children as before.
 *
 * The neighbour is filled nearly full: a tree that grows in one direction leaves well-filled nodes behind.
 */
function pushData(w: WriteState, level: number, type: L.NodeType, side: "left" | "right"): Split | undefined {
  const { core, items, left: path } = w;
  // Where nothing ties us to the kernel's splits, leaves are just split: random inserts take half the time (291 ns
  // against 617), nodes are filled to 0.68 instead of 0.8. Above the leaves it is rare, and height is what counts.
  if (level === 0 || (core.packs && type === LEAF)) return undefined;
  const parent = path.node[level - 1]!;
  const slot = path.slot[level - 1]!;
  const sibling = slot + (side === "left" ? -1 : 1);
  if (sibling < 0 || sibling > endOf(core.i32, parent)) return undefined;
  const node = core.i32[parent + SLOTS + sibling]! & NODE_MASK;
  const slots = core.slotsOf(type);
  const total = items.count - 1 + endOf(core.i32, node);
  // Two nodes hold it all, with one slot to spare each, and one more where an end may have to move.
  let space = 2 * slots - 2;
  if (type === LEAF) space--;
  if (path.max[level] === core.maxIndex) space--;
  if (total >= space) return undefined;
  if (side === "left") {
    items.prependAll(core, node);
    const split = avoidEmptyEnd(core, items, type, slots - 2, items.count - 1);
    const parts = buildTwo(w, type, split, lowestOf(w, level - 1, sibling), node, path.node[level]!);
    return { parts, at: sibling, replaced: 2 };
  }
  items.append(core, node, 0, endOf(core.i32, node));
  const split = avoidEmptyEnd(core, items, type, total - (slots - 2), items.count);
  const parts = buildTwo(w, type, split, path.min[level]!, path.node[level]!, node);
  return { parts, at: slot, replaced: 2 };
}

/** Lowest index of a slot of the path's node at `level`. */
function lowestOf(w: WriteState, level: number, slot: number): number {
  if (slot === 0) return w.left.min[level]!;
  return w.core.f64[(w.left.node[level]! >> 1) + PIVOTS_F64 + slot - 1]! + 1;
}

/** Builds two nodes from the items, if that is possible in place of `left` and, unless it is 0, `right`. */
function buildTwo(
  w: WriteState,
  type: L.NodeType,
  split: number,
  min: number,
  left: number,
  right: number,
): Part[] {
  const { core, items } = w;
  const reuse = core.inPlace;
  const first = buildPart(core, items, type, 0, split, min, reuse ? left : 0);
  const from = split + 1;
  return [first, buildPart(core, items, type, from, items.count - 1, first.max + 1, reuse ? right : 0)];
}

/** Makes `items` those of the node at `level`, with the split done; at level -1 of a new root. */
function parentItems(w: WriteState, level: number, { parts, at, replaced }: Split): void {
  const { core, items, left: path } = w;
  items.count = 0;
  if (level < 0) return pushParts(items, parts);
  const node = path.node[level]!;
  items.append(core, node, 0, at - 1);
  pushParts(items, parts);
  items.append(core, node, at + replaced, endOf(core.i32, node));
}
