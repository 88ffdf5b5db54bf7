/* Each invariant is broken by hand, and named; a tree with several faults has all of them listed. */
import { MAX_INDEX, type SharedMapleTree } from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";
import * as L from "../src/layout.ts";
import { makeTree } from "./helpers.ts";

interface Broken {
  readonly tree: SharedMapleTree;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  /** Words of the root, of its first two children, and of the last. */
  readonly root: number;
  readonly a: number;
  readonly b: number;
  readonly last: number;
}

/** A valid tree of two levels with gaps, all of whose leaves end with an entry, save the last. */
function fixture(): Broken {
  const { tree } = makeTree({ gaps: true });
  for (let n = 0; n < 40; n++) tree.storeRange(n * 10 + 5, n * 10 + 9, n + 1);
  tree.assertValid();
  const { i32, f64 } = tree.core;
  const root = tree.core.rootWord & L.NODE_MASK;
  const child = (slot: number): number => i32[root + L.SLOTS + slot]! & L.NODE_MASK;
  return { tree, i32, f64, root, a: child(0), b: child(1), last: child(i32[root + L.META]! & 0xff) };
}

const pivot = (node: number, slot: number): number => (node >> 1) + L.PIVOTS_F64 + slot;
const gap = (node: number, slot: number): number => (node >> 1) + L.GAPS_F64 + slot;
const endOf = (i32: Int32Array, node: number): number => i32[node + L.META]! & 0xff;

/** The faults: what is done to the tree, and the invariants that are then violated. */
const FAULTS: readonly [name: string, invariants: string[], fault: (t: Broken) => void][] = [
  ["a reachable node is marked dead", ["I1", "I3"], ({ i32, a }) => (i32[a + L.PARENT] = a)],
  [
    "a leaf has too few slots",
    ["I2"],
    ({ i32, f64, a }) => {
      const end = endOf(i32, a);
      f64[pivot(a, 1)] = f64[pivot(a, end)]!;
      i32.fill(0, a + L.SLOTS + 2, a + L.SLOTS + 16);
      f64.fill(Infinity, pivot(a, 2), pivot(a, 16));
      i32[a + L.META] = 1;
    },
  ],
  ["a parent word names another slot", ["I3"], ({ i32, root, b }) => (i32[b + L.PARENT] = root | 5)],
  ["the last pivot is not the node's end", ["I4"], ({ i32, f64, a }) => f64[pivot(a, endOf(i32, a))]!--],
  ["a slot behind the end is used", ["I5"], ({ i32, last }) => (i32[last + L.SLOTS + 15] = 7)],
  ["a pivot behind the end is set", ["I5"], ({ f64, last }) => (f64[pivot(last, 15)] = 7)],
  ["a child is missing", ["I6", "I13"], ({ i32, root }) => (i32[root + L.SLOTS + 1] = 0)],
  ["a gap is wider than its slot", ["I7", "I8"], ({ f64, root }) => (f64[gap(root, 0)] = MAX_INDEX)],
  ["the metadata does not name the largest gap", ["I7"], ({ i32, root }) => (i32[root + L.META]! &= 0xff)],
  ["a gap is not the largest below", ["I8"], ({ f64, root }) => (f64[gap(root, 0)] = 4)],
  ["two empty ranges are neighbours", ["I9"], ({ i32, a }) => (i32[a + L.SLOTS + 1] = 0)],
  ["a leaf ends with an empty range", ["I9", "I10"], ({ i32, a }) => (i32[a + L.SLOTS + endOf(i32, a)] = 0)],
  ["the height is wrong", ["I11"], ({ tree }) => tree.core.setHeight(3)],
  ["two pivots are equal", ["I12"], ({ f64, a }) => (f64[pivot(a, 1)] = f64[pivot(a, 2)]!)],
  ["a write has not ended", ["I14"], ({ tree, i32 }) => i32[tree.core.header + L.VERSION]!++],
  ["the header counts other nodes", ["I13"], ({ tree, i32 }) => i32[tree.core.header + L.NODES]!++],
];

describe("validate", () => {
  it.each(FAULTS)("finds that %s: %j", (_, invariants, fault) => {
    const broken = fixture();
    fault(broken);
    const found = new Set(broken.tree.validate().map((v) => v.invariant));
    for (const invariant of invariants) expect([...found]).toContain(invariant);
  });

  it("lists every violation, with the node and the slot", () => {
    const { tree, i32, f64, a, b, last } = fixture();
    i32[last + L.SLOTS + 15] = 7;
    f64[pivot(a, 1)] = f64[pivot(a, 2)]!;
    i32[b + L.PARENT] = b;
    const found = tree.validate().map((v) => [v.invariant, v.node, v.slot]);
    expect(found).toContainEqual(["I12", a, 2]);
    expect(found).toContainEqual(["I1", b, -1]);
    expect(found).toContainEqual(["I5", last, 15]);
    expect(() => tree.assertValid()).toThrow(/I12[\s\S]*I1 [\s\S]*I5[\s\S]*maple tree: height 2/);
  });

  it("does not go round in a tree that contains itself", () => {
    const { tree, i32, root } = fixture();
    i32[root + L.SLOTS] = tree.core.rootWord;
    expect(tree.validate().some((v) => v.invariant === "I3")).toBe(true);
  });
});
