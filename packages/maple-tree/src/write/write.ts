/*
 * A write, from request to done: find the slot, widen a write of nothing over the empty ranges beside it,
 * choose the way to carry it out, reserve nodes for the worst case, act. Nothing is changed before all nodes
 * are reserved, so a refusal leaves the tree as it was.
 *
 *   store type       chosen when (in this order)                             file
 *   store_root       there is no node                                        root-store.ts
 *   new_root         the range is everything                                 root-store.ts
 *   spanning_store   the range leaves the leaf, or would end it with nothing rebuild.ts
 *   exact_fit        the range is the slot's                                 leaf-store.ts
 *   rebalance        too few slots would be left, and the leaf is not root   rebuild.ts
 *   split_store      too many slots                                          split.ts
 *   append           no RCU, and the write begins in the last slot           leaf-store.ts
 *   slot_store       no RCU, and the number of slots stays                   leaf-store.ts
 *   node_store       everything else                                         leaf-store.ts
 *
 * One difference from Linux 6.12: there slot_store also happens in RCU mode if it moves just one pivot; here
 * it is a node_store, because a Float64 pivot that changes under a reader may be read torn, half old and half
 * new. As there, nothing stored over a single range that is everything is an exact_fit, which leaves a leaf
 * with one empty slot; clear() leaves no node.
 *
 * Source: Linux lib/maple_tree.c, mas_wr_store_type(), mas_wr_preallocate(), mas_wr_extend_null().
 */
import type { WriteType } from "../events.ts";
import * as L from "../layout.ts";
import { endOf } from "../search/path.ts";
import { leafSlotOf, walkAlone } from "../search/walk.ts";
import { exactFit, nodeStore, rewriteInPlace } from "./leaf-store.ts";
import { quickStore } from "./quick-store.ts";
import { locateSpan, rebalance, spanningStore, topUpLastLeaf } from "./rebuild.ts";
import { newRoot, rootNodes, storeRoot } from "./root-store.ts";
import { splitStore } from "./split.ts";
import { announce, type WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { PIVOTS_F64, SLOTS } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/**
 * Stores `entry` (0 = nothing) over `[first, last]`. The range has been checked; the lock is held.
 *
 * @returns the entry that was at `first`; `w.first` and `w.last` tell the range after widening
 * @throws MapleError `ENOMEM` with the tree unchanged
 */
export function write(w: WriteState, first: number, last: number, entry: number, bulk = false): number {
  const core = w.core;
  if (entry !== 0 && quickStore(w, first, last, entry)) return w.old;
  w.first = w.requestedFirst = first;
  w.last = w.requestedLast = last;
  w.entry = entry;
  w.bulk = bulk;
  core.writeBegin();
  try {
    store(w);
  } finally {
    core.writeEnd();
  }
  core.report(entry);
  return w.old;
}

/**
 * As {@link write}, but only if nothing is stored in the range; `entry` 0 just looks.
 *
 * @returns -1, or the lowest index in use, with the tree unchanged
 */
export function writeIfEmpty(w: WriteState, first: number, last: number, entry: number): number {
  const used = firstUsed(w, first, last);
  if (used < 0 && entry !== 0) write(w, first, last, entry);
  return used;
}

function firstUsed(w: WriteState, first: number, last: number): number {
  const { core, place } = w;
  core.arena.refresh();
  walkAlone(core, first, place);
  if (place.entry !== 0) return first;
  return place.last < last ? place.last + 1 : -1;
}

/** Erases the whole range that `index` lies in; `w` as after {@link write}. @returns its entry, 0 if none */
export function eraseAt(w: WriteState, index: number): number {
  const { core, place } = w;
  core.arena.refresh();
  walkAlone(core, index, place);
  return place.entry === 0 ? 0 : write(w, place.first, place.last, 0);
}

/**
 * Finds out how a write would be carried out, and changes nothing; `w` then tells the widened range and, if the
 * tree has a node, the leaf and slots. Lock held.
 */
export function plan(w: WriteState, first: number, last: number, entry: number): WriteType {
  w.first = w.requestedFirst = first;
  w.last = w.requestedLast = last;
  w.entry = entry;
  w.bulk = false;
  w.core.arena.refresh();
  if (w.core.rootWord <= 0) return "store_root";
  locate(w);
  return chooseType(w);
}

/** Erases everything, so that no node is left. Lock held. Source: __mt_destroy() */
export function clear(w: WriteState): void {
  const { core } = w;
  w.first = w.requestedFirst = 0;
  w.last = w.requestedLast = core.maxIndex;
  w.entry = 0;
  inWrite(w, () => {
    const root = core.rootWord;
    if (root <= 0) return storeRoot(w, root);
    announce(w, "new_root", 0);
    newRoot(w);
  });
}

function store(w: WriteState): void {
  const { core } = w;
  const root = core.root;
  if (root <= 0) {
    w.old = w.first === 0 ? 0 - root : 0;
    return storeRoot(w, root);
  }
  locate(w);
  w.old = core.i32[w.leaf + SLOTS + w.slot]!;
  act(w, chooseType(w));
}

/** Bulk stores are over: the last leaf may have been left with too few slots. Lock held. */
export function finishBulk(w: WriteState): void {
  w.bulk = false;
  w.entry = 0;
  inWrite(w, () => topUpLastLeaf(w));
}

function inWrite(w: WriteState, act: () => void): void {
  w.core.writeBegin();
  try {
    act();
  } finally {
    w.core.writeEnd();
  }
  w.core.report(w.entry);
}

/** Finds the leaf and slot of `w.first`. */
function locate(w: WriteState): void {
  const { core, left } = w;
  left.walk(core, w.first);
  const level = left.leafLevel;
  w.leaf = left.node[level]!;
  w.slot = left.slot[level]!;
  w.leafMin = left.min[level]!;
  w.leafMax = left.max[level]!;
  w.end = endOf(core.i32, w.leaf);
  const pivots = (w.leaf >> 1) + PIVOTS_F64;
  w.slotMin = w.slot === 0 ? w.leafMin : core.f64[pivots + w.slot - 1]! + 1;
  w.slotMax = core.f64[pivots + w.slot]!;
}

function chooseType(w: WriteState): WriteType {
  const { core } = w;
  if (leavesLeaf(w)) {
    if (w.first !== 0 || w.last !== core.maxIndex) locateSpan(w);
    return w.first === 0 && w.last === core.maxIndex ? "new_root" : "spanning_store";
  }
  if (w.last <= w.slotMax) {
    w.slotLast = w.slot;
    w.endPivot = w.slotMax;
  } else {
    w.slotLast = leafSlotOf(core.f64, w.leaf, w.last);
    w.endPivot = core.f64[(w.leaf >> 1) + PIVOTS_F64 + w.slotLast]!;
  }
  if (w.entry === 0) widen(w);
  if (w.first === w.slotMin && w.last === w.slotMax) return "exact_fit";
  if (w.first === 0 && w.last === core.maxIndex) return "new_root";
  const newEnd = newEndOf(w);
  if (newEnd < core.minSlotsOf(LEAF) && !w.bulk) return w.leafIsRoot ? "node_store" : "rebalance";
  if (newEnd >= core.geometry.leafSlots) return "split_store";
  if (core.rcu) return "node_store";
  if (w.slot === w.end) return "append";
  return newEnd === w.end ? "slot_store" : "node_store";
}

/** A leaf that does not end at the largest index must not end with an empty slot: gaps never straddle leaves. */
function leavesLeaf(w: WriteState): boolean {
  if (w.last > w.leafMax) return true;
  return w.last === w.leafMax && w.entry === 0 && w.last !== w.core.maxIndex;
}

/** A write of nothing takes in the empty slot it begins or ends in, or which lies beside it, of this leaf. */
function widen(w: WriteState): void {
  const { i32, f64 } = w.core;
  const slots = w.leaf + SLOTS;
  const pivots = (w.leaf >> 1) + PIVOTS_F64;
  if (i32[slots + w.slotLast] === 0) {
    w.last = w.endPivot;
  } else if (w.last === w.endPivot && w.slotLast !== w.end && i32[slots + w.slotLast + 1] === 0) {
    w.slotLast++;
    w.last = w.endPivot = f64[pivots + w.slotLast]!;
  }
  if (i32[slots + w.slot] === 0) {
    w.first = w.slotMin;
  } else if (w.first === w.slotMin && w.slot > 0 && i32[slots + w.slot - 1] === 0) {
    w.slot--;
    w.first = w.slotMin = w.slot === 0 ? w.leafMin : f64[pivots + w.slot - 1]! + 1;
    w.slotMax = f64[pivots + w.slot]!;
  }
}

/** Last used slot the leaf will have. */
function newEndOf(w: WriteState): number {
  const onStart = w.first === w.slotMin ? 1 : 0;
  const onEnd = w.last === w.endPivot ? 1 : 0;
  return w.end + 2 - (w.slotLast - w.slot) - onStart - onEnd;
}

/** A leaf, and what a planned write would make of it. */
export interface PlannedLeaf {
  /** Its word in the arena. */
  readonly node: number;
  readonly min: number;
  readonly max: number;
  /** Slots that the range begins and ends in; `lastSlot` is `undefined` if that is in another leaf. */
  readonly firstSlot: number;
  readonly lastSlot: number | undefined;
  /** Used slots before the write, and as they would be without a split or a merge. */
  readonly slotsBefore: number;
  readonly slotsAfter: number | undefined;
}

/** The leaf of a write that has been planned, in a tree with nodes. */
export function plannedLeaf(w: WriteState, type: WriteType): PlannedLeaf {
  const inside = type !== "spanning_store" && w.last <= w.leafMax;
  return {
    node: w.leaf,
    min: w.leafMin,
    max: w.leafMax,
    firstSlot: w.slot,
    lastSlot: inside ? w.slotLast : undefined,
    slotsBefore: w.end + 1,
    slotsAfter: inside ? newEndOf(w) + 1 : undefined,
  };
}

/** Reserves the worst case, then acts. */
function act(w: WriteState, type: WriteType): void {
  announce(w, type, plannedNodes(w, type));
  switch (type) {
    case "exact_fit":
      return exactFit(w);
    case "append":
    case "slot_store":
      return rewriteInPlace(w);
    case "node_store":
      if (w.core.rcu) nodeStore(w);
      else rewriteInPlace(w);
      return;
    case "new_root":
      return newRoot(w);
    case "rebalance":
      return rebalance(w);
    case "split_store":
      return splitStore(w);
    default:
      return spanningStore(w);
  }
}

/** Nodes that a write of this type can need; `w` has been planned. Source: mas_prealloc_calc(). */
export function plannedNodes(w: WriteState, type: WriteType): number {
  const height = w.left.leafLevel + 1;
  switch (type) {
    case "exact_fit":
    case "append":
    case "slot_store":
      return 0;
    case "node_store":
      return w.core.rcu ? 1 : 0;
    case "store_root":
      return rootNodes(w);
    case "new_root":
      return 1;
    case "rebalance":
      return 2 * height - 1;
    case "split_store":
      return 2 * height + 1;
    default:
      return 3 * height + 1;
  }
}
