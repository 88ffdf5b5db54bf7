import { Arena, type ArenaHandle } from "@faultline/arena";
import type { Agents } from "@faultline/sync";
import { CodedMapleTree, type ValueCodec } from "./coded-tree.ts";
import { TreeCore, type TreeOptions } from "./core.ts";
import { checkEntry, MapleCursor } from "./cursor/cursor.ts";
import { checkIndex, checkRange, MapleError } from "./errors.ts";
import type { Recovery, StepEvent, WriteEvent } from "./events.ts";
import { type Geometry, ZERO_ENTRY } from "./geometry.ts";
import { type HistoryOptions, listen, type Recorded, TreeHistory } from "./history.ts";
import { type DumpOptions, dump } from "./inspect/dump.ts";
import { type Explanation, explain } from "./inspect/explain.ts";
import { type Violation, validate } from "./inspect/validate.ts";
import {
  type CyclicAllocation,
  type CyclicRequest,
  checkCyclic,
  findFree,
  type GapRequest,
} from "./search/allocate.ts";
import { treeGap } from "./search/gap.ts";
import { checkIndices, lookupMany } from "./search/lookup-many.ts";
import { RangeScan } from "./search/range-scan.ts";
import {
  findFrom,
  findUpTo,
  gapsOf,
  type IndexRange,
  type Range,
  rangesOf,
  readRange,
} from "./search/ranges.ts";
import { type EntryVisitor, scan } from "./search/scan.ts";
import { isEmpty, lookup } from "./search/walk.ts";
import { MapleSnapshot } from "./snapshot.ts";
import { jsonHead, jsonOptions, type TreeJSON } from "./tree-json.ts";
import { loadSorted } from "./write/bulk-load.ts";
import { copyTree } from "./write/clone.ts";
import { recover } from "./write/recover.ts";
import { clear, eraseAt, write, writeIfEmpty } from "./write/write.ts";
import { WriteState } from "./write/write-state.ts";

// A constant of this module, which V8 folds; see layout.ts.
const RESERVED: number = ZERO_ENTRY;

/** What another agent needs to open a tree; structured-cloneable. */
export interface SharedMapleTreeHandle {
  readonly arena: ArenaHandle;
  readonly root: number;
}

/**
 * A map from inclusive index ranges that do not overlap to 30-bit handles, in the words of an arena.
 *
 * Any number of agents read it without a lock while one writes; each attaches its own instance. Reads open a
 * read section of `arena.rcu` themselves; to go on using what an entry refers to, open one around the read and
 * the use. Writes take the tree's spinlock, unless the tree was made with `lock: "external"` or `"none"`.
 *
 * Source: Linux lib/maple_tree.c.
 */
export class SharedMapleTree {
  /** The arena which holds the tree. */
  readonly arena: Arena;
  /** Word of the tree's header: with the arena, all that {@link attach} needs. */
  readonly root: number;
  /** Package-internal. */
  readonly core: TreeCore;
  readonly #writer: WriteState;

  private constructor(core: TreeCore) {
    this.arena = core.arena;
    this.root = core.header;
    this.core = core;
    this.#writer = new WriteState(core);
    core.onRecover = recover;
  }

  /**
   * Makes an empty tree.
   *
   * @throws ArenaError `ENOMEM`; RangeError for a geometry that nodes have no room for
   */
  static create(arena: Arena, options: TreeOptions = {}): SharedMapleTree {
    return new SharedMapleTree(TreeCore.create(arena, options));
  }

  /**
   * A tree with the given ranges, which ascend: built from the leaves up, without a search for each.
   *
   * @throws MapleError `EINVAL` if a range begins before the one before it has ended; `ENOMEM`. Cost: O(ranges)
   */
  static fromSorted(arena: Arena, ranges: Iterable<Range>, options: TreeOptions = {}): SharedMapleTree {
    const tree = SharedMapleTree.create(arena, options);
    loadSorted(tree.#writer, ranges, (range) => {
      checkEntry("fromSorted: entry", range.entry);
      return range.entry;
    });
    return tree;
  }

  /** A tree as {@link toJSON} has written it. @throws as {@link fromSorted} */
  static fromJSON(arena: Arena, json: TreeJSON<number>, options: TreeOptions = {}): SharedMapleTree {
    const ranges = json.ranges.map(([first, last, entry]) => ({ first, last, entry }));
    return SharedMapleTree.fromSorted(arena, ranges, { ...jsonOptions(json), ...options });
  }

  /** What is stored, and whether gaps are kept, as plain data. */
  toJSON(): TreeJSON<number> {
    return { ...jsonHead(this.core), ranges: [...this.entries()].map((r) => [r.first, r.last, r.entry]) };
  }

  /** Opens a tree of this arena by its {@link root}. @throws MapleError `EINVAL` if there is none */
  static attach(arena: Arena, root: number): SharedMapleTree {
    return new SharedMapleTree(TreeCore.attach(arena, root));
  }

  /** Opens a tree by its {@link handle}, attaching to its arena; with the registry if that was created with it. */
  static open(handle: SharedMapleTreeHandle, agents?: Agents): SharedMapleTree {
    return SharedMapleTree.attach(Arena.attach(handle.arena, agents), handle.root);
  }

  /** What another agent needs for {@link open}. */
  handle(): SharedMapleTreeHandle {
    return { arena: this.arena.handle(), root: this.root };
  }

  /**
   * Says that the agent with this id, in the registry that the arena was created with, never runs again. If it
   * held the tree's lock the next writer puts right what it has left, and a waiting one does so now. For
   * `registry.protect(arena, tree)`; waiting writers also find out by themselves, within 100 ms.
   *
   * @returns whether it held the lock
   */
  agentDied(id: number): boolean {
    return this.core.agentDied(id);
  }

  /**
   * Puts right what a writer has left that was terminated in a write: the tree is then as before it or as after.
   * For trees whose arena has no registry, or whose lock is the caller's: the caller knows that no writer runs,
   * and that the tree's own lock, if it is held, was held by the dead.
   *
   * @throws MapleError `EINVAL` without RCU. Readers may go on meanwhile. Cost: O(nodes)
   */
  recover(): Recovery {
    return this.core.recoverNow();
  }

  /** Called after each write of this instance with what it did; default none. */
  get onWrite(): ((event: WriteEvent) => void) | undefined {
    return this.core.onWrite;
  }

  set onWrite(hook: ((event: WriteEvent) => void) | undefined) {
    this.core.onWrite = hook;
  }

  /** Called inside each write of this instance, between its effects; default none. It must not write. */
  get onStep(): ((step: StepEvent) => void) | undefined {
    return this.core.onStep;
  }

  set onStep(hook: ((step: StepEvent) => void) | undefined) {
    this.core.onStep = hook;
  }

  /** Fan-out of the nodes. */
  get geometry(): Geometry {
    return this.core.geometry;
  }

  /** Can gaps be searched? */
  get hasGaps(): boolean {
    return this.core.gaps;
  }

  /** Levels of nodes; 0 if the tree is empty or holds just one entry at [0,0]. */
  get height(): number {
    return this.core.height;
  }

  /** Nodes in the tree. */
  get nodeCount(): number {
    return this.core.nodeCount;
  }

  /** Largest index there is, 2^53 - 1 or 2^32 - 1: the last range ends there. */
  get maxIndex(): number {
    return this.core.maxIndex;
  }

  /** Is nothing stored? */
  get isEmpty(): boolean {
    return isEmpty(this.core);
  }

  /**
   * The entry stored at `index`, 0 if none.
   *
   * @throws RangeError if `index` is not an integer in `0..maxIndex`
   *
   * Locking: none. Cost: one node per level. Source: mtree_load().
   */
  load(index: number): number {
    checkIndex("load: index", index, this.core.maxIndex);
    const core = this.core;
    if (!core.concurrent) return visible(lookup(core, index));
    core.readBegin();
    try {
      return visible(lookup(core, index));
    } finally {
      core.readEnd();
    }
  }

  /**
   * {@link load} of each index, in any order, in one read section: `out[n]` becomes the entry at `indices[n]`. Each was
   * stored at some moment of the call.
   *
   * @throws RangeError if one of them is no index, or `out` is shorter than `indices`; `out` is unchanged then
   */
  loadMany(indices: ArrayLike<number>, out: Int32Array = new Int32Array(indices.length)): Int32Array {
    checkIndices("loadMany", indices, this.core.maxIndex);
    if (out.length < indices.length) {
      throw new RangeError(`loadMany: out must have room for ${indices.length} entries, got ${out.length}`);
    }
    lookupMany(this.core, indices, out);
    return out;
  }

  /** The range that `index` lies in, and its entry; entry 0 for an empty range. Locking and cost as {@link load}. */
  entryAt(index: number): Range {
    checkIndex("entryAt: index", index, this.core.maxIndex);
    return readRange(this.core, index);
  }

  /**
   * Stores `entry` over every index in `[first, last]`, replacing what was there; 0 leaves a gap.
   *
   * @returns the entry that was at `first`, 0 if it was a gap
   * @throws MapleError `EINVAL` if `last < first`; `ENOMEM` if the arena is full, with the tree unchanged
   *
   * Concurrent readers see the old range or the new one. Cost: O(height); at most `3 * height + 1` new nodes.
   * Source: mtree_store_range().
   */
  storeRange(first: number, last: number, entry: number): number {
    checkRange("storeRange", first, last, this.core.maxIndex);
    checkEntry("storeRange: entry", entry);
    return this.core.locked(() => write(this.#writer, first, last, entry));
  }

  /**
   * Stores `entry` over `[first, last]` if nothing is stored in it.
   *
   * @throws MapleError `EEXIST` if anything is stored there; else as {@link storeRange}. Source: mtree_insert_range()
   */
  insertRange(first: number, last: number, entry: number): void {
    checkRange("insertRange", first, last, this.core.maxIndex);
    checkEntry("insertRange: entry", entry);
    this.core.locked(() => {
      const used = writeIfEmpty(this.#writer, first, last, entry);
      if (used >= 0) {
        throw new MapleError(
          "EEXIST",
          `insertRange: ${first}..${last} is not empty, index ${used} is in use`,
        );
      }
    });
  }

  /**
   * Erases the whole range that `index` lies in.
   *
   * @returns the entry that was there, 0 if none. Errors as {@link storeRange}. Source: mtree_erase()
   */
  erase(index: number): number {
    checkIndex("erase: index", index, this.core.maxIndex);
    return this.core.locked(() => eraseAt(this.#writer, index));
  }

  /** Erases everything. Source: mtree_destroy(). */
  clear(): void {
    this.core.locked(() => {
      clear(this.#writer);
    });
  }

  /**
   * How {@link storeRange} would carry out a store, without doing it: the type of write, the range it would be
   * widened to, the nodes it would reserve, the leaf it begins in. Takes the tree's lock.
   */
  explain(first: number, last: number, entry: number): Explanation {
    checkRange("explain", first, last, this.core.maxIndex);
    checkEntry("explain: entry", entry);
    return this.core.locked(() => explain(this.#writer, first, last, entry));
  }

  /**
   * The first entry at or behind `index` whose range begins by `max`.
   *
   * Locking: none. Source: mt_find().
   */
  find(index: number, max: number = this.core.maxIndex): Range | undefined {
    checkIndex("find: index", index, this.core.maxIndex);
    checkIndex("find: max", max, this.core.maxIndex);
    return findFrom(this.core, index, max);
  }

  /** The last entry at or before `index` whose range ends at `min` or later. Locking: none. */
  findBefore(index: number, min = 0): Range | undefined {
    checkIndex("findBefore: index", index, this.core.maxIndex);
    checkIndex("findBefore: min", min, this.core.maxIndex);
    return findUpTo(this.core, index, min);
  }

  /**
   * The lowest first index of `size` free ones in `[min, max]`.
   *
   * @throws MapleError `EBUSY` if there is none; `EINVAL` if size is 0 or does not fit the window, or the tree
   * was made without gaps. Takes the tree's lock. Source: mas_empty_area()
   */
  findGap(request: GapRequest): number {
    return this.#findGap("findGap", request, false);
  }

  /** As {@link findGap}, but the highest. Source: mas_empty_area_rev(). */
  findGapReverse(request: GapRequest): number {
    return this.#findGap("findGapReverse", request, true);
  }

  #findGap(call: string, request: GapRequest, fromTop: boolean): number {
    return this.core.locked(() => findFree(this.core, call, request, fromTop));
  }

  /**
   * Stores `entry` over the lowest `size` free indices in `[min, max]`.
   *
   * @returns the first of them. @throws MapleError as {@link findGap}, `ENOMEM`; `EINVAL` for a reserved entry.
   * Takes the tree's lock. Source: mtree_alloc_range()
   */
  allocate(entry: number, request: GapRequest): number {
    return this.#allocate("allocate", entry, request, false);
  }

  /** As {@link allocate}, but the highest. Source: mtree_alloc_rrange(). */
  allocateReverse(entry: number, request: GapRequest): number {
    return this.#allocate("allocateReverse", entry, request, true);
  }

  #allocate(call: string, entry: number, request: GapRequest, fromTop: boolean): number {
    checkAllocated(call, entry);
    return this.core.locked(() => {
      const first = findFree(this.core, call, request, fromTop);
      write(this.#writer, first, first + request.size - 1, entry);
      return first;
    });
  }

  /**
   * Stores `entry` at the first free index from `next` to `max`, or failing that from `min`.
   *
   * @throws MapleError `EBUSY`, `EINVAL`, `ENOMEM`. Takes the tree's lock. Source: mtree_alloc_cyclic()
   */
  allocateCyclic(
    entry: number,
    { min = 0, max = this.core.maxIndex, next }: CyclicRequest,
  ): CyclicAllocation {
    checkAllocated("allocateCyclic", entry);
    checkCyclic(this.core, min, max, next);
    return this.core.locked(() => this.cursor().allocateCyclic(entry, { min, max, next }));
  }

  /**
   * A tree of the same arena with the same ranges, made node by node; the entries are shared.
   *
   * @throws MapleError `ENOMEM` with nothing left behind; ArenaError `ENOMEM` for the header.
   * Takes the tree's lock. Cost: O(nodes). Source: mtree_dup()
   */
  clone(): SharedMapleTree {
    const { core } = this;
    const { geometry, domain, gaps, rcu, lockMode: lock } = core;
    const copy = TreeCore.create(this.arena, { geometry, domain, gaps, rcu, lock });
    copy.onAllocate = core.onAllocate;
    core.locked(() => copyTree(core, copy));
    return new SharedMapleTree(copy);
  }

  /** This tree with typed values instead of entries. Each agent makes its own view, with the same codec. */
  coded<V>(codec: ValueCodec<V>): CodedMapleTree<V, SharedMapleTree> {
    return new CodedMapleTree(this, codec);
  }

  /** Runs `fn` in a read section of the arena, if the tree has readers beside its writer: what it loads stays. */
  reading<T>(fn: () => T): T {
    this.core.readBegin();
    try {
      return fn();
    } finally {
      this.core.readEnd();
    }
  }

  /** The contents of this moment, which no later write changes. Takes the tree's lock. Cost: O(ranges) */
  snapshot(): MapleSnapshot<number> {
    const { core } = this;
    const asValue = ({ first, last, entry }: Range) => ({ first, last, value: entry || undefined });
    return core.locked(() => {
      const ranges = rangesOf(core, 0, core.maxIndex, true, asValue);
      return new MapleSnapshot({ gaps: core.gaps, domain: core.domain, zero: ZERO_ENTRY, ranges });
    });
  }

  /**
   * Begins a time-travel log of this instance's writes: `history.at(version)` is the tree as it was after so
   * many of them, in the same arena. Other agents' writes are not seen, so it is for trees with one writer.
   *
   * @throws RangeError if an option is out of range, MapleError `ENOMEM`. Takes the tree's lock
   */
  record(options: HistoryOptions = {}): TreeHistory<SharedMapleTree, number> {
    const recorded: Recorded<SharedMapleTree, number> = {
      clone: (tree) => tree.clone(),
      store: (tree, first, last, value) => void tree.storeRange(first, last, value ?? 0),
      clear: (tree) => tree.clear(),
      valueOf: (entry) => entry || undefined,
      listen: (hook) => listen(this.core, hook),
    };
    return new TreeHistory(this, recorded, options);
  }

  /** May readers run beside the writer? Set it only while no other agent can see the tree. Source: mt_set_in_rcu() */
  get rcuMode(): boolean {
    return this.core.rcu;
  }

  set rcuMode(on: boolean) {
    this.core.locked(() => this.core.setRcu(on));
  }

  /**
   * For a tree with an external lock: called at the beginning of every write of this instance, to throw if the
   * lock is not held for writing; the write is then not done. Default none. Source: lockdep of MT_FLAGS_LOCK_EXTERN
   */
  get assertWrite(): (() => void) | undefined {
    return this.core.assertWrite;
  }

  set assertWrite(hook: (() => void) | undefined) {
    this.core.assertWrite = hook;
  }

  /** Asked before a write of this instance takes nodes: `false` makes it fail with `ENOMEM`. Default none. */
  get onAllocate(): ((nodes: number) => boolean) | undefined {
    return this.core.onAllocate;
  }

  set onAllocate(hook: ((nodes: number) => boolean) | undefined) {
    this.core.onAllocate = hook;
  }

  /** Largest run of free indices, from the gaps at the root. Takes the tree's lock. */
  largestGap(): number {
    return this.core.locked(() => treeGap(this.core));
  }

  /** A cursor at `index`, not walked; `last` is the end of a store to come. See {@link MapleCursor}. */
  cursor(index = 0, last: number = index): MapleCursor {
    return new MapleCursor(this.core, this.#writer, index, last);
  }

  /** Runs `fn` with the tree's own lock held, for writes through a cursor; without own lock just runs it. */
  locked<T>(fn: () => T): T {
    return this.core.locked(fn);
  }

  /**
   * The stored ranges that touch `[first, last]`, in order. Not a snapshot: each was stored at some moment of
   * the iteration, none is visited twice. Other writes may happen between two steps.
   */
  entries(first = 0, last: number = this.core.maxIndex): IterableIterator<Range> {
    checkRange("entries", first, last, this.core.maxIndex);
    return rangesOf(this.core, first, last, false, (range) => range);
  }

  /** As {@link entries}, with the empty ranges (entry 0). */
  ranges(first = 0, last: number = this.core.maxIndex): IterableIterator<Range> {
    checkRange("ranges", first, last, this.core.maxIndex);
    return rangesOf(this.core, first, last, true, (range) => range);
  }

  /**
   * Calls `visit` for the stored ranges that touch `[first, last]`, in order, until it returns `false`. As with {@link entries} each range was stored at some moment of the scan, and none is visited
   * twice. Visits happen outside of the scan's read sections: open one around the call to use what entries refer to.
   *
   * @returns whether it came to the end. Locking: none. Cost: a read section per leaf, nothing allocated per range
   */
  forEachRange(first: number, last: number, visit: EntryVisitor): boolean {
    checkRange("forEachRange", first, last, this.core.maxIndex);
    return scan(this.core, first, last, visit);
  }

  /**
   * A scan over the stored ranges that touch `[first, last]` which reads them in batches of at most `capacity`
   * (1..2^20) into typed arrays; what it costs beside a cursor is the row "W3 scan" of `pnpm bench:maple`. Promises what {@link forEachRange} promises.
   */
  scan(first = 0, last: number = this.core.maxIndex, capacity?: number): RangeScan {
    return new RangeScan(this.core, first, last, capacity);
  }

  /** The empty ranges that touch `[first, last]`, in order; as {@link entries}. */
  gaps(first = 0, last: number = this.core.maxIndex): IterableIterator<IndexRange> {
    checkRange("gaps", first, last, this.core.maxIndex);
    return gapsOf(this.core, first, last);
  }

  /** All stored ranges. */
  [Symbol.iterator](): IterableIterator<Range> {
    return this.entries();
  }

  /** Every violated invariant, I1 to I14; empty if all is well. Takes the tree's lock. Cost: O(nodes). */
  validate(): Violation[] {
    return this.core.locked(() => validate(this.core));
  }

  /** @throws Error listing what {@link validate} found, with the tree's dump */
  assertValid(): void {
    const violations = this.validate();
    if (violations.length === 0) return;
    const list = violations.map((v) => `${v.invariant} node ${v.node} slot ${v.slot}: ${v.message}`);
    throw new Error(`maple tree is not valid:\n${list.join("\n")}\n${this.dump()}`);
  }

  /** The tree as text, JSON, DOT or SVG. Takes the tree's lock. */
  dump(options: DumpOptions = {}): string {
    return this.core.locked(() => dump(this.core, options));
  }
}

/** What `load` says of an entry. */
function visible(entry: number): number {
  return entry === RESERVED ? 0 : entry;
}

function checkAllocated(call: string, entry: number): void {
  checkEntry(`${call}: entry`, entry);
  if (entry === 0 || entry === ZERO_ENTRY) {
    throw new MapleError("EINVAL", `${call}: entry ${entry} would leave the indices free`);
  }
}
