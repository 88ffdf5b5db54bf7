/*
 * Going over the stored ranges a leaf at a time, without an object or a cursor's bookkeeping for each.
 *
 * Nobody writes meanwhile (local trees, trees without RCU) but the visitor itself: the words of a leaf are read where
 * they are, and the tree's version is looked at after each call. If it has changed the scan walks again from the root
 * to the index behind the range just visited, so it never reads a leaf that was changed or freed under it.
 *
 * Others write meanwhile: inside one read section per leaf the ranges of that leaf are copied into a list, and visited
 * after the section. Pivots are immutable once published and the slots are loaded atomically; that the leaf is found
 * alive after all of its slots have been loaded means that each of them held what was copied at a moment when the leaf
 * was part of the tree (the argument at the top of walk.ts, once for a leaf instead of once for a slot). The
 * ranges of a list are as old as the list: a scan promises of each range that it was stored at some moment of the
 * scan, no more, and a visitor that needs what entries refer to opens a read section around the whole scan.
 * An agent's list is one for all its scans: `listOwner` tells a scan whether its visitor has had it written anew.
 *
 * In WebAssembly memory the list is made by one call, `rangesFrom` of wasm/descent.wat, which goes on to the next leaves
 * below the same parent until the list is as long as wanted, all in one read section; else here, a leaf at a time.
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { LIST_ENTRY as ENTRY, LIST_FIRST as FIRST, LIST_LAST as LAST, LIST_MOST } from "../wasm/descent.ts";
import { newPlace, nextLeaf, type Place, walkAlone, walkTo } from "./walk.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { PARENT, PIVOTS_F64, SLOTS, SLOTS_MAX, VERSION } = L;
const [LIST_FIRST, LIST_LAST, LIST_ENTRY] = [FIRST, LAST, ENTRY] as const;

/** Called for each range, both ends inclusive, with its entry; `false` ends the scan. */
export type EntryVisitor = (first: number, last: number, entry: number) => unknown;

/** Calls `visit` for the stored ranges that touch `[from, to]`, in order. @returns false if the visitor ended it */
export function scan(core: TreeCore, from: number, to: number, visit: EntryVisitor): boolean {
  return core.concurrent ? scanConcurrent(core, from, to, visit) : scanAlone(core, from, to, visit);
}

function scanAlone(core: TreeCore, from: number, to: number, visit: EntryVisitor): boolean {
  const place = newPlace();
  const versionWord = core.header + VERSION;
  let at = from;
  // Where the next range begins at the earliest: a range that the visitor has stored may reach behind the scan.
  let lowest = 0;
  walk: for (;;) {
    const { i32, f64 } = core.arena;
    const version = i32[versionWord]!;
    walkAlone(core, at, place);
    let first = Math.max(place.first, lowest);
    if (place.leaf === 0) {
      if (place.entry !== 0 && visit(first, place.last, place.entry) === false) return false;
      if (place.last >= to) return true;
      at = lowest = place.last + 1;
      continue;
    }
    do {
      const { leaf, end } = place;
      const pivots = (leaf >> 1) + PIVOTS_F64;
      const slots = leaf + SLOTS;
      for (let slot = Math.max(place.slot, 0); slot <= end; slot++) {
        const last = f64[pivots + slot]!;
        const entry = i32[slots + slot]!;
        if (entry !== 0) {
          if (first > to) return true;
          if (visit(first, last, entry) === false) return false;
          if (i32[versionWord] !== version) {
            if (last >= to) return true;
            at = lowest = last + 1;
            continue walk;
          }
        }
        first = last + 1;
      }
      if (first > to) return true;
    } while (nextLeaf(core, place));
    at = lowest = first;
  }
}

/** Where an agent lists the ranges of a leaf, laid out as descent.ts says from `word` on. */
interface LeafList {
  readonly f64: Float64Array;
  readonly i32: Int32Array;
  readonly word: number;
}

/** This agent's list for trees that are not read in WebAssembly. */
const OWN_F64: Float64Array = new Float64Array(LIST_LAST + SLOTS_MAX);
const OWN_I32: Int32Array = new Int32Array(LIST_ENTRY + SLOTS_MAX);
const OWN: LeafList & ListOwner = { f64: OWN_F64, i32: OWN_I32, word: 0, listOwner: undefined };

/** For whom a list has been written last. */
interface ListOwner {
  listOwner: object | undefined;
}

function scanConcurrent(core: TreeCore, from: number, to: number, visit: EntryVisitor): boolean {
  const place = newPlace();
  const word = listWord(core);
  const list: ListOwner = word === 0 ? OWN : core.descent!;
  const base = word >> 1;
  let at = from;
  let lowest = 0;
  // Short at first, for a visitor that soon ends the scan.
  let most = LIST_SHORTEST;
  for (;;) {
    const count = listFrom(core, at, to, most, place);
    most = Math.min(2 * most, LIST_MOST);
    const f64 = word === 0 ? OWN_F64 : core.arena.f64;
    const i32 = word === 0 ? OWN_I32 : core.arena.i32;
    let next = f64[base]! + 1;
    for (let n = 0; n < count; n++) {
      // After a write the leaf found may begin before where the scan has come to: no index is visited twice.
      const first = Math.max(f64[base + LIST_FIRST + n]!, lowest);
      if (first > to) return true;
      const last = f64[base + LIST_LAST + n]!;
      if (visit(first, last, i32[word + LIST_ENTRY + n]!) === false) return false;
      if (list.listOwner === place) continue;
      next = last + 1;
      break;
    }
    if (next > to) return true;
    at = lowest = next;
  }
}

/** Ranges in the first list of a walk over many; each further one is twice as long. */
export const LIST_SHORTEST = 16;

/** Word of the list in WebAssembly memory, 0 if there is none. */
export function listWord(core: TreeCore): number {
  return core.descent === undefined ? 0 : core.descent.list;
}

/** This agent's own list, for {@link listFrom} where {@link listWord} is 0. */
export const OWN_LIST: LeafList = OWN;

/**
 * Lists what is stored from the range of `at` to the end of a leaf, in a read section of its own: of its leaf, or in
 * WebAssembly memory of one further on, once there are `most` ranges or a leaf that reaches `to`.
 *
 * @param most - 1..{@link LIST_MOST}
 * @param place - the owner of the list from now on
 * @returns the number of ranges
 */
export function listFrom(core: TreeCore, at: number, to: number, most: number, place: Place): number {
  if (listWord(core) === 0) {
    OWN.listOwner = place;
    return listLeaf(core, at, place);
  }
  core.descent!.listOwner = place;
  return listInWasm(core, at, to, most, place);
}

/** {@link listFrom} in WebAssembly memory. */
function listInWasm(core: TreeCore, at: number, to: number, most: number, place: Place): number {
  const descent = core.descent!;
  const { list } = descent;
  core.readBegin();
  try {
    for (;;) {
      const count = descent.rangesFrom(core.rootAddress, at, list * 4, core.maxIndex, most, to);
      if (count >= 0) return count;
      walkTo(core, at, place);
      // Unless a write has just given the tree a node.
      if (place.leaf === 0) return listRoot(core.arena.f64, core.arena.i32, list, place);
    }
  } finally {
    core.readEnd();
  }
}

/** {@link listFrom} into this agent's own list. */
function listLeaf(core: TreeCore, at: number, place: Place): number {
  core.readBegin();
  try {
    for (;;) {
      walkTo(core, at, place);
      if (place.leaf === 0) return listRoot(OWN_F64, OWN_I32, 0, place);
      const count = copyLeaf(core, place);
      if (Atomics.load(core.arena.i32, place.leaf + PARENT) !== place.leaf) return count;
    }
  } finally {
    core.readEnd();
  }
}

/** The last used slot is not looked up, since it is the arena's word in a dead leaf: its pivot is the leaf's last index. */
function copyLeaf(core: TreeCore, place: Place): number {
  const { f64, i32 } = core.arena;
  const pivots = (place.leaf >> 1) + PIVOTS_F64;
  const slots = place.leaf + SLOTS;
  let { slot, first, last, entry } = place;
  let count = 0;
  OWN_F64[0] = place.leafMax;
  for (;;) {
    OWN_F64[LIST_FIRST + count] = first;
    OWN_F64[LIST_LAST + count] = last;
    OWN_I32[LIST_ENTRY + count] = entry;
    if (entry !== 0) count++;
    if (last >= place.leafMax) return count;
    slot++;
    first = last + 1;
    last = f64[pivots + slot]!;
    entry = Atomics.load(i32, slots + slot);
  }
}

/** The list of a tree without a node. */
function listRoot(f64: Float64Array, i32: Int32Array, word: number, place: Place): number {
  const base = word >> 1;
  f64[base] = place.last;
  f64[base + LIST_FIRST] = place.first;
  f64[base + LIST_LAST] = place.last;
  i32[word + LIST_ENTRY] = place.entry;
  return place.entry === 0 ? 0 : 1;
}
