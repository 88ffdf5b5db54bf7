import { Arena } from "@faultline/arena";
import { MAX_INDEX, type MapleCursor, type RangeScan, SharedMapleTree } from "@faultline/maple-tree";
import type { Layout } from "../layout.ts";
import type { Contestant, RangeMap } from "../range-map.ts";

/** In WebAssembly memory, whose reads are one call, or in a plain buffer. */
const newArena = (wasm: boolean): Arena => Arena.create({ shared: true, bytesMax: 2 ** 30, wasm });

/** `SharedMapleTree` in RCU mode; every read has its read section, every write takes the lock. */
export class SharedRanges implements RangeMap {
  readonly tree: SharedMapleTree;
  readonly #cursor: MapleCursor;
  #found: Int32Array = new Int32Array(0);
  #window: RangeScan | undefined;

  constructor(tree: SharedMapleTree) {
    this.tree = tree;
    this.#cursor = tree.cursor();
  }

  insert(start: number, end: number, value: number): void {
    this.tree.storeRange(start, end - 1, value);
  }

  lookup(address: number): number {
    return this.tree.load(address);
  }

  lookupMany(addresses: Float64Array): number {
    if (this.#found.length < addresses.length) this.#found = new Int32Array(addresses.length);
    const entries = this.tree.loadMany(addresses, this.#found);
    let sum = 0;
    for (let n = 0; n < addresses.length; n++) sum = (sum + entries[n]) | 0;
    return sum;
  }

  sum(): number {
    const { rcu } = this.tree.arena;
    const cursor = this.tree.cursor();
    let sum = 0;
    rcu.readLock();
    for (;;) {
      const entry = cursor.find();
      if (entry === 0) break;
      sum += cursor.index + (cursor.last + 1) + entry;
    }
    rcu.readUnlock();
    return sum;
  }

  scan(): number {
    const scan = this.tree.scan();
    let sum = 0;
    while (scan.next() > 0) {
      const { first, last, entry, count } = scan;
      for (let i = 0; i < count; i++) sum += first[i] + (last[i] + 1) + entry[i];
    }
    return sum;
  }

  window(address: number, most: number): number {
    const scan = this.#windowOf(most);
    scan.reset(address);
    const count = scan.next();
    const { first, last, entry } = scan;
    let sum = 0;
    for (let i = 0; i < count; i++) sum += first[i] + (last[i] + 1) + entry[i];
    return sum;
  }

  /** A scan is kept for the next window. */
  #windowOf(most: number): RangeScan {
    if (this.#window?.first.length !== most) this.#window = this.tree.scan(0, MAX_INDEX, most);
    return this.#window;
  }

  overwrite(start: number, end: number, value: number): void {
    this.tree.storeRange(start, end - 1, value);
  }

  erase(start: number): void {
    this.tree.erase(start);
  }

  gapLow(low: number, high: number, size: number): number {
    if (high - low < size) return -1;
    const cursor = this.#cursor;
    cursor.reset();
    return this.tree.locked(() => cursor.emptyArea(low, high - 1, size)) === 0 ? cursor.index : -1;
  }

  gapHigh(low: number, high: number, size: number): number {
    if (high - low < size) return -1;
    const cursor = this.#cursor;
    cursor.reset();
    return this.tree.locked(() => cursor.emptyAreaRev(low, high - 1, size)) === 0 ? cursor.index : -1;
  }

  visit(fn: (start: number, end: number, value: number) => void): void {
    for (const { first, last, entry } of this.tree.entries()) fn(first, last + 1, entry);
  }
}

/** The contestant with its arena in WebAssembly memory or not. */
export function contestantOf(wasm: boolean): Contestant {
  return {
    make: (gaps) => new SharedRanges(SharedMapleTree.create(newArena(wasm), { gaps })),
    bulk: ({ n, start, end }: Layout) => {
      const ranges = Array.from({ length: n }, (_, i) => ({
        first: start[i],
        last: end[i] - 1,
        entry: i + 1,
      }));
      const arena = newArena(wasm);
      const before = performance.now();
      const tree = SharedMapleTree.fromSorted(arena, ranges);
      return { ms: performance.now() - before, map: new SharedRanges(tree) };
    },
  };
}
