/*
 * How slots are shared out among new nodes. Leaves must not end with an empty slot, so a split moves by one
 * where it would.
 *
 * Source: Linux lib/maple_tree.c, mab_calc_split(), mab_no_null_split(), mab_middle_node().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { gapBelow, type Items } from "./items.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** A node just built, as its future parent will see it. */
export interface Part {
  readonly handle: number;
  readonly max: number;
  readonly gap: number;
}

/** Last item of the left node, and of the middle one; `middle` 0 if two nodes are enough. */
export interface Cut {
  readonly split: number;
  readonly middle: number;
}

/** Where to cut items that do not fit one node. */
export function calcSplit(core: TreeCore, items: Items, type: L.NodeType, bulk = false): Cut {
  const last = items.count - 1;
  if (bulk) return { split: bulkSplit(core, items, type, last), middle: 0 };
  const slots = core.slotsOf(type);
  const half = last >> 1;
  const three = last >= 2 * slots || (items.slot[half] === 0 && last >= 2 * slots - 1);
  if (!three) return { split: avoidEmptyEnd(core, items, type, half, last), middle: 0 };
  const third = Math.trunc(last / 3);
  return {
    split: avoidEmptyEnd(core, items, type, third, last),
    middle: avoidEmptyEnd(core, items, type, 2 * third, last),
  };
}

/** Ascending stores go on behind the right node: the left one is filled, the right one just sufficient. */
function bulkSplit(core: TreeCore, items: Items, type: L.NodeType, last: number): number {
  const split = last - core.minSlotsOf(type);
  return type === LEAF && items.slot[split] === 0 ? split - 1 : split;
}

/** Moves a cut behind the empty slot it would leave at the end, if the rest stays sufficient; else before it. */
export function avoidEmptyEnd(
  core: TreeCore,
  items: Items,
  type: L.NodeType,
  split: number,
  last: number,
): number {
  if (items.slot[split] !== 0) return split;
  const roomLeft = split < core.slotsOf(type) - 1;
  return roomLeft && last - split > core.minSlotsOf(type) ? split + 1 : split - 1;
}

/** Builds one, two or three nodes from all items, whose lowest index is `min`. */
export function buildParts(core: TreeCore, items: Items, type: L.NodeType, min: number): Part[] {
  const last = items.count - 1;
  if (last < core.slotsOf(type)) return [buildPart(core, items, type, 0, last, min)];
  const cut = calcSplit(core, items, type);
  const ends = cut.middle === 0 ? [cut.split, last] : [cut.split, cut.middle, last];
  const parts: Part[] = [];
  let from = 0;
  let lowest = min;
  for (const to of ends) {
    const part = buildPart(core, items, type, from, to, lowest);
    parts.push(part);
    from = to + 1;
    lowest = part.max + 1;
  }
  return parts;
}

/** Builds a node from items `from..to`, in place of the node `into` if that is not 0. */
export function buildPart(
  core: TreeCore,
  items: Items,
  type: L.NodeType,
  from: number,
  to: number,
  min: number,
  into = 0,
): Part {
  const handle = items.build(core, type, from, to, into);
  return { handle, max: items.pivot[to]!, gap: gapBelow(core, handle, min) };
}

/** Appends nodes just built to the items of the level above. */
export function pushParts(items: Items, parts: readonly Part[]): void {
  for (const part of parts) items.push(part.handle, part.max, part.gap);
}
