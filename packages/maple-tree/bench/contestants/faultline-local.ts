import { type Geometry, type LocalCursor, MAX_INDEX, MapleTree, type ValueScan } from "@faultline/maple-tree";
import type { Layout } from "../layout.ts";
import type { Contestant, RangeMap } from "../range-map.ts";

/** `MapleTree`: one thread, number values. */
class LocalRanges implements RangeMap {
  readonly tree: MapleTree<number>;
  readonly #cursor: LocalCursor<number>;
  readonly #found: (number | undefined)[] = [];
  #window: ValueScan<number> | undefined;

  constructor(tree: MapleTree<number>) {
    this.tree = tree;
    this.#cursor = tree.cursor();
  }

  insert(start: number, end: number, value: number): void {
    this.tree.setRange(start, end - 1, value);
  }

  lookup(address: number): number {
    return this.tree.get(address) ?? 0;
  }

  lookupMany(addresses: Float64Array): number {
    const values = this.tree.getMany(addresses, this.#found);
    let sum = 0;
    for (let n = 0; n < addresses.length; n++) sum = (sum + (values[n] ?? 0)) | 0;
    return sum;
  }

  sum(): number {
    const cursor = this.tree.cursor();
    let sum = 0;
    for (;;) {
      const value = cursor.find();
      if (value === undefined) break;
      sum += cursor.index + (cursor.last + 1) + value;
    }
    return sum;
  }

  scan(): number {
    let sum = 0;
    this.tree.forEachRange(0, MAX_INDEX, (first, last, value) => {
      sum += first + (last + 1) + value;
    });
    return sum;
  }

  window(address: number, most: number): number {
    const scan = this.#windowOf(most);
    scan.reset(address);
    const count = scan.next();
    const { first, last, value } = scan;
    let sum = 0;
    for (let i = 0; i < count; i++) sum += first[i] + (last[i] + 1) + value[i];
    return sum;
  }

  /** A scan is kept for the next window. */
  #windowOf(most: number): ValueScan<number> {
    if (this.#window?.first.length !== most) this.#window = this.tree.scan(0, MAX_INDEX, most);
    return this.#window;
  }

  overwrite(start: number, end: number, value: number): void {
    this.tree.setRange(start, end - 1, value);
  }

  erase(start: number): void {
    this.tree.delete(start);
  }

  gapLow(low: number, high: number, size: number): number {
    if (high - low < size) return -1;
    const cursor = this.#cursor;
    cursor.reset();
    return cursor.emptyArea(low, high - 1, size) === 0 ? cursor.index : -1;
  }

  gapHigh(low: number, high: number, size: number): number {
    if (high - low < size) return -1;
    const cursor = this.#cursor;
    cursor.reset();
    return cursor.emptyAreaRev(low, high - 1, size) === 0 ? cursor.index : -1;
  }

  visit(fn: (start: number, end: number, value: number) => void): void {
    for (const { first, last, value } of this.tree) fn(first, last + 1, value);
  }
}

/** The contestant with the default geometry, or another. */
export function contestantOf(geometry?: Geometry): Contestant {
  const options = geometry === undefined ? {} : { geometry };
  return {
    make: (gaps) => new LocalRanges(new MapleTree<number>({ ...options, gaps })),
    bulk: ({ n, start, end }: Layout) => {
      const ranges = Array.from({ length: n }, (_, i) => ({
        first: start[i],
        last: end[i] - 1,
        value: i + 1,
      }));
      const before = performance.now();
      const tree = MapleTree.fromSorted(ranges, options);
      return { ms: performance.now() - before, map: new LocalRanges(tree) };
    },
  };
}
