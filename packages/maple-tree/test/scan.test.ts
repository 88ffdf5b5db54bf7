/* Going over ranges a leaf at a time visits what iterators visit, whatever the visitor does meanwhile. */
import { Arena } from "@faultline/arena";
import { MAX_INDEX, MapleTree, type Range, SharedMapleTree, ZERO, ZERO_ENTRY } from "@faultline/maple-tree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newSubject, type Scan, type Subject, sharedSubject, VARIANTS } from "./subjects.ts";

const WIDTH = 2000;
const index = fc.integer({ min: 0, max: WIDTH });
const store = fc.record({ first: index, size: fc.integer({ min: 1, max: 60 }), entry: fc.nat({ max: 9 }) });
const stores = fc.array(store, { maxLength: 150 });

type Store = { readonly first: number; readonly size: number; readonly entry: number };

function apply(subject: Subject, { first, size, entry }: Store): void {
  subject.store(first, first + size - 1, entry);
}

function visited(subject: Subject, first = 0, last = subject.core.maxIndex): Range[] {
  const found: Range[] = [];
  expect(subject.forEach(first, last, (range) => found.push(range))).toBe(true);
  return found;
}

/** In WebAssembly memory: a list made by one call for each leaf. */
function newWasmSubject(): Subject {
  const arena = Arena.create({ shared: true, wasm: true, bytes: 1 << 16, bytesMax: 1 << 24 });
  return sharedSubject(SharedMapleTree.create(arena));
}

const CASES: [name: string, make: () => Subject][] = [
  ...VARIANTS.map((v): [string, () => Subject] => [v.name, () => newSubject(v, false)]),
  ["SharedMapleTree in WebAssembly memory", newWasmSubject],
];

describe.each(CASES)("forEachRange (%s)", (_, make) => {
  it("visits the stored ranges that touch a window, in order", () => {
    fc.assert(
      fc.property(stores, index, index, (writes, a, b) => {
        const subject = make();
        for (const write of writes) apply(subject, write);
        expect(visited(subject)).toEqual(subject.entries());
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        expect(visited(subject, first, last)).toEqual(subject.entries(first, last));
        subject.arena.close();
      }),
      { numRuns: 40 },
    );
  });

  it("visits the entry of a tree without a node, and the last index", () => {
    const subject = make();
    expect(visited(subject)).toEqual([]);
    subject.store(0, 0, 7);
    expect(visited(subject)).toEqual([{ first: 0, last: 0, entry: 7 }]);
    expect(visited(subject, 1)).toEqual([]);
    subject.store(5, subject.core.maxIndex, 8);
    expect(visited(subject)).toEqual(subject.entries());
    expect(visited(subject, subject.core.maxIndex)).toEqual([
      { first: 5, last: subject.core.maxIndex, entry: 8 },
    ]);
    subject.arena.close();
  });

  it("ends when the visitor says so", () => {
    const subject = make();
    for (let n = 0; n < 200; n++) subject.store(n * 10, n * 10 + 5, n + 1);
    for (const most of [1, 27, 28, 29, 199]) {
      const found: Range[] = [];
      const ended = subject.forEach(0, subject.core.maxIndex, (range) => found.push(range) < most);
      expect([ended, found]).toEqual([false, subject.entries().slice(0, most)]);
    }
    subject.arena.close();
  });

  it("never visits an index twice and misses nothing that stays, whatever the visitor writes", () => {
    fc.assert(
      fc.property(stores, fc.array(store, { minLength: 1, maxLength: 40 }), (writes, more) => {
        const subject = make();
        for (const write of writes) apply(subject, write);
        const touched = new Set<number>();
        for (const { first, size } of more) for (let n = 0; n < size; n++) touched.add(first + n);
        const stays = [...Array(WIDTH + 60).keys()].filter((n) => !touched.has(n) && subject.load(n) !== 0);
        let next = 0;
        const seen = new Set<number>();
        subject.forEach(0, subject.core.maxIndex, ({ first, last }) => {
          expect(first).toBeGreaterThanOrEqual(next);
          expect(last).toBeGreaterThanOrEqual(first);
          for (let n = first; n <= last; n++) seen.add(n);
          next = last + 1;
          const write = more[seen.size % more.length]!;
          apply(subject, write);
        });
        expect(stays.filter((n) => !seen.has(n))).toEqual([]);
        expect(subject.validate()).toEqual([]);
        subject.arena.close();
      }),
      { numRuns: 30 },
    );
  });

  it("serves scans within a scan", () => {
    const subject = make();
    for (let n = 0; n < 100; n++) subject.store(n * 10, n * 10 + 5, n + 1);
    const found: Range[] = [];
    subject.forEach(0, subject.core.maxIndex, (range) => {
      found.push(range);
      expect(visited(subject, 300, 600)).toEqual(subject.entries(300, 600));
    });
    expect(found).toEqual(subject.entries());
    subject.arena.close();
  });
});

function scanned(scan: Scan): Range[] {
  const found: Range[] = [];
  for (let batch = scan.next(); batch.length > 0; batch = scan.next()) found.push(...batch);
  expect(scan.next()).toEqual([]);
  return found;
}

describe.each(CASES)("scan (%s)", (_, make) => {
  it("reads the stored ranges that touch a window in batches of any size, and can begin again", () => {
    const capacity = fc.constantFrom(1, 2, 27, 28, 29, 100, undefined);
    fc.assert(
      fc.property(stores, index, index, capacity, (writes, a, b, most) => {
        const subject = make();
        for (const write of writes) apply(subject, write);
        const scan = subject.scan(0, subject.core.maxIndex, most);
        expect(scanned(scan)).toEqual(subject.entries());
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        scan.reset(first, last);
        expect(scanned(scan)).toEqual(subject.entries(first, last));
        expect(scanned(subject.scan(first, last, most))).toEqual(subject.entries(first, last));
        scan.reset(first);
        expect(scanned(scan)).toEqual(subject.entries(first));
        subject.arena.close();
      }),
      { numRuns: 40 },
    );
  });

  it("reads the entry of a tree without a node, and the last index", () => {
    const subject = make();
    expect(subject.scan().next()).toEqual([]);
    subject.store(0, 0, 7);
    expect(scanned(subject.scan())).toEqual([{ first: 0, last: 0, entry: 7 }]);
    subject.store(5, subject.core.maxIndex, 8);
    expect(scanned(subject.scan())).toEqual(subject.entries());
    expect(scanned(subject.scan(subject.core.maxIndex))).toEqual([
      { first: 5, last: subject.core.maxIndex, entry: 8 },
    ]);
    subject.arena.close();
  });

  it("gives no index twice and misses nothing that stays, whatever is written between two batches", () => {
    const some = fc.array(store, { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(stores, some, fc.integer({ min: 1, max: 40 }), (writes, more, most) => {
        const subject = make();
        for (const write of writes) apply(subject, write);
        const touched = new Set<number>();
        for (const { first, size } of more) for (let n = 0; n < size; n++) touched.add(first + n);
        const stays = [...Array(WIDTH + 60).keys()].filter((n) => !touched.has(n) && subject.load(n) !== 0);
        const scan = subject.scan(0, subject.core.maxIndex, most);
        const seen = new Set<number>();
        let next = 0;
        for (let batch = scan.next(), turn = 0; batch.length > 0; batch = scan.next(), turn++) {
          for (const { first, last } of batch) {
            expect(first).toBeGreaterThanOrEqual(next);
            expect(last).toBeGreaterThanOrEqual(first);
            for (let n = first; n <= last; n++) seen.add(n);
            next = last + 1;
          }
          apply(subject, more[turn % more.length]!);
        }
        expect(stays.filter((n) => !seen.has(n))).toEqual([]);
        subject.arena.close();
      }),
      { numRuns: 30 },
    );
  });

  it("cuts a range that a write has drawn over the border between two batches", () => {
    const subject = make();
    for (let n = 0; n < 100; n++) subject.store(n * 10, n * 10 + 5, n + 1);
    const scan = subject.scan(0, subject.core.maxIndex, 10);
    expect(scan.next().at(-1)).toEqual({ first: 90, last: 95, entry: 10 });
    subject.store(80, 200, 7);
    expect(scan.next()[0]).toEqual({ first: 96, last: 200, entry: 7 });
    subject.arena.close();
  });

  it("fills all batches but the last", () => {
    const subject = make();
    for (let n = 0; n < 3000; n++) subject.store(n * 10, n * 10 + 5, n + 1);
    const scan = subject.scan(0, subject.core.maxIndex, 700);
    expect([...Array(6)].map(() => scan.next().length)).toEqual([700, 700, 700, 700, 200, 0]);
    subject.arena.close();
  });

  it("refuses a window that ends before it begins, and a capacity out of range", () => {
    const subject = make();
    for (const capacity of [0, -1, 1.5, 2 ** 20 + 1]) {
      expect(() => subject.scan(0, 10, capacity)).toThrow(RangeError);
    }
    expect(() => subject.scan(10, 9)).toThrow("last 9 is below first 10");
    expect(() => subject.scan().reset(-1)).toThrow(RangeError);
    subject.arena.close();
  });
});

describe.each(CASES)("look-ups in one call (%s)", (_, make) => {
  it("find what single ones find", () => {
    fc.assert(
      fc.property(stores, fc.array(index), (writes, indices) => {
        const subject = make();
        for (const write of writes) apply(subject, write);
        const all = [...indices, 0, subject.core.maxIndex];
        expect(subject.loadMany(all)).toEqual(all.map((n) => subject.load(n)));
        expect(subject.loadMany(Float64Array.from(all))).toEqual(subject.loadMany(all));
        subject.arena.close();
      }),
      { numRuns: 40 },
    );
  });

  it("refuse them all if one is no index, and name it", () => {
    const subject = make();
    for (const wrong of [-1, 0.5, MAX_INDEX + 1, Number.NaN]) {
      expect(() => subject.loadMany([1, wrong, 2])).toThrow(/indices\[1\] must be an integer/);
    }
    subject.arena.close();
  });
});

it("looks up into an array that it is given, which must be long enough; a reserved index holds nothing", () => {
  const arena = Arena.create({ bytes: 1 << 16, bytesMax: 1 << 20 });
  const tree = SharedMapleTree.create(arena);
  tree.storeRange(3, 5, 9);
  tree.storeRange(6, 8, ZERO_ENTRY);
  const out = Int32Array.of(7, 7, 7, 7);
  expect(() => tree.loadMany([1, 2, 3, 4, 5], out)).toThrow(/room for 5 entries, got 4/);
  expect(() => tree.loadMany([3, -1], out)).toThrow(RangeError);
  expect([...out]).toEqual([7, 7, 7, 7]);
  expect(tree.loadMany([4, 7, 2], out)).toBe(out);
  expect([...out]).toEqual([9, 0, 0, 7]);
  const local = new MapleTree<string | typeof ZERO>();
  local.setRange(3, 5, "nine");
  local.setRange(6, 8, ZERO);
  const values: (string | typeof ZERO | undefined)[] = ["a", "b", "c", "d"];
  expect(local.getMany([4, 7, 2], values)).toEqual(["nine", undefined, undefined, "d"]);
  arena.close();
});

it("is not led astray by a cursor's list in WebAssembly memory", () => {
  const arena = Arena.create({ shared: true, wasm: true, bytes: 1 << 16, bytesMax: 1 << 24 });
  const tree = SharedMapleTree.create(arena);
  for (let n = 0; n < 100; n++) tree.storeRange(n * 10, n * 10 + 5, n + 1);
  const cursor = tree.cursor(500);
  const found: number[] = [];
  tree.forEachRange(0, MAX_INDEX, (_first, _last, entry) => {
    found.push(entry);
    cursor.find();
  });
  expect(found).toEqual([...tree.entries()].map(({ entry }) => entry));
  arena.close();
});
