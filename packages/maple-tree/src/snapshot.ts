/*
 * A tree's contents at one moment, for ever.
 *
 * It is a copy: two flat arrays, made under the lock. Keeping the old nodes alive instead, by holding a grace
 * period open, would not do. A write replaces one leaf and stores one slot of its parent, which stays the same
 * node; whoever kept the old root would walk into new leaves. And nothing could be freed meanwhile.
 */
import { checkIndex, checkRange } from "./errors.ts";
import { type IndexDomain, MAX_INDEX, MAX_INDEX_U32 } from "./geometry.ts";
import type { IndexRange } from "./search/ranges.ts";
import { jsonHead, type TreeJSON } from "./tree-json.ts";
import type { StoredRange, ValueRange } from "./values/value-range.ts";

/** What a snapshot is made of: ranges that tile all indices, in order. */
export interface SnapshotSource<V> {
  readonly gaps: boolean;
  readonly domain: IndexDomain;
  /** Value of "reserved, but empty", which {@link MapleSnapshot.get} does not show. */
  readonly zero: V;
  readonly ranges: Iterable<ValueRange<V>>;
}

/** An immutable ordered map from ranges to values; made by `snapshot()`. Lookups cost O(log ranges). */
export class MapleSnapshot<V> {
  /** Number of stored ranges. */
  readonly size: number;
  /** Largest index there is, as of the tree. */
  readonly maxIndex: number;
  readonly #lasts: Float64Array;
  readonly #values: readonly (V | undefined)[];
  readonly #gaps: boolean;
  readonly #domain: IndexDomain;
  readonly #zero: V;

  /** Package-internal: use `snapshot()` of a tree. */
  constructor({ gaps, domain, zero, ranges }: SnapshotSource<V>) {
    const lasts: number[] = [];
    const values: (V | undefined)[] = [];
    for (const { last, value } of ranges) {
      lasts.push(last);
      values.push(value);
    }
    this.#lasts = Float64Array.from(lasts);
    this.#values = values;
    this.#gaps = gaps;
    this.#domain = domain;
    this.maxIndex = domain === "u32" ? MAX_INDEX_U32 : MAX_INDEX;
    this.#zero = zero;
    this.size = values.reduce((count: number, value) => count + (value === undefined ? 0 : 1), 0);
  }

  /** Was nothing stored? */
  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** The value that was stored at `index`, `undefined` if none. @throws RangeError if `index` is no index */
  get(index: number): V | undefined {
    checkIndex("get: index", index, this.maxIndex);
    const value = this.#values[this.#find(index)];
    return value === this.#zero ? undefined : value;
  }

  /** The range that `index` lay in, stored or empty. */
  entryAt(index: number): ValueRange<V> {
    checkIndex("entryAt: index", index, this.maxIndex);
    return this.#range(this.#find(index));
  }

  /** The stored ranges that touched `[first, last]`, in order. */
  *entries(first = 0, last: number = this.maxIndex): IterableIterator<StoredRange<V>> {
    for (const range of this.ranges(first, last)) {
      if (range.value !== undefined) yield range as StoredRange<V>;
    }
  }

  /** As {@link entries}, with the empty ranges (value `undefined`). */
  *ranges(first = 0, last: number = this.maxIndex): IterableIterator<ValueRange<V>> {
    checkRange("ranges", first, last, this.maxIndex);
    const end = this.#find(last);
    for (let at = this.#find(first); at <= end; at++) yield this.#range(at);
  }

  /** The empty ranges that touched `[first, last]`, in order. */
  *gaps(first = 0, last: number = this.maxIndex): IterableIterator<IndexRange> {
    for (const range of this.ranges(first, last)) {
      if (range.value === undefined) yield { first: range.first, last: range.last };
    }
  }

  /** All stored ranges. */
  [Symbol.iterator](): IterableIterator<StoredRange<V>> {
    return this.entries();
  }

  /** As `toJSON()` of the tree would have been. */
  toJSON(): TreeJSON<V> {
    return {
      ...jsonHead({ gaps: this.#gaps, domain: this.#domain }),
      ranges: [...this.entries()].map((r) => [r.first, r.last, r.value]),
    };
  }

  /** Throws an `Error` if the ranges do not tile all indices. */
  validate(): void {
    const lasts = this.#lasts;
    if (lasts.length !== this.#values.length) throw new Error("MapleSnapshot: as many values as ranges");
    if (lasts.at(-1) !== this.maxIndex)
      throw new Error(`MapleSnapshot: the last range ends at ${lasts.at(-1)}`);
    for (let at = 1; at < lasts.length; at++) {
      const [before, last] = [lasts[at - 1]!, lasts[at]!];
      if (before >= last) throw new Error(`MapleSnapshot: range ${at} ends at ${last}, after ${before}`);
    }
  }

  #range(at: number): ValueRange<V> {
    const first = at === 0 ? 0 : this.#lasts[at - 1]! + 1;
    return { first, last: this.#lasts[at]!, value: this.#values[at] };
  }

  /** The range that ends at `index` or is the first to end behind it. */
  #find(index: number): number {
    const lasts = this.#lasts;
    let low = 0;
    for (let high = lasts.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (lasts[middle]! < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
