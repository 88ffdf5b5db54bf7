/*
 * The scratch list from which new nodes are built: the slots of some neighbouring nodes of one level, with
 * the change already made, in order. It is the writer's own memory, so nothing in it can be seen by readers.
 *
 * Source of the idea: Linux lib/maple_tree.c, struct maple_big_node.
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { leafGap, nodeGap } from "../search/gap.ts";
import { endOf } from "../search/path.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { ARANGE_SLOTS_MAX, GAPS_F64, META, NODE_MASK, PARENT, PIVOTS_F64, SLOTS, SLOTS_MAX, TAG_MASK } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;
const ARANGE: typeof L.NodeType.Arange = L.NodeType.Arange;

// Three full nodes, and what a store can add to one of them.
const ITEMS_MAX = 3 * SLOTS_MAX + 4;

/** Slots to be written into nodes; see the top of the file. */
export class Items {
  slot: Int32Array;
  pivot: Float64Array;
  /** Gap below a child; unused for leaves. */
  gap: Float64Array;
  count = 0;

  /** @param room - how many there can be */
  constructor(room: number = ITEMS_MAX) {
    this.slot = new Int32Array(room);
    this.pivot = new Float64Array(room);
    this.gap = new Float64Array(room);
  }

  /** Doubles the room. */
  grow(): void {
    const bigger = new Items(2 * this.slot.length);
    bigger.slot.set(this.slot);
    bigger.pivot.set(this.pivot);
    bigger.gap.set(this.gap);
    this.slot = bigger.slot;
    this.pivot = bigger.pivot;
    this.gap = bigger.gap;
  }

  push(slot: number, pivot: number, gap: number): void {
    const i = this.count++;
    this.slot[i] = slot;
    this.pivot[i] = pivot;
    this.gap[i] = gap;
  }

  /** Appends slots `from..to` of a node, both inclusive. */
  append(core: TreeCore, node: number, from: number, to: number): void {
    const i32 = core.i32;
    const f64 = core.f64;
    const pivots = (node >> 1) + PIVOTS_F64;
    const gaps = (node >> 1) + GAPS_F64;
    const { slot, pivot, gap } = this;
    let at = this.count;
    for (let s = from; s <= to; s++, at++) {
      slot[at] = i32[node + SLOTS + s]!;
      pivot[at] = f64[pivots + s]!;
    }
    if (core.gaps) {
      // In a leaf the words read as gaps mean nothing, and are not used.
      at = this.count;
      for (let s = from; s <= to; s++, at++) gap[at] = f64[gaps + s]!;
    }
    if (to >= from) this.count = at;
  }

  /** Inserts all slots of a node before the first item. */
  prependAll(core: TreeCore, node: number): void {
    const added = endOf(core.i32, node) + 1;
    this.slot.copyWithin(added, 0, this.count);
    this.pivot.copyWithin(added, 0, this.count);
    this.gap.copyWithin(added, 0, this.count);
    const total = this.count + added;
    this.count = 0;
    this.append(core, node, 0, added - 1);
    this.count = total;
  }

  /**
   * Builds a node from items `from..to`, both inclusive, whose lowest index is `min`. New children get their
   * parent word here, shared ones after the node has been published.
   *
   * @param into - a node to be overwritten, of which the items are copies; default a new one
   * @returns the node's handle. The number of nodes built must have been reserved
   */
  build(core: TreeCore, type: L.NodeType, from: number, to: number, into = 0): number {
    const node = into === 0 ? core.newNode() : into;
    const i32 = core.i32;
    const f64 = core.f64;
    const slots = node + SLOTS;
    const pivots = (node >> 1) + PIVOTS_F64;
    const count = to - from + 1;
    for (let s = 0; s < count; s++) {
      i32[slots + s] = this.slot[from + s]!;
      f64[pivots + s] = this.pivot[from + s]!;
    }
    clearBehind(i32, f64, node, type, count);
    if (type !== LEAF) nameParent(i32, node, count, core.inPlace);
    const largest = type === ARANGE ? this.#copyGaps(f64, node, from, count) : 0;
    i32[node + META] = (count - 1) | (largest << 8);
    if (into === 0) core.built(node);
    return node | type;
  }

  /** @returns the offset of the largest gap, the highest such */
  #copyGaps(f64: Float64Array, node: number, from: number, count: number): number {
    const gaps = (node >> 1) + GAPS_F64;
    let largest = 0;
    for (let s = 0; s < count; s++) {
      const gap = this.gap[from + s]!;
      f64[gaps + s] = gap;
      if (gap >= this.gap[from + largest]!) largest = s;
    }
    return largest;
  }
}

/**
 * Children that are new have no parent yet. Shared ones get theirs after the node has been published, by adopt(), or
 * with `all` at once, since nobody is there to see it.
 */
function nameParent(i32: Int32Array, node: number, count: number, all: boolean): void {
  for (let s = 0; s < count; s++) {
    const word = (i32[node + SLOTS + s]! & NODE_MASK) + PARENT;
    if (all || i32[word] === 0) i32[word] = node | s;
  }
}

/** Makes the slots of a new node from `count` on empty, in words that may hold anything. */
export function clearBehind(
  i32: Int32Array,
  f64: Float64Array,
  node: number,
  type: L.NodeType,
  count: number,
): void {
  const arange = type === ARANGE;
  const room = arange ? ARANGE_SLOTS_MAX : SLOTS_MAX;
  const slots = node + SLOTS;
  const pivots = (node >> 1) + PIVOTS_F64;
  for (let s = count; s < room; s++) i32[slots + s] = 0;
  for (let s = count; s < room; s++) f64[pivots + s] = Infinity;
  if (arange) for (let s = count; s < room; s++) f64[(node >> 1) + GAPS_F64 + s] = 0;
}

/** Gap below a node: its widest empty slot, or its largest gap; 0 in a tree without gaps. */
export function gapBelow(core: TreeCore, handle: number, min: number): number {
  if (!core.gaps) return 0;
  const node = handle & NODE_MASK;
  if ((handle & TAG_MASK) === LEAF) return leafGap(core.i32, core.f64, node, min);
  return nodeGap(core.i32, core.f64, node);
}
