/*
 * Finding the slot of an index, without a lock.
 *
 *   load the root word ─▶ node ─▶ scan pivots ─▶ load the slot ─▶ is the node dead? ── no ─▶ next level
 *        ▲                                                            │ yes
 *        └────────────────────────────────────────────────────────────┘  restart with the same index
 *
 * The slot is loaded before the dead test, never after: a node found alive then was reachable when the slot
 * was loaded, so what the slot says was true at that moment. Pivots are plain Float64 loads, which may tear
 * by the ECMAScript memory model; they are immutable from the store that published their node until a grace
 * period after it died, and the load of the slot that led here is ordered behind that store.
 *
 * In an arena made with `wasm` the same happens in WebAssembly: wasm/descent.wat.
 *
 * Trees with no concurrent writer (local, or without RCU) use plain loads and no test: in one agent a look-up
 * cannot be interrupted by a write.
 *
 * Source: Linux lib/maple_tree.c, mtree_lookup_walk(), mtree_range_walk().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { META, NODE_MASK, PARENT, PIVOTS_F64, ROOT, SLOTS, TAG_MASK } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;
const ARANGE: typeof L.NodeType.Arange = L.NodeType.Arange;

/** Where a walk ended: the slot's range, and the leaf so that a cursor can go on from there. */
export interface Place {
  first: number;
  last: number;
  entry: number;
  /** Leaf and slot, 0 if the tree has no node. */
  leaf: number;
  slot: number;
  /** Range of the leaf. */
  leafMin: number;
  leafMax: number;
  /** Last used slot of the leaf; of a concurrent tree 0, since nobody there may ask. */
  end: number;
}

/** A place nobody has walked to. */
export function newPlace(): Place {
  return { first: 0, last: 0, entry: 0, leaf: 0, slot: 0, leafMin: 0, leafMax: 0, end: 0 };
}

/**
 * The entry stored at `index`, 0 if none. Caller is in a read section or holds the lock.
 *
 * Cost: one step per level. Source: mtree_load().
 */
export function lookup(core: TreeCore, index: number): number {
  if (!core.concurrent) return lookupAlone(core, index);
  const { descent } = core;
  return descent === undefined ? lookupConcurrent(core, index) : descent.lookup(core.rootAddress, index);
}

/** Plain loads: nobody writes meanwhile. */
function lookupAlone(core: TreeCore, index: number): number {
  const arena = core.arena;
  const i32 = arena.i32;
  const f64 = arena.f64;
  let handle = i32[core.header + ROOT]!;
  if (handle <= 0) return index === 0 ? 0 - handle : 0;
  for (;;) {
    const node = handle & NODE_MASK;
    const next = i32[node + SLOTS + slotOf(f64, handle, index)]!;
    if ((handle & TAG_MASK) === LEAF) return next;
    handle = next;
  }
}

/** Is nothing stored? A leaf with one empty slot, which a store of nothing over everything can leave, counts. */
export function isEmpty(core: TreeCore): boolean {
  if (core.rootWord <= 0) return core.rootWord === 0;
  const place = newPlace();
  core.readBegin();
  try {
    walkTo(core, 0, place);
  } finally {
    core.readEnd();
  }
  return place.entry === 0 && place.last === core.maxIndex;
}

function lookupConcurrent(core: TreeCore, index: number): number {
  const arena = core.arena;
  const rootWord = core.header + ROOT;
  let i32 = arena.i32;
  let f64 = arena.f64;
  let handle = Atomics.load(i32, rootWord);
  for (;;) {
    if (handle <= 0) return index === 0 ? 0 - handle : 0;
    const node = handle & NODE_MASK;
    if (node >= i32.length) {
      // Another agent grew the arena and put the node there.
      arena.ensure(node);
      i32 = arena.i32;
      f64 = arena.f64;
    }
    const slot = slotOf(f64, handle, index);
    const next = Atomics.load(i32, node + SLOTS + slot);
    if (Atomics.load(i32, node + PARENT) === node) handle = Atomics.load(i32, rootWord);
    else if ((handle & TAG_MASK) === LEAF) return next;
    else handle = next;
  }
}

/**
 * Slot of `index` in the node that `handle` names: the number of pivots below it. Pivots behind the last used one
 * are Infinity, so no count is needed, and whatever the words hold the search stays inside the node.
 *
 * Comparisons are turned into numbers instead of jumps, which the processor could not foresee. The loads of the first
 * six do not wait for each other, and find a group of four; three more find the place in it. In 1e3, 1e5 and 1e6 ranges
 * a look-up took 36, 65 and 259 ns so; with groups of eight and then of two 41, 70 and 245, with a linear scan 52, 100
 * and 249, with a binary search without jumps 44, 79 and 222.
 */
export function slotOf(f64: Float64Array, handle: number, index: number): number {
  const first = ((handle & NODE_MASK) >> 1) + PIVOTS_F64;
  let group = +(f64[first + 3]! < index) + +(f64[first + 7]! < index) + +(f64[first + 11]! < index);
  if ((handle & TAG_MASK) !== ARANGE) {
    group += +(f64[first + 15]! < index) + +(f64[first + 19]! < index) + +(f64[first + 23]! < index);
  }
  return slotInGroup(f64, first, group << 2, index);
}

/** Slot of `index` in a leaf; see {@link slotOf}. */
export function leafSlotOf(f64: Float64Array, leaf: number, index: number): number {
  const first = (leaf >> 1) + PIVOTS_F64;
  const low = +(f64[first + 3]! < index) + +(f64[first + 7]! < index) + +(f64[first + 11]! < index);
  const high = +(f64[first + 15]! < index) + +(f64[first + 19]! < index) + +(f64[first + 23]! < index);
  return slotInGroup(f64, first, (low + high) << 2, index);
}

/** The search of {@link slotOf} in the four pivots from `slot` on. */
function slotInGroup(f64: Float64Array, first: number, slot: number, index: number): number {
  const at = first + slot;
  return slot + (+(f64[at]! < index) + +(f64[at + 1]! < index) + +(f64[at + 2]! < index));
}

/**
 * Finds the range which `index` lies in, stored or empty, and writes it into `place`. Caller as for
 * {@link lookup}. Source: mas_walk().
 */
export function walkTo(core: TreeCore, index: number, place: Place): void {
  if (core.concurrent) walkConcurrent(core, index, place);
  else walkAlone(core, index, place);
}

/** As {@link walkTo} with plain loads: nobody writes meanwhile, because the caller holds the lock or is alone. */
export function walkAlone(core: TreeCore, index: number, place: Place): void {
  const arena = core.arena;
  const i32 = arena.i32;
  const f64 = arena.f64;
  let handle = i32[core.header + ROOT]!;
  if (handle <= 0) return rootPlace(core, handle, index, place);
  let min = 0;
  let max = core.maxIndex;
  for (;;) {
    const node = handle & NODE_MASK;
    const slot = slotOf(f64, handle, index);
    const pivots = (node >> 1) + PIVOTS_F64;
    const first = slot === 0 ? min : f64[pivots + slot - 1]! + 1;
    const last = f64[pivots + slot]!;
    const next = i32[node + SLOTS + slot]!;
    if ((handle & TAG_MASK) === LEAF) {
      place.first = first;
      place.last = last;
      place.entry = next;
      place.leaf = node;
      place.slot = slot;
      place.leafMin = min;
      place.leafMax = max;
      place.end = i32[node + META]! & 0xff;
      return;
    }
    handle = next;
    min = first;
    max = last;
  }
}

function walkConcurrent(core: TreeCore, index: number, place: Place): void {
  const arena = core.arena;
  const rootWord = core.header + ROOT;
  restart: for (;;) {
    let handle = Atomics.load(arena.i32, rootWord);
    if (handle <= 0) return rootPlace(core, handle, index, place);
    let min = 0;
    let max = core.maxIndex;
    for (;;) {
      const node = handle & NODE_MASK;
      arena.ensure(node);
      const i32 = arena.i32;
      const f64 = arena.f64;
      const slot = slotOf(f64, handle, index);
      const pivots = (node >> 1) + PIVOTS_F64;
      const first = slot === 0 ? min : f64[pivots + slot - 1]! + 1;
      const last = f64[pivots + slot]!;
      const next = Atomics.load(i32, node + SLOTS + slot);
      if (Atomics.load(i32, node + PARENT) === node) continue restart;
      if ((handle & TAG_MASK) === LEAF) {
        place.first = first;
        place.last = last;
        place.entry = next;
        place.leaf = node;
        place.slot = slot;
        place.leafMin = min;
        place.leafMax = max;
        // Not from the metadata: that is the arena's word if the leaf has just died. Only steps without readers ask.
        place.end = 0;
        return;
      }
      handle = next;
      min = first;
      max = last;
    }
  }
}

/** A tree without a node: empty, or one entry at [0,0]. */
function rootPlace(core: TreeCore, root: number, index: number, place: Place): void {
  place.leaf = 0;
  place.slot = 0;
  const inside = root !== 0 && index === 0;
  place.entry = inside ? 0 - root : 0;
  place.first = root === 0 || inside ? 0 : 1;
  place.last = inside ? 0 : core.maxIndex;
}

/**
 * Goes from `place` to the range behind it (`direction` 1) or before it (-1). The caller has checked that
 * there is one, and that the tree has not been written to since `place` was found or that its reader may
 * go on in a node that died meanwhile.
 *
 * In a concurrent tree the range found may overlap the one left, if a write has moved the border between them;
 * callers cut it.
 *
 * Inside a leaf this is one slot further; past its edge it is a walk from the root, once per leaf. (The
 * kernel climbs by parent words instead; here those are for the dead test and for writers.)
 */
export function stepTo(core: TreeCore, place: Place, direction: 1 | -1): void {
  const index = direction === 1 ? place.last + 1 : place.first - 1;
  if (place.leaf === 0 || index > place.leafMax || index < place.leafMin) return walkTo(core, index, place);
  const { leaf } = place;
  const slot = place.slot + direction;
  const i32 = core.arena.i32;
  const f64 = core.arena.f64;
  const pivots = (leaf >> 1) + PIVOTS_F64;
  const first = slot === 0 ? place.leafMin : f64[pivots + slot - 1]! + 1;
  const last = f64[pivots + slot]!;
  const word = leaf + SLOTS + slot;
  const entry = core.concurrent ? Atomics.load(i32, word) : i32[word]!;
  if (core.concurrent && Atomics.load(i32, leaf + PARENT) === leaf) return walkTo(core, index, place);
  place.first = first;
  place.last = last;
  place.entry = entry;
  place.slot = slot;
}

/**
 * Moves a place from the last slot of its leaf to just before the first slot of the next one, if both have the same
 * parent. Nobody writes meanwhile.
 */
export function nextLeaf(core: TreeCore, place: Place): boolean {
  const i32 = core.arena.i32;
  const parent = i32[place.leaf + PARENT]!;
  if (parent < 0) return false;
  const node = parent & NODE_MASK;
  const slot = (parent & TAG_MASK) + 1;
  if (slot > (i32[node + META]! & 0xff)) return false;
  place.leaf = i32[node + SLOTS + slot]! & NODE_MASK;
  place.end = i32[place.leaf + META]! & 0xff;
  place.slot = -1;
  place.leafMin = place.leafMax + 1;
  place.leafMax = core.arena.f64[(node >> 1) + PIVOTS_F64 + slot]!;
  return true;
}
