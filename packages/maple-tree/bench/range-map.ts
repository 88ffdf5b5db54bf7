/*
 * What a contestant does, and what its users would write where a library is just an ordered map: the floor of an
 * address, splitting and trimming for an overwrite, a scan for a gap. Each runs in a process of its own, so
 * these calls have one target each and are inlined.
 */
import type { Layout } from "./layout.ts";

/** A range as a user of an ordered map would hold it: [start, end) in bytes. Ends move when it is trimmed. */
export interface Held {
  start: number;
  end: number;
  readonly value: number;
}

/** A map from ranges that do not overlap to numbers. */
export interface RangeMap {
  /** Nothing is there yet. */
  insert(start: number, end: number, value: number): void;
  /** 0 if nothing is there. */
  lookup(address: number): number;
  /** The sum of look-ups, as an int32, by a call for many of them, if the library has one. */
  lookupMany?(addresses: Float64Array): number;
  /** The sum of start + end + value over all ranges, in order. */
  sum(): number;
  /** The same sum by another way that the library has for it, if that is faster than its cursor or iterator. */
  scan?(): number;
  /** The same sum over the first `most` ranges that end behind `address`. */
  window(address: number, most: number): number;
  /** Stores over whatever is there. */
  overwrite(start: number, end: number, value: number): void;
  /** Removes the range that begins at `start`. */
  erase(start: number): void;
  /** Lowest start of `size` free bytes in `[low, high)`, -1 if none. */
  gapLow(low: number, high: number, size: number): number;
  /** Highest start of `size` free bytes in `[low, high)`, -1 if none. */
  gapHigh(low: number, high: number, size: number): number;
  /** Every range, in order. */
  visit(fn: (start: number, end: number, value: number) => void): void;
}

/** A library, or ours in one of its modes. */
export interface Contestant {
  /** An empty map; `gaps` if gaps will be searched. */
  make(gaps: boolean): RangeMap;
  /** A map of a layout by the library's own bulk load, if it has one. @returns the time in ms, and the map */
  bulk?(layout: Layout): { ms: number; map: RangeMap };
  /** Runs changes together, where a library pays per transaction. */
  batch?(map: RangeMap, fn: () => void): void;
  /** So many ranges can be inserted in random order at most; more are inserted in theirs. */
  readonly mostShuffled?: number;
  /** Workloads it does not take part in, or only up to a number of ranges. */
  readonly most?: Readonly<Record<string, number>>;
  /** Look-ups, where a million would take too long. */
  readonly lookups?: number;
}

/**
 * A range map over an ordered map whose keys are starts. `scanUp` visits ranges from the first whose start is not
 * below `from`, `scanDown` from the last whose start is not above, until the visitor returns false.
 */
export abstract class OrderedRanges implements RangeMap {
  abstract floor(address: number): Held | undefined;
  abstract put(range: Held): void;
  abstract remove(start: number): void;
  abstract scanUp(from: number, visitor: (range: Held) => boolean): void;
  abstract scanDown(from: number, visitor: (range: Held) => boolean): void;
  abstract sum(): number;

  insert(start: number, end: number, value: number): void {
    this.put({ start, end, value });
  }

  lookup(address: number): number {
    const range = this.floor(address);
    return range !== undefined && range.end > address ? range.value : 0;
  }

  window(address: number, most: number): number {
    let sum = 0;
    let left = most;
    const under = this.floor(address);
    if (under !== undefined && under.end > address) {
      sum += under.start + under.end + under.value;
      left--;
    }
    this.scanUp(address + 1, (range) => {
      sum += range.start + range.end + range.value;
      return --left > 0;
    });
    return sum;
  }

  overwrite(start: number, end: number, value: number): void {
    const under = this.floor(start);
    if (under !== undefined && under.start < start && under.end > start) {
      if (under.end > end) this.put({ start: end, end: under.end, value: under.value });
      under.end = start;
    }
    const covered: Held[] = [];
    this.scanUp(start, (range) => {
      if (range.start >= end) return false;
      covered.push(range);
      return true;
    });
    for (const range of covered) {
      this.remove(range.start);
      if (range.end > end) this.put({ start: end, end: range.end, value: range.value });
    }
    this.put({ start, end, value });
  }

  erase(start: number): void {
    this.remove(start);
  }

  gapLow(low: number, high: number, size: number): number {
    const under = this.floor(low);
    let at = under !== undefined && under.end > low ? under.end : low;
    this.scanUp(low + 1, (range) => {
      if (range.start - at >= size || at + size > high) return false;
      at = range.end;
      return true;
    });
    return at + size <= high ? at : -1;
  }

  gapHigh(low: number, high: number, size: number): number {
    let at = high;
    this.scanDown(high - 1, (range) => {
      if (at - Math.max(range.end, low) >= size || at - size < low) return false;
      if (range.start < at) at = range.start;
      return true;
    });
    return at - size >= low ? at - size : -1;
  }

  visit(fn: (start: number, end: number, value: number) => void): void {
    this.scanUp(0, ({ start, end, value }) => {
      fn(start, end, value);
      return true;
    });
  }
}

/** A range map over an index of intervals, which finds what overlaps [first, last], both inclusive, in order. */
export abstract class OverlapRanges implements RangeMap {
  abstract overlapping(first: number, last: number): Held[];
  abstract put(range: Held): void;
  abstract take(range: Held): void;
  abstract sum(): number;

  insert(start: number, end: number, value: number): void {
    this.put({ start, end, value });
  }

  lookup(address: number): number {
    const found = this.overlapping(address, address);
    return found.length === 0 ? 0 : found[0].value;
  }

  window(address: number, most: number): number {
    // A range and its gap take about 48 pages. Where that is not enough, look again further.
    let found: Held[] = [];
    for (let width = most * 64 * 4096; found.length < most && width < 2 ** 45; width *= 2) {
      found = this.overlapping(address, address + width);
    }
    let sum = 0;
    for (let i = 0; i < found.length && i < most; i++) {
      sum += found[i].start + found[i].end + found[i].value;
    }
    return sum;
  }

  overwrite(start: number, end: number, value: number): void {
    for (const range of this.overlapping(start, end - 1)) {
      this.take(range);
      if (range.start < start) this.put({ start: range.start, end: start, value: range.value });
      if (range.end > end) this.put({ start: end, end: range.end, value: range.value });
    }
    this.put({ start, end, value });
  }

  erase(start: number): void {
    const [range] = this.overlapping(start, start);
    if (range !== undefined) this.take(range);
  }

  gapLow(low: number, high: number, size: number): number {
    let at = low;
    for (let width = Math.max(4 * size, 2 ** 20); at + size <= high; width *= 2) {
      const last = Math.min(high, low + width);
      for (const range of this.overlapping(at, last - 1)) {
        if (range.start - at >= size) return at;
        at = range.end;
      }
      if (last - at >= size) return at;
      if (last === high) return -1;
    }
    return -1;
  }

  gapHigh(low: number, high: number, size: number): number {
    let at = high;
    for (let width = Math.max(4 * size, 2 ** 20); at - size >= low; width *= 2) {
      const first = Math.max(low, high - width);
      const found = this.overlapping(first, at - 1);
      for (let i = found.length - 1; i >= 0; i--) {
        if (at - found[i].end >= size) return at - size;
        at = found[i].start;
      }
      if (at - first >= size) return at - size;
      if (first === low) return -1;
    }
    return -1;
  }

  visit(fn: (start: number, end: number, value: number) => void): void {
    for (const { start, end, value } of this.overlapping(0, 2 ** 52)) fn(start, end, value);
  }
}
