/*
 * What a look-up and a store cost: ns per operation, against a sorted array of ranges with binary search, in the
 * same run. `--json` prints one JSON document instead of the table.
 *
 * The ranges are ten indices wide with gaps of ten between them, about what a process's mappings look like to a
 * page-fault handler. A look-up asks for a random index, half of which are in gaps. A store maps the middle of a
 * random gap and the next operation unmaps it, so the number of ranges stays what it is. The sorted array is
 * three typed arrays; a store moves what lies behind it. Each case takes the best of several rounds.
 */
import { Arena } from "@faultline/arena";
import { MapleTree, SharedMapleTree } from "@faultline/maple-tree";

const SIZES = [20, 1000, 50_000];
const LOOKUPS = 400_000;
const STORES = 20_000;
const ROUNDS = 7;

interface Map1 {
  load(index: number): number;
  store(first: number, last: number, entry: number): void;
  erase(first: number, last: number): void;
}

interface Row {
  readonly ranges: number;
  readonly operation: "look-up" | "store";
  readonly name: string;
  readonly ns: number;
  /** Time against the sorted array's in the same run. */
  readonly vsArray: number;
}

/** Ranges that do not overlap, in order, in typed arrays. */
class SortedArray implements Map1 {
  readonly #first: Float64Array;
  readonly #last: Float64Array;
  readonly #entry: Int32Array;
  #count = 0;

  constructor(capacity: number) {
    this.#first = new Float64Array(capacity);
    this.#last = new Float64Array(capacity);
    this.#entry = new Int32Array(capacity);
  }

  /** Number of the first range that does not end before `index`. */
  #at(index: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#last[middle]! < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  load(index: number): number {
    const at = this.#at(index);
    return at < this.#count && this.#first[at]! <= index ? this.#entry[at]! : 0;
  }

  store(first: number, last: number, entry: number): void {
    const at = this.#at(first);
    for (const array of [this.#first, this.#last, this.#entry]) array.copyWithin(at + 1, at, this.#count);
    this.#first[at] = first;
    this.#last[at] = last;
    this.#entry[at] = entry;
    this.#count++;
  }

  erase(first: number): void {
    const at = this.#at(first);
    for (const array of [this.#first, this.#last, this.#entry]) array.copyWithin(at, at + 1, this.#count);
    this.#count--;
  }
}

function shared(gaps: boolean): Map1 {
  const arena = Arena.create({ shared: true, bytesMax: 2 ** 28 });
  const tree = SharedMapleTree.create(arena, { gaps });
  return {
    load: (index) => tree.load(index),
    store: (first, last, entry) => tree.storeRange(first, last, entry),
    erase: (first, last) => tree.storeRange(first, last, 0),
  };
}

function local(): Map1 {
  const tree = new MapleTree<number>();
  return {
    load: (index) => tree.get(index) ?? 0,
    store: (first, last, entry) => tree.setRange(first, last, entry),
    erase: (first, last) => tree.setRange(first, last, undefined),
  };
}

const KINDS: readonly [name: string, make: (ranges: number) => Map1][] = [
  ["sorted array", (ranges) => new SortedArray(ranges + 1)],
  ["MapleTree, one thread", () => local()],
  ["SharedMapleTree, RCU", () => shared(false)],
  ["SharedMapleTree, RCU, gaps", () => shared(true)],
];

function bestNs(operations: number, run: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run();
    best = Math.min(best, ((performance.now() - start) * 1e6) / operations);
  }
  return best;
}

/** The same pseudo-random numbers below `below` for every kind. */
function numbers(count: number, below: number): Int32Array {
  let state = 42;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  });
}

let sink = 0;

function measure(map: Map1, ranges: number): { lookup: number; store: number } {
  for (let n = 0; n < ranges; n++) map.store(n * 20, n * 20 + 9, n + 1);
  const indices = numbers(LOOKUPS, ranges * 20);
  const lookup = bestNs(LOOKUPS, () => {
    for (let i = 0; i < LOOKUPS; i++) sink += map.load(indices[i]!);
  });
  const gaps = numbers(STORES / 2, ranges);
  const store = bestNs(STORES, () => {
    for (let i = 0; i < STORES / 2; i++) {
      const first = gaps[i]! * 20 + 13;
      map.store(first, first + 2, 7);
      map.erase(first, first + 2);
    }
  });
  return { lookup, store };
}

const rows: Row[] = [];
for (const ranges of SIZES) {
  const results = KINDS.map(([name, make]) => ({ name, ...measure(make(ranges), ranges) }));
  for (const operation of ["look-up", "store"] as const) {
    const ns = (r: (typeof results)[number]): number => (operation === "store" ? r.store : r.lookup);
    for (const r of results) {
      rows.push({ ranges, operation, name: r.name, ns: ns(r), vsArray: ns(r) / ns(results[0]!) });
    }
  }
}
if (sink === 0) throw new Error("nothing was found");

if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ bench: "maple-tree/lookup", node: process.version, rows }));
} else {
  console.log("ranges  operation  map                             ns   / sorted array");
  for (const { ranges, operation, name, ns, vsArray } of rows) {
    console.log(
      `${String(ranges).padStart(6)}  ${operation.padEnd(9)}  ${name.padEnd(27)}${ns.toFixed(1).padStart(8)}${vsArray.toFixed(2).padStart(14)}`,
    );
  }
}
