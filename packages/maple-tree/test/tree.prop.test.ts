import { MAX_INDEX, MapleError } from "@faultline/maple-tree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NaiveModel } from "./naive-model.ts";
import { newSubject, type Subject, VARIANTS } from "./subjects.ts";

type Operation =
  | readonly ["store" | "insert", first: number, last: number, entry: number]
  | readonly ["erase" | "at" | "walk", index: number]
  | readonly ["find" | "findBefore" | "window", index: number, limit: number]
  | readonly ["gap", min: number, max: number, size: number]
  | readonly ["clear"];

/*
 * Programs are made for the indices of 53 bits and brought into those of 32: what lies near the end of the one then
 * lies near the end of the other, and what is between them stays in order.
 */
function inDomain(op: Operation, max: number): Operation {
  if (max === MAX_INDEX) return op;
  const moved = (index: number): number =>
    index > MAX_INDEX - 100 ? max - (MAX_INDEX - index) : Math.min(index, max - 100);
  switch (op[0]) {
    case "store":
    case "insert":
      return [op[0], moved(op[1]), moved(op[2]), op[3]];
    case "find":
    case "findBefore":
    case "window":
      return [op[0], moved(op[1]), moved(op[2])];
    case "gap":
      return [op[0], moved(op[1]), moved(op[2]), op[3]];
    case "clear":
      return op;
    default:
      return [op[0], moved(op[1])];
  }
}

// Crowded at the bottom, sparse further up, and at the very top.
const index = fc.oneof(
  { weight: 5, arbitrary: fc.nat(250) },
  { weight: 3, arbitrary: fc.nat(5000) },
  { weight: 1, arbitrary: fc.nat(60).map((n) => MAX_INDEX - n) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, MAX_INDEX) },
);
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat(12) },
  { weight: 2, arbitrary: fc.nat(400) },
  { weight: 1, arbitrary: fc.constant(MAX_INDEX) },
);
const range = fc
  .tuple(index, length)
  .map(([first, more]) => [first, first > MAX_INDEX - more ? MAX_INDEX : first + more] as const);
const ordered = fc.tuple(index, index).map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)));
const entry = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 9 }) },
  { weight: 2, arbitrary: fc.constant(0) },
);

const write: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(range, entry).map(([[a, b], e]) => ["store", a, b, e] as const) },
  { weight: 3, arbitrary: fc.tuple(range, entry).map(([[a, b], e]) => ["insert", a, b, e] as const) },
  { weight: 3, arbitrary: index.map((i) => ["erase", i] as const) },
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 28, arbitrary: write },
  { weight: 2, arbitrary: index.map((i) => ["at", i] as const) },
  { weight: 1, arbitrary: index.map((i) => ["walk", i] as const) },
  { weight: 2, arbitrary: ordered.map(([a, b]) => ["find", a, b] as const) },
  { weight: 2, arbitrary: ordered.map(([a, b]) => ["findBefore", b, a] as const) },
  { weight: 2, arbitrary: ordered.map(([a, b]) => ["window", a, b] as const) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(ordered, fc.integer({ min: 1, max: 60 }))
      .map(([[a, b], n]) => ["gap", a, b, n] as const),
  },
  { weight: 1, arbitrary: fc.constant(["clear"] as const) },
);
/** Ranges to begin with, so that some runs work on a tree of several levels. */
const filling = fc.oneof(fc.constant(0), fc.nat(40), fc.nat(250));

function codeOf(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof MapleError) return error.code;
    throw error;
  }
}

function filled(subject: Subject, count: number): NaiveModel {
  const model = new NaiveModel(subject.core.maxIndex);
  for (let i = 0; i < count; i++) {
    subject.store(i * 20, i * 20 + 10 + (i % 10), 10 + i);
    model.store(i * 20, i * 20 + 10 + (i % 10), 10 + i);
  }
  return model;
}

/** Runs one operation on both; every result must be the same. */
function apply(subject: Subject, model: NaiveModel, op: Operation, gaps: boolean): void {
  switch (op[0]) {
    case "store":
      expect(subject.store(op[1], op[2], op[3])).toBe(model.store(op[1], op[2], op[3]));
      return;
    case "insert": {
      const free = model.isFree(op[1], op[2]);
      expect(codeOf(() => subject.insert(op[1], op[2], op[3]))).toBe(free ? undefined : "EEXIST");
      if (free) model.store(op[1], op[2], op[3]);
      return;
    }
    case "erase": {
      const there = model.at(op[1]);
      expect(subject.erase(op[1])).toBe(there.entry);
      if (there.entry !== 0) model.store(there.first, there.last, 0);
      return;
    }
    case "clear":
      subject.clear();
      model.store(0, subject.core.maxIndex, 0);
      return;
    case "at":
      expect(subject.load(op[1])).toBe(model.load(op[1]));
      expect(subject.entryAt(op[1])).toEqual(model.at(op[1]));
      return;
    case "find":
      expect(subject.find(op[1], op[2])).toEqual(model.entries(op[1], op[2])[0]);
      return;
    case "findBefore":
      expect(subject.findBefore(op[1], op[2])).toEqual(model.entries(op[2], op[1]).at(-1));
      return;
    case "window":
      expect(subject.entries(op[1], op[2])).toEqual(model.entries(op[1], op[2]));
      return;
    case "walk":
      walkBothWays(subject, model, op[1]);
      return;
    case "gap":
      if (gaps) findGaps(subject, model, op[1], op[2], op[3]);
  }
}

/** A cursor at an index steps over everything behind the index's range, or before it, and no more. */
function walkBothWays(subject: Subject, model: NaiveModel, index: number): void {
  // Without a node the kernel's cursor counts steps differently: conformance.test.ts covers that.
  if (subject.core.rootWord <= 0) return;
  const here = model.at(index);
  const behind = model.list.filter((r) => r.first > here.last);
  const before = model.list.filter((r) => r.last < here.first).reverse();
  expect(subject.walk(index, true, true)).toEqual(behind);
  expect(subject.walk(index, false, true)).toEqual(before);
  expect(subject.walk(index, true, false)).toEqual(behind.filter((r) => r.entry !== 0));
  expect(subject.walk(index, false, false)).toEqual(before.filter((r) => r.entry !== 0));
}

function findGaps(subject: Subject, model: NaiveModel, min: number, max: number, wanted: number): void {
  const size = Math.min(wanted, max - min + 1);
  expect(subject.gap(size, min, max, false)).toBe(model.gap(size, min, max, false));
  expect(subject.gap(size, min, max, true)).toBe(model.gap(size, min, max, true));
  const { maxIndex } = subject.core;
  expect(subject.gap(size, 0, maxIndex, false)).toBe(model.gap(size, 0, maxIndex, false));
  const widest = Math.max(0, ...model.list.map((r) => (r.entry === 0 ? r.last - r.first + 1 : 0)));
  expect(subject.largestGap()).toBe(widest);
}

/** The invariants, the contents, and that every allocated node is in the tree. */
function check(subject: Subject, model: NaiveModel): void {
  const violations = subject.validate();
  if (violations.length > 0) expect(violations, subject.dump()).toEqual([]);
  expect(subject.ranges()).toEqual(model.list);
  const { cache } = subject.core;
  expect(cache.stats().live).toBe(subject.core.nodeCount);
}

describe("a tree and a sorted list of ranges", () => {
  describe.each(VARIANTS)("$name", (variant) => {
    it("have the same contents and give the same results, whatever is stored, and the tree stays valid", () => {
      fc.assert(
        fc.property(
          fc.boolean(),
          filling,
          fc.array(operation, { maxLength: 60, size: "max" }),
          (gaps, count, operations) => {
            const subject = newSubject(variant, gaps);
            const model = filled(subject, count);
            check(subject, model);
            for (const each of operations) {
              const op = inDomain(each, subject.core.maxIndex);
              apply(subject, model, op, gaps);
              check(subject, model);
            }
            // Nobody reads: whatever was replaced comes back.
            subject.arena.rcu.synchronize();
            subject.core.cache.reclaim();
            expect(subject.core.cache.stats().deferred).toBe(0);
            subject.arena.validate();
          },
        ),
        { numRuns: 60 },
      );
    });
  });
});

describe("a refused allocation", () => {
  describe.each(VARIANTS)("$name", (variant) => {
    it("leaves the tree as it was, at every allocation of every write, and the write succeeds afterwards", () => {
      let refused = 0;
      fc.assert(
        fc.property(filling, fc.array(write, { maxLength: 30, size: "max" }), (count, writes) => {
          const subject = newSubject(variant, true);
          const model = filled(subject, count);
          const { cache } = subject.core;
          for (const each of writes) {
            const op = inDomain(each, subject.core.maxIndex);
            const before = subject.dump();
            // What an earlier write has reserved and not used would let this one succeed.
            cache.unreserve();
            subject.arena.failNth(1);
            const code = codeOf(() => runWrite(subject, op));
            subject.arena.failNth(0);
            if (code === "ENOMEM") {
              refused++;
              expect(subject.dump()).toBe(before);
              check(subject, model);
              apply(subject, model, op, true);
            } else if (code === undefined) {
              // It needed no node, and is done.
              runWrite({ ...subject, ...onModel(model) }, op);
            }
            check(subject, model);
          }
        }),
        { numRuns: 40 },
      );
      expect(refused).toBeGreaterThan(20);
    });
  });

  it("comes of a full arena, too; what is there can still be read, and erased", () => {
    for (const variant of VARIANTS) {
      const subject = newSubject(variant, true, 1 << 16);
      const model = new NaiveModel(subject.core.maxIndex);
      let code: string | undefined;
      let n = 0;
      while (code === undefined) {
        code = codeOf(() => subject.store(n * 10, n * 10 + 5, n + 1));
        if (code === undefined) model.store(n * 10, n * 10 + 5, ++n);
      }
      expect(code).toBe("ENOMEM");
      check(subject, model);
      subject.clear();
      expect(subject.core.nodeCount).toBe(0);
      subject.store(10, 20, 1);
      expect(subject.load(15)).toBe(1);
    }
  });
});

function runWrite(subject: Pick<Subject, "store" | "insert" | "erase">, op: Operation): void {
  if (op[0] === "store") subject.store(op[1], op[2], op[3]);
  else if (op[0] === "insert") subject.insert(op[1], op[2], op[3]);
  else if (op[0] === "erase") subject.erase(op[1]);
}

/** The writes of a subject, made on the model. */
function onModel(model: NaiveModel): Pick<Subject, "store" | "insert" | "erase"> {
  return {
    store: (first, last, value) => model.store(first, last, value),
    insert: (first, last, value) => void model.store(first, last, value),
    erase: (at) => {
      const there = model.at(at);
      return there.entry === 0 ? 0 : model.store(there.first, there.last, 0);
    },
  };
}
