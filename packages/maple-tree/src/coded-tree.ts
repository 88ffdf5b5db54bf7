/*
 * Typed values in a shared tree: a codec turns them into the 30-bit handles that the words hold, and back. What
 * a handle means is the codec's business: an index into a table that every agent has, the word of an object in
 * the same arena, a number and some flags.
 */

import { MapleError } from "./errors.ts";
import { MAX_ENTRY, ZERO_ENTRY } from "./geometry.ts";
import type { CyclicAllocation, CyclicRequest, GapRequest } from "./search/allocate.ts";
import type { IndexRange, Range } from "./search/ranges.ts";
import type { StoredRange, ValueRange } from "./values/value-range.ts";
import { ZERO } from "./values/value-table.ts";

/** Turns values into entries and back; the same in every agent. */
export interface ValueCodec<V> {
  /** An integer in `1..MAX_ENTRY`, the same for equal values. */
  encode(value: V): number;
  /** The value that an entry stands for. Reads run it in their read section: what the entry refers to is not reused yet. */
  decode(entry: number): V;
}

/**
 * A codec for values out of a fixed list.
 *
 * @param values - different from each other by `Object.is`; in the same order in every agent
 * @throws MapleError `EINVAL` for a value twice; `encode` for one that is not in the list
 */
export function enumCodec<V>(values: readonly V[]): ValueCodec<V> {
  const entries = new Map<V, number>();
  for (const [at, value] of values.entries()) {
    if (entries.has(value)) throw new MapleError("EINVAL", `enumCodec: ${String(value)} is there twice`);
    entries.set(value, at + 1);
  }
  return {
    encode(value) {
      const entry = entries.get(value);
      if (entry === undefined)
        throw new MapleError("EINVAL", `enumCodec: ${String(value)} is no value of it`);
      return entry;
    },
    decode: (entry) => values[entry - 1] as V,
  };
}

/** A tree of entries, as far as a view on it asks; `SharedMapleTree` is one. */
export interface EntryTree {
  /** The largest index. */
  readonly maxIndex: number;
  load(index: number): number;
  entryAt(index: number): Range;
  storeRange(first: number, last: number, entry: number): number;
  insertRange(first: number, last: number, entry: number): void;
  erase(index: number): number;
  clear(): void;
  find(index: number, max?: number): Range | undefined;
  findBefore(index: number, min?: number): Range | undefined;
  allocate(entry: number, request: GapRequest): number;
  allocateReverse(entry: number, request: GapRequest): number;
  allocateCyclic(entry: number, request: CyclicRequest): CyclicAllocation;
  entries(first?: number, last?: number): IterableIterator<Range>;
  ranges(first?: number, last?: number): IterableIterator<Range>;
  gaps(first?: number, last?: number): IterableIterator<IndexRange>;
  /** Runs `fn` in a read section. */
  reading<T>(fn: () => T): T;
}

/**
 * A shared tree seen through a codec, with the calls of `MapleTree`. Agents with the same codec see the same
 * values; locking, cost and errors are those of the tree.
 */
export class CodedMapleTree<V, T extends EntryTree = EntryTree> {
  /** The tree that holds the entries. */
  readonly tree: T;
  readonly #codec: ValueCodec<V>;

  /** Package-internal: use `SharedMapleTree.coded()`. */
  constructor(tree: T, codec: ValueCodec<V>) {
    this.tree = tree;
    this.#codec = codec;
  }

  /** Largest index there is. */
  get maxIndex(): number {
    return this.tree.maxIndex;
  }

  /** The value stored at `index`, `undefined` if none. */
  get(index: number): V | undefined {
    return this.tree.reading(() => this.#decode(this.tree.load(index)));
  }

  /** Is anything stored at `index`? */
  has(index: number): boolean {
    return this.tree.load(index) !== 0;
  }

  /** The range that `index` lies in, stored or empty. */
  entryAt(index: number): ValueRange<V> {
    return this.tree.reading(() => this.#range(this.tree.entryAt(index)));
  }

  /** Stores `value` at one index; as {@link setRange}. */
  set(index: number, value: V | undefined): V | undefined {
    return this.setRange(index, index, value);
  }

  /** Stores `value` over `[first, last]`, `undefined` to leave a gap. @returns the value that was at `first` */
  setRange(first: number, last: number, value: V | undefined): V | undefined {
    const entry = this.#encode("setRange", value);
    // In no read section, which would hold up the reclaim that the write may need. What the old entry refers to
    // is this writer's to free.
    return this.#decode(this.tree.storeRange(first, last, entry));
  }

  /** Stores `value` over `[first, last]` if nothing is stored in it. @throws MapleError `EEXIST` if anything is */
  insertRange(first: number, last: number, value: V | undefined): void {
    this.tree.insertRange(first, last, this.#encode("insertRange", value));
  }

  /** Erases the whole range that `index` lies in. @returns the value that was there */
  delete(index: number): V | undefined {
    return this.#decode(this.tree.erase(index));
  }

  /** Erases everything. */
  clear(): void {
    this.tree.clear();
  }

  /** The first stored range at or behind `index` which begins by `max`. */
  find(index: number, max: number = this.tree.maxIndex): StoredRange<V> | undefined {
    return this.tree.reading(() => this.#stored(this.tree.find(index, max)));
  }

  /** The last stored range at or before `index` which ends at `min` or later. */
  findBefore(index: number, min = 0): StoredRange<V> | undefined {
    return this.tree.reading(() => this.#stored(this.tree.findBefore(index, min)));
  }

  /** Stores `value` over the lowest free indices of a request. @returns the first of them */
  allocate(value: V, request: GapRequest): number {
    return this.tree.allocate(this.#encode("allocate", value), request);
  }

  /** As {@link allocate}, but the highest. */
  allocateReverse(value: V, request: GapRequest): number {
    return this.tree.allocateReverse(this.#encode("allocateReverse", value), request);
  }

  /** Stores `value` at the first free index from `next` on, or from `min`. */
  allocateCyclic(value: V, request: CyclicRequest): CyclicAllocation {
    return this.tree.allocateCyclic(this.#encode("allocateCyclic", value), request);
  }

  /** The stored ranges that touch `[first, last]`, in order; not a snapshot. */
  *entries(first = 0, last: number = this.tree.maxIndex): IterableIterator<StoredRange<V>> {
    for (const range of this.tree.entries(first, last)) yield this.#stored(range) as StoredRange<V>;
  }

  /** As {@link entries}, with the empty ranges (value `undefined`). */
  *ranges(first = 0, last: number = this.tree.maxIndex): IterableIterator<ValueRange<V>> {
    for (const range of this.tree.ranges(first, last)) yield this.#range(range);
  }

  /** The empty ranges that touch `[first, last]`, in order. */
  gaps(first = 0, last: number = this.tree.maxIndex): IterableIterator<IndexRange> {
    return this.tree.gaps(first, last);
  }

  /** All stored ranges. */
  [Symbol.iterator](): IterableIterator<StoredRange<V>> {
    return this.entries();
  }

  #encode(call: string, value: V | undefined): number {
    if (value === undefined) return 0;
    if (value === (ZERO as V)) return ZERO_ENTRY;
    const entry = this.#codec.encode(value);
    if (Number.isInteger(entry) && entry >= 1 && entry <= MAX_ENTRY) return entry;
    throw new RangeError(
      `${call}: the codec gave ${String(entry)}, an entry is an integer in 1..${MAX_ENTRY}`,
    );
  }

  #decode(entry: number): V | undefined {
    if (entry === 0) return undefined;
    return entry === ZERO_ENTRY ? (ZERO as V) : this.#codec.decode(entry);
  }

  #stored(range: Range | undefined): StoredRange<V> | undefined {
    return range && (this.#range(range) as StoredRange<V>);
  }

  #range({ first, last, entry }: Range): ValueRange<V> {
    return { first, last, value: this.#decode(entry) };
  }
}
