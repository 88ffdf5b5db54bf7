/*
 * Going over the stored ranges in batches that the caller reads out of typed arrays: no call, no box for a number and
 * no object for each range. What a batch may say while others write is told at the top of scan.ts.
 */
import type { TreeCore } from "../core.ts";
import { checkRange } from "../errors.ts";
import * as L from "../layout.ts";
import { LIST_ENTRY as ENTRY, LIST_FIRST as FIRST, LIST_LAST as LAST, LIST_MOST } from "../wasm/descent.ts";
import { listFrom, listWord, OWN_LIST } from "./scan.ts";
import { newPlace, nextLeaf, type Place, walkAlone } from "./walk.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { PIVOTS_F64, SLOTS } = L;
const [LIST_FIRST, LIST_LAST, LIST_ENTRY] = [FIRST, LAST, ENTRY] as const;

/** Ranges in a batch unless said otherwise; each takes 20 bytes. */
const CAPACITY = 256;
const CAPACITY_MAX = 2 ** 20;

/**
 * A scan over the stored ranges that touch `[first, last]`, in order, in batches of at most `capacity`:
 *
 *     while (scan.next() > 0) for (let i = 0; i < scan.count; i++) use(scan.first[i], scan.last[i], scan.entry[i]);
 *
 * It may be kept across writes and read sections, and used again by {@link reset}. A batch is not changed by later
 * writes; each of its ranges was stored at a moment of the call that has read it, and no index comes twice.
 */
export class RangeScan {
  /** First indices of the present batch. */
  readonly first: Float64Array;
  /** Last indices, inclusive. */
  readonly last: Float64Array;
  /** Entries. */
  readonly entry: Int32Array;
  /** Ranges in the present batch. */
  count = 0;
  readonly #core: TreeCore;
  readonly #place: Place = newPlace();
  #at = 0;
  #to = 0;
  /** Where the next range begins at the earliest. */
  #lowest = 0;

  /** Package-internal: use `tree.scan()`. */
  constructor(core: TreeCore, first: number, last: number, capacity: number = CAPACITY) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > CAPACITY_MAX) {
      throw new RangeError(
        `scan: capacity must be an integer in 1..${CAPACITY_MAX}, got ${String(capacity)}`,
      );
    }
    this.#core = core;
    this.first = new Float64Array(capacity);
    this.last = new Float64Array(capacity);
    this.entry = new Int32Array(capacity);
    this.reset(first, last);
  }

  /** Begins again, over `[first, last]`. @throws RangeError, MapleError `EINVAL` as `tree.scan()` */
  reset(first = 0, last: number = this.#core.maxIndex): void {
    checkRange("scan", first, last, this.#core.maxIndex);
    this.#at = first;
    this.#to = last;
    this.#lowest = 0;
    this.count = 0;
  }

  /**
   * Reads the next batch: all batches but the last are full. @returns the number of its ranges, 0 at the end.
   *
   * Locking: none; opens a read section per leaf where there are concurrent writers.
   */
  next(): number {
    this.count = 0;
    const capacity = this.entry.length;
    while (this.count < capacity && this.#at <= this.#to) {
      if (this.#core.concurrent) this.#readList();
      else this.#readAlone();
    }
    return this.count;
  }

  #readAlone(): void {
    const place = this.#place;
    const { i32, f64 } = this.#core.arena;
    const { first, last, entry } = this;
    const to = this.#to;
    walkAlone(this.#core, this.#at, place);
    let low = Math.max(place.first, this.#lowest);
    if (place.leaf === 0) {
      if (place.entry !== 0) this.#add(low, place.last, place.entry);
      return this.#goOn(place.last + 1);
    }
    const capacity = entry.length;
    let { count } = this;
    do {
      const pivots = (place.leaf >> 1) + PIVOTS_F64;
      const slots = place.leaf + SLOTS;
      const { end } = place;
      for (let slot = Math.max(place.slot, 0); slot <= end && count < capacity && low <= to; slot++) {
        const content = i32[slots + slot]!;
        const high = f64[pivots + slot]!;
        if (content !== 0) {
          first[count] = low;
          last[count] = high;
          entry[count] = content;
          count++;
        }
        low = high + 1;
      }
    } while (count < capacity && low <= to && nextLeaf(this.#core, place));
    this.count = count;
    this.#goOn(low);
  }

  /** List by list until the batch is full: of a leaf that does not fit the rest is read again by the next call. */
  #readList(): void {
    const core = this.#core;
    const place = this.#place;
    const { first, last, entry } = this;
    const to = this.#to;
    const word = listWord(core);
    const base = word >> 1;
    let { count } = this;
    let at = this.#at;
    while (count < entry.length && at <= to) {
      const found = listFrom(core, at, to, Math.min(entry.length - count, LIST_MOST), place);
      const { f64, i32 } = word === 0 ? OWN_LIST : core.arena;
      const most = Math.min(found, entry.length - count);
      for (let n = 0; n < most; n++) {
        first[count + n] = f64[base + LIST_FIRST + n]!;
        last[count + n] = f64[base + LIST_LAST + n]!;
        entry[count + n] = i32[word + LIST_ENTRY + n]!;
      }
      // After a write the leaf found may begin before where the scan has come to.
      if (most > 0) first[count] = Math.max(first[count]!, this.#lowest);
      count += most;
      at = most < found ? last[count - 1]! + 1 : f64[base]! + 1;
      this.#goOn(at);
    }
    while (count > 0 && first[count - 1]! > to) count--;
    this.count = count;
  }

  #add(first: number, last: number, entry: number): void {
    const n = this.count++;
    this.first[n] = first;
    this.last[n] = last;
    this.entry[n] = entry;
  }

  #goOn(at: number): void {
    this.#at = at;
    this.#lowest = at;
  }
}
