import { Arena } from "@faultline/arena";
import {
  type Geometry,
  KERNEL_GEOMETRY,
  MAX_INDEX,
  SharedMapleTree,
  TEACHING_GEOMETRY,
  WIDE_GEOMETRY,
  type WriteType,
} from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";
import { LOCK } from "../src/layout.ts";
import { DYING, inherit, momentsOf } from "./deaths.ts";
import { rangesText } from "./helpers.ts";
import { random } from "./self-describing.ts";

const SPACE = 2_000;
const WRITES = 120;

function newTree(geometry: Geometry, gaps: boolean): SharedMapleTree {
  const arena = Arena.create({
    bytes: 1 << 14,
    bytesMax: 1 << 20,
    shared: true,
    agents: DYING,
    agentsMax: 4,
  });
  return SharedMapleTree.create(arena, { geometry, gaps });
}

/** What must be true however the writer has died. */
function checkWhole(tree: SharedMapleTree): void {
  expect(tree.validate()).toEqual([]);
  tree.arena.validate();
  const { cache } = tree.core;
  expect(cache.live(tree.root)).toHaveLength(tree.nodeCount);
  tree.arena.rcu.synchronize();
  cache.reclaim();
  expect(cache.stats()).toMatchObject({ live: tree.nodeCount, deferred: 0 });
}

describe("a writer that is terminated at any moment of a write", () => {
  const types = new Set<WriteType>();
  for (const [name, geometry] of [
    ["kernel", KERNEL_GEOMETRY],
    ["teaching", TEACHING_GEOMETRY],
    ["wide", WIDE_GEOMETRY],
  ] as const) {
    for (const gaps of [true, false]) {
      it(`leaves the tree as before or as after, ${name} geometry, gaps: ${gaps}`, {
        timeout: 120_000,
      }, () => {
        const tree = newTree(geometry, gaps);
        const below = random(7);
        let deaths = 0;
        for (let n = 0; n < WRITES; n++) {
          const first = below(SPACE);
          // Now and then a range over many leaves, so that every kind of write comes up.
          const last = Math.min(SPACE, first + below(n % 8 === 7 ? 600 : 30));
          const entry = below(3) === 0 ? 0 : n + 1;
          types.add(tree.explain(first, last, entry).type);
          const before = rangesText(tree);
          const moments = momentsOf(tree, () => tree.storeRange(first, last, entry));
          const after = rangesText(tree);
          let seen = before;
          for (const buffer of moments) {
            const heir = inherit(buffer, tree.root);
            heir.recover();
            const now = rangesText(heir);
            expect([before, after]).toContain(now);
            // Once it is as after, no later death takes that back.
            if (seen === after) expect(now).toBe(after);
            seen = now;
            checkWhole(heir);
            deaths++;
          }
        }
        expect(deaths).toBeGreaterThan(10 * WRITES);
      });
    }
  }

  it.each([
    { what: "clear()", run: (tree: SharedMapleTree) => tree.clear() },
    { what: "a store over everything", run: (tree: SharedMapleTree) => tree.storeRange(0, MAX_INDEX, 5) },
    { what: "allocate()", run: (tree: SharedMapleTree) => tree.allocate(7, { size: 3, min: 77, max: 400 }) },
    {
      what: "a cursor's store",
      run: (tree: SharedMapleTree) => tree.locked(() => tree.cursor(55, 180).store(9)),
    },
    {
      what: "the commit of a reservation",
      run: (tree: SharedMapleTree) => tree.locked(() => tree.cursor(55, 180).reserve(9).commit()),
    },
  ])("leaves the tree as before or as after $what", ({ run }) => {
    const tree = newTree(TEACHING_GEOMETRY, true);
    for (let n = 0; n < 60; n++) tree.storeRange(n * 10, n * 10 + 6, n + 1);
    const before = rangesText(tree);
    const moments = momentsOf(tree, () => run(tree));
    const after = rangesText(tree);
    for (const buffer of moments) {
      const heir = inherit(buffer, tree.root);
      heir.recover();
      expect([before, after]).toContain(rangesText(heir));
      checkWhole(heir);
    }
  });

  it("may be followed by one that dies in repairing", { timeout: 120_000 }, () => {
    const tree = newTree(TEACHING_GEOMETRY, true);
    for (let n = 0; n < 60; n++) tree.storeRange(n * 10, n * 10 + 6, n + 1);
    const before = rangesText(tree);
    const moments = momentsOf(tree, () => tree.storeRange(95, 333, 0));
    const after = rangesText(tree);
    // Each repair has about as many moments as the write.
    for (const buffer of moments.filter((_, i) => i % 4 === 0)) {
      const heir = inherit(buffer, tree.root);
      for (const later of momentsOf(heir, () => heir.recover())) {
        const third = inherit(later, tree.root, 4096);
        third.recover();
        expect([before, after]).toContain(rangesText(third));
        checkWhole(third);
      }
    }
  });

  it("is told from a write that was not interrupted", () => {
    const tree = newTree(TEACHING_GEOMETRY, true);
    tree.storeRange(1, 5, 1);
    expect(tree.recover()).toEqual({ interrupted: false, reclaimed: 0 });
    const moments = momentsOf(tree, () => tree.storeRange(3, 8, 2));
    const found = moments.map((buffer) => inherit(buffer, tree.root).recover());
    expect(found.some(({ interrupted, reclaimed }) => interrupted && reclaimed === 1)).toBe(true);
  });

  it("is got over by the next writer alone, and the lock is free for who comes after", () => {
    const tree = newTree(TEACHING_GEOMETRY, true);
    for (let n = 0; n < 20; n++) tree.storeRange(n * 10, n * 10 + 6, n + 1);
    for (const buffer of momentsOf(tree, () => tree.storeRange(15, 88, 99))) {
      const heir = inherit(buffer, tree.root);
      heir.storeRange(500, 509, 7);
      expect(heir.load(505)).toBe(7);
      expect(heir.insertRange(600, 601, 8)).toBeUndefined();
      checkWhole(heir);
    }
  });

  it("has died in every type of write that there is with readers", () => {
    const all = [
      "store_root",
      "exact_fit",
      "node_store",
      "split_store",
      "spanning_store",
      "rebalance",
    ] as const;
    expect([...types].sort()).toEqual(expect.arrayContaining([...all].sort()));
  });
});

describe("recover()", () => {
  it("takes the lock from a writer in an arena without a registry", () => {
    const tree = SharedMapleTree.create(Arena.create({ shared: true }));
    tree.storeRange(1, 5, 1);
    tree.arena.i32[tree.root + LOCK] = 1;
    expect(tree.recover()).toEqual({ interrupted: false, reclaimed: 0 });
    tree.storeRange(7, 9, 2);
    expect(rangesText(tree)).toBe("0-0=. 1-5=1 6-6=. 7-9=2 10-max=.");
  });

  it("refuses a tree whose leaves are changed in place", () => {
    const tree = SharedMapleTree.create(Arena.create({ shared: true }), { rcu: false });
    expect(() => tree.recover()).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });
});
