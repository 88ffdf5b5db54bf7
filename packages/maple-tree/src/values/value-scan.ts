import type { RangeScan } from "../search/range-scan.ts";
import type { ValueTable } from "./value-table.ts";

/** A {@link RangeScan} of a `MapleTree`, with the values of the ranges. */
export class ValueScan<V> {
  /** First indices of the present batch. */
  readonly first: Float64Array;
  /** Last indices, inclusive. */
  readonly last: Float64Array;
  /** Values; those behind `count` are of earlier batches. */
  readonly value: V[] = [];
  /** Ranges in the present batch. */
  count = 0;
  readonly #scan: RangeScan;
  readonly #table: ValueTable<V>;

  /** Package-internal: use `tree.scan()`. */
  constructor(scan: RangeScan, table: ValueTable<V>) {
    this.first = scan.first;
    this.last = scan.last;
    this.#scan = scan;
    this.#table = table;
  }

  /** Begins again, over `[first, last]`. @throws RangeError, MapleError `EINVAL` as `tree.scan()` */
  reset(first?: number, last?: number): void {
    this.#scan.reset(first, last);
    this.count = 0;
  }

  /** Reads the next batch. @returns the number of its ranges, 0 at the end */
  next(): number {
    const count = this.#scan.next();
    const { entry } = this.#scan;
    const value = this.value;
    const table = this.#table;
    for (let n = 0; n < count; n++) value[n] = table.value(entry[n]!) as V;
    this.count = count;
    return count;
  }
}
