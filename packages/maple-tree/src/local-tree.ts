import { Arena } from "@faultline/arena";
import { TreeCore, type TreeOptions } from "./core.ts";
import { MapleCursor } from "./cursor/cursor.ts";
import { LocalCursor } from "./cursor/local-cursor.ts";
import { checkIndex, checkRange, MapleError } from "./errors.ts";
import type { StepEvent, WriteEvent } from "./events.ts";
import { ZERO_ENTRY } from "./geometry.ts";
import { type HistoryOptions, listen, type Recorded, TreeHistory } from "./history.ts";
import { type DumpOptions, dump } from "./inspect/dump.ts";
import { type Explanation, explain } from "./inspect/explain.ts";
import { type Violation, validate } from "./inspect/validate.ts";
import { type CyclicAllocation, type CyclicRequest, findFree, type GapRequest } from "./search/allocate.ts";
import { treeGap } from "./search/gap.ts";
import { checkIndices } from "./search/lookup-many.ts";
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
import { scan } from "./search/scan.ts";
import { isEmpty, lookup } from "./search/walk.ts";
import { MapleSnapshot } from "./snapshot.ts";
import { jsonHead, jsonOptions, type TreeJSON } from "./tree-json.ts";
import type { StoredRange, ValueRange } from "./values/value-range.ts";
import { ValueScan } from "./values/value-scan.ts";
import { ValueTable, ZERO } from "./values/value-table.ts";
import { loadSorted } from "./write/bulk-load.ts";
import { copyTree } from "./write/clone.ts";
import { clear, eraseAt, write, writeIfEmpty } from "./write/write.ts";
import { WriteState } from "./write/write-state.ts";

/** Called for each stored range, both ends inclusive; `false` ends the scan. */
export type ValueVisitor<V> = (first: number, last: number, value: V) => unknown;

/** How a local tree is made. */
export interface MapleTreeOptions extends Pick<TreeOptions, "geometry" | "gaps" | "rcu" | "domain"> {
  /** Where to keep the nodes; default an unshared arena of the tree's own. */
  readonly arena?: Arena;
}

/**
 * A map from inclusive index ranges that do not overlap to values of any kind, in one agent.
 *
 * `undefined` stands for "nothing stored". The nodes are those of `SharedMapleTree`, in unshared memory;
 * without RCU (the default) leaves are changed in place. A value that has been overwritten may be kept alive
 * by the table of values until {@link sweepValues} or later stores drop it.
 *
 * Source: Linux lib/maple_tree.c.
 */
export class MapleTree<V> {
  /** The arena which holds the nodes. */
  readonly arena: Arena;
  /** Package-internal. */
  readonly core: TreeCore;
  readonly #writer: WriteState;
  readonly #table: ValueTable<V>;

  /** Makes an empty tree. @throws RangeError for a geometry that nodes have no room for */
  constructor(options: MapleTreeOptions = {}) {
    const { geometry, domain = "u53", gaps = false, rcu = false } = options;
    this.arena = options.arena ?? Arena.create({ bytes: 1 << 16, bytesMax: 2 ** 31 });
    this.core = TreeCore.create(this.arena, {
      ...(geometry && { geometry }),
      domain,
      gaps,
      rcu,
      lock: "none",
    });
    this.#writer = new WriteState(this.core);
    this.#table = new ValueTable(this.core);
  }

  /**
   * A tree with the given ranges.
   *
   * @throws MapleError `EEXIST` if two of them overlap, `EINVAL` if one ends before it begins
   */
  static from<V>(ranges: Iterable<StoredRange<V>>, options: MapleTreeOptions = {}): MapleTree<V> {
    const tree = new MapleTree<V>(options);
    for (const { first, last, value } of ranges) tree.insertRange(first, last, value);
    return tree;
  }

  /**
   * A tree with the given ranges, which ascend: built from the leaves up, without a search for each.
   *
   * @throws MapleError `EINVAL` if a range begins before the one before it has ended. Cost: O(ranges)
   */
  static fromSorted<V>(ranges: Iterable<StoredRange<V>>, options: MapleTreeOptions = {}): MapleTree<V> {
    const tree = new MapleTree<V>(options);
    loadSorted(tree.#writer, ranges, ({ value }) => tree.#table.append(value));
    return tree;
  }

  /** A tree as {@link toJSON} has written it. @throws as {@link fromSorted} */
  static fromJSON<V>(json: TreeJSON<V>, options: MapleTreeOptions = {}): MapleTree<V> {
    const ranges = json.ranges.map(([first, last, value]) => ({ first, last, value }));
    return MapleTree.fromSorted(ranges, { ...jsonOptions(json), ...options });
  }

  /** What is stored, and whether gaps are kept; plain data if the values are. */
  toJSON(): TreeJSON<V> {
    return { ...jsonHead(this.core), ranges: [...this.entries()].map((r) => [r.first, r.last, r.value]) };
  }

  /** Called after each write with what it did; default none. */
  get onWrite(): ((event: WriteEvent) => void) | undefined {
    return this.core.onWrite;
  }

  set onWrite(hook: ((event: WriteEvent) => void) | undefined) {
    this.core.onWrite = hook;
  }

  /** Called inside each write, between its effects; default none. It must not write. */
  get onStep(): ((step: StepEvent) => void) | undefined {
    return this.core.onStep;
  }

  set onStep(hook: ((step: StepEvent) => void) | undefined) {
    this.core.onStep = hook;
  }

  /** Levels of nodes; 0 if the tree is empty or holds just one value at [0,0]. */
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
   * The value stored at `index`, `undefined` if none.
   *
   * @throws RangeError if `index` is not an integer in `0..maxIndex`. Cost: one node per level
   */
  get(index: number): V | undefined {
    checkIndex("get: index", index, this.core.maxIndex);
    return this.#table.visible(lookup(this.core, index));
  }

  /**
   * {@link get} of each index, in any order: `out[n]` becomes the value at `indices[n]`.
   *
   * @param out - longer than `indices` if one likes; what is behind stays. Default a new array
   * @throws RangeError if one of them is no index, with `out` unchanged
   */
  getMany(indices: ArrayLike<number>, out: (V | undefined)[] = []): (V | undefined)[] {
    checkIndices("getMany", indices, this.core.maxIndex);
    const core = this.core;
    const table = this.#table;
    for (let n = 0; n < indices.length; n++) out[n] = table.visible(lookup(core, indices[n]!));
    return out;
  }

  /** Is anything stored at `index`? */
  has(index: number): boolean {
    checkIndex("has: index", index, this.core.maxIndex);
    const entry = lookup(this.core, index);
    return entry !== 0 && entry !== ZERO_ENTRY;
  }

  /** The range that `index` lies in, stored or empty. */
  entryAt(index: number): ValueRange<V> {
    checkIndex("entryAt: index", index, this.core.maxIndex);
    return this.#valueRange(readRange(this.core, index));
  }

  /** Stores `value` at one index; as {@link setRange}. */
  set(index: number, value: V | undefined): V | undefined {
    return this.setRange(index, index, value);
  }

  /**
   * Stores `value` over every index in `[first, last]`, replacing what was there; `undefined` leaves a gap.
   *
   * @returns the value that was at `first`, `undefined` if it was a gap
   * @throws MapleError `EINVAL` if `last < first`; `ENOMEM` if the arena is full, with the tree unchanged
   */
  setRange(first: number, last: number, value: V | undefined): V | undefined {
    checkRange("setRange", first, last, this.core.maxIndex);
    return this.#store(first, last, value);
  }

  /** Stores `value` over `[first, last]` if nothing is stored in it. @throws MapleError `EEXIST` if anything is */
  insertRange(first: number, last: number, value: V | undefined): void {
    checkRange("insertRange", first, last, this.core.maxIndex);
    const used = writeIfEmpty(this.#writer, first, last, 0);
    if (used >= 0) {
      throw new MapleError("EEXIST", `insertRange: ${first}..${last} is not empty, index ${used} is in use`);
    }
    if (value !== undefined) this.#store(first, last, value);
  }

  /** Stores `value` at one index if nothing is stored there. @throws MapleError `EEXIST` if anything is */
  insert(index: number, value: V | undefined): void {
    this.insertRange(index, index, value);
  }

  /** Erases the whole range that `index` lies in. @returns the value that was there */
  delete(index: number): V | undefined {
    checkIndex("delete: index", index, this.core.maxIndex);
    return this.#table.value(eraseAt(this.#writer, index));
  }

  /** Erases everything. */
  clear(): void {
    clear(this.#writer);
    this.#table.sweep();
  }

  /** The first stored range at or behind `index` which begins by `max`. */
  find(index: number, max: number = this.core.maxIndex): StoredRange<V> | undefined {
    checkIndex("find: index", index, this.core.maxIndex);
    checkIndex("find: max", max, this.core.maxIndex);
    const range = findFrom(this.core, index, max);
    return range && this.#stored(range);
  }

  /** The last stored range at or before `index` which ends at `min` or later. */
  findBefore(index: number, min = 0): StoredRange<V> | undefined {
    checkIndex("findBefore: index", index, this.core.maxIndex);
    checkIndex("findBefore: min", min, this.core.maxIndex);
    const range = findUpTo(this.core, index, min);
    return range && this.#stored(range);
  }

  /**
   * The lowest first index of `size` free ones in `[min, max]`.
   *
   * @throws MapleError `EBUSY` if there is none; `EINVAL` if size is 0 or does not fit the window, or the tree
   * was made without gaps
   */
  findGap(request: GapRequest): number {
    return this.#findGap("findGap", request, false);
  }

  /** As {@link findGap}, but the highest. */
  findGapReverse(request: GapRequest): number {
    return this.#findGap("findGapReverse", request, true);
  }

  #findGap(call: string, request: GapRequest, fromTop: boolean): number {
    return findFree(this.core, call, request, fromTop);
  }

  /** Stores `value` over the lowest `size` free indices in `[min, max]`. @returns the first; throws as {@link findGap} */
  allocate(value: V, request: GapRequest): number {
    return this.#allocate("allocate", value, request, false);
  }

  /** As {@link allocate}, but the highest. */
  allocateReverse(value: V, request: GapRequest): number {
    return this.#allocate("allocateReverse", value, request, true);
  }

  #allocate(call: string, value: V, request: GapRequest, fromTop: boolean): number {
    if (value === undefined)
      throw new MapleError("EINVAL", `${call}: undefined would leave the indices free`);
    const first = this.#findGap(call, request, fromTop);
    this.#store(first, first + request.size - 1, value);
    return first;
  }

  /** Stores `value` at the first free index from `next` to `max`, or failing that from `min`. @throws MapleError `EBUSY`, `EINVAL` */
  allocateCyclic(value: V, request: CyclicRequest): CyclicAllocation {
    if (value === undefined) {
      throw new MapleError("EINVAL", "allocateCyclic: undefined would leave the index free");
    }
    return this.cursor().allocateCyclic(value, request);
  }

  /** A tree with the same ranges and values, copied node by node, in the same arena. @throws MapleError `ENOMEM` */
  clone(): MapleTree<V> {
    const { geometry, domain, gaps, rcu } = this.core;
    const copy = new MapleTree<V>({ geometry, domain, gaps, rcu, arena: this.arena });
    copyTree(this.core, copy.core);
    copy.#table.copyFrom(this.#table);
    return copy;
  }

  /** The contents of this moment, which no later write changes. Cost: O(ranges) */
  snapshot(): MapleSnapshot<V> {
    return new MapleSnapshot<V>({
      gaps: this.core.gaps,
      domain: this.core.domain,
      zero: ZERO as V,
      ranges: this.ranges(),
    });
  }

  /**
   * Begins a time-travel log: from now on any version of the tree can be had again, `history.at(version)`.
   *
   * @throws RangeError if an option is out of range, MapleError `ENOMEM`. Each write costs its record more
   */
  record(options: HistoryOptions = {}): TreeHistory<MapleTree<V>, V> {
    const table = this.#table;
    const recorded: Recorded<MapleTree<V>, V> = {
      clone: (tree) => tree.clone(),
      store: (tree, first, last, value) => void tree.setRange(first, last, value),
      clear: (tree) => tree.clear(),
      valueOf: (entry) => table.value(entry),
      listen: (hook) => listen(this.core, hook),
    };
    return new TreeHistory(this, recorded, options);
  }

  /** Largest run of free indices, from the gaps at the root. */
  largestGap(): number {
    return treeGap(this.core);
  }

  /** A cursor at `index`, not walked; `last` is the end of a store to come. */
  cursor(index = 0, last: number = index): LocalCursor<V> {
    const cursor = new MapleCursor(this.core, this.#writer, index, last);
    return new LocalCursor(cursor, this.#table);
  }

  /** The stored ranges that touch `[first, last]`, in order; the tree may be changed meanwhile. */
  entries(first = 0, last: number = this.core.maxIndex): IterableIterator<StoredRange<V>> {
    checkRange("entries", first, last, this.core.maxIndex);
    return rangesOf(this.core, first, last, false, (range) => this.#stored(range));
  }

  /** As {@link entries}, with the empty ranges (value `undefined`). */
  ranges(first = 0, last: number = this.core.maxIndex): IterableIterator<ValueRange<V>> {
    checkRange("ranges", first, last, this.core.maxIndex);
    return rangesOf(this.core, first, last, true, (range) => this.#valueRange(range));
  }

  /**
   * Calls `visit` for the stored ranges that touch `[first, last]`, in order, until it returns `false`. It may write to the tree: the scan goes on behind the range it was called for.
   *
   * @returns whether it came to the end. Cost: a few nanoseconds per range, nothing allocated
   */
  forEachRange(first: number, last: number, visit: ValueVisitor<V>): boolean {
    checkRange("forEachRange", first, last, this.core.maxIndex);
    const table = this.#table;
    return scan(this.core, first, last, (from, to, entry) => visit(from, to, table.value(entry) as V));
  }

  /**
   * A scan over the stored ranges that touch `[first, last]` which reads them in batches of at most `capacity`
   * (1..2^20) into arrays; what it costs beside a cursor is the row "W3 scan" of `pnpm bench:maple`. See {@link RangeScan}.
   */
  scan(first = 0, last: number = this.core.maxIndex, capacity?: number): ValueScan<V> {
    return new ValueScan(new RangeScan(this.core, first, last, capacity), this.#table);
  }

  /** The empty ranges that touch `[first, last]`, in order. */
  gaps(first = 0, last: number = this.core.maxIndex): IterableIterator<IndexRange> {
    checkRange("gaps", first, last, this.core.maxIndex);
    return gapsOf(this.core, first, last);
  }

  /** How {@link setRange} would carry out a store of a value, or with `undefined` of nothing, without doing it. */
  explain(first: number, last: number, value: V | undefined): Explanation {
    checkRange("explain", first, last, this.core.maxIndex);
    return explain(this.#writer, first, last, value === undefined ? 0 : 1);
  }

  /** All stored ranges. */
  [Symbol.iterator](): IterableIterator<StoredRange<V>> {
    return this.entries();
  }

  /** Lets go of values that are not stored any more. @returns how many values are stored. Cost: O(nodes) */
  sweepValues(): number {
    return this.#table.sweep();
  }

  /** Every violated invariant; empty if all is well. Cost: O(nodes). */
  validate(): Violation[] {
    return validate(this.core);
  }

  /** @throws Error listing what {@link validate} found, with the tree's dump */
  assertValid(): void {
    const violations = this.validate();
    if (violations.length === 0) return;
    const list = violations.map((v) => `${v.invariant} node ${v.node} slot ${v.slot}: ${v.message}`);
    throw new Error(`maple tree is not valid:\n${list.join("\n")}\n${this.dump()}`);
  }

  /** The tree as text, JSON, DOT or SVG; values are printed with `String`. */
  dump(options: DumpOptions = {}): string {
    return dump(this.core, { entry: (handle) => String(this.#table.value(handle)), ...options });
  }

  #store(first: number, last: number, value: V | undefined): V | undefined {
    const table = this.#table;
    const handle = value === undefined ? 0 : table.add(value);
    try {
      return table.value(write(this.#writer, first, last, handle));
    } catch (error) {
      if (handle !== 0) table.drop(handle);
      throw error;
    }
  }

  #stored(range: Range): StoredRange<V> {
    return this.#valueRange(range) as StoredRange<V>;
  }

  #valueRange({ first, last, entry }: Range): ValueRange<V> {
    return { first, last, value: this.#table.value(entry) };
  }
}
