/*
 * A write between two loads of the production reader. It happens inside Atomics.load, which is replaced while
 * the reader runs: before the load of the slot that the reader is about to take.
 */
import { MAX_INDEX, type SharedMapleTree, TEACHING_GEOMETRY } from "@faultline/maple-tree";
import { afterEach, describe, expect, it, vi } from "vitest";
import * as L from "../src/layout.ts";
import { makeTree } from "./helpers.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** 80 ranges of ten indices, entry n over [10n, 10n+9], in a shared tree of three levels. */
function filled(): SharedMapleTree {
  const { tree } = makeTree({ geometry: TEACHING_GEOMETRY, shared: true });
  for (let n = 0; n < 80; n++) tree.storeRange(n * 10, n * 10 + 9, n + 1);
  expect(tree.height).toBe(3);
  return tree;
}

/** Nodes from the root to the leaf of an index, each with the slot taken. */
function pathTo(tree: SharedMapleTree, index: number): { node: number; slot: number }[] {
  const { i32, f64 } = tree.core;
  const path = [];
  for (let handle = tree.core.rootWord; ; handle = i32[path.at(-1)!.node + L.SLOTS + path.at(-1)!.slot]!) {
    const node = handle & L.NODE_MASK;
    let slot = 0;
    while (f64[(node >> 1) + L.PIVOTS_F64 + slot]! < index) slot++;
    path.push({ node, slot });
    if ((handle & L.TAG_MASK) === L.NodeType.Leaf) return path;
  }
}

/** Runs `write` right before the first load of `word` by `read`. */
function interrupt<T>(word: number, write: () => void, read: () => T): T {
  const load = Atomics.load;
  let due = true;
  let interrupted = false;
  vi.spyOn(Atomics, "load").mockImplementation(((words: Int32Array, at: number) => {
    if (at === word && due) {
      due = false;
      write();
      interrupted = true;
    }
    return load(words, at);
  }) as typeof Atomics.load);
  const result = read();
  vi.restoreAllMocks();
  expect(interrupted).toBe(true);
  return result;
}

const READS = {
  load: (tree, index) => tree.load(index),
  entryAt: (tree, index) => tree.entryAt(index).entry,
  find: (tree, index) => tree.find(index)?.entry,
  cursor: (tree, index) => tree.cursor(index).walk(),
} as const satisfies Record<string, (tree: SharedMapleTree, index: number) => number | undefined>;

describe("a reader whose node dies while it stands in it", () => {
  for (const [name, read] of Object.entries(READS)) {
    it(`starts again and returns what is stored now: ${name}, in a leaf`, () => {
      const tree = filled();
      const leaf = pathTo(tree, 405).at(-1)!;
      const seen = interrupt(
        leaf.node + L.SLOTS + leaf.slot,
        () => tree.storeRange(400, 411, 777),
        () => read(tree, 405),
      );
      expect(tree.core.isDead(leaf.node)).toBe(true);
      expect(seen).toBe(777);
    });

    it(`starts again and returns what is stored now: ${name}, above the leaves`, () => {
      const tree = filled();
      const [root] = pathTo(tree, 405) as [{ node: number; slot: number }];
      const seen = interrupt(
        root.node + L.SLOTS + root.slot,
        () => tree.storeRange(0, MAX_INDEX - 10, 777),
        () => read(tree, 405),
      );
      expect(tree.core.isDead(root.node)).toBe(true);
      expect(seen).toBe(777);
    });
  }

  const lists = {
    forEachRange: (tree: SharedMapleTree, first: number) => {
      const seen: number[] = [];
      tree.forEachRange(first, MAX_INDEX, (_first, _last, entry) => seen.push(entry));
      return seen;
    },
    scan: (tree: SharedMapleTree, first: number) => {
      const scan = tree.scan(first);
      return [...scan.entry.subarray(0, scan.next())];
    },
  };
  for (const [name, list] of Object.entries(lists)) {
    it(`lists a leaf again that has died before its last slot was loaded: ${name}`, () => {
      const tree = filled();
      const { node, slot } = pathTo(tree, 405).at(-1)!;
      const start = slot === 0 ? 405 : tree.core.f64[(node >> 1) + L.PIVOTS_F64 + slot - 1]! + 1;
      const leaf = pathTo(tree, start).at(-1)!;
      expect(pathTo(tree, start + 10).at(-1)!.node).toBe(leaf.node);
      const seen = interrupt(
        leaf.node + L.SLOTS + leaf.slot + 1,
        () => tree.storeRange(start, start + 9, 777),
        () => list(tree, start),
      );
      expect(tree.core.isDead(leaf.node)).toBe(true);
      expect(seen).toEqual([...tree.entries(start)].map(({ entry }) => entry));
      expect(seen[0]).toBe(777);
    });
  }

  it("goes on behind the range it stood on, and sees no index twice: cursor.next", () => {
    const tree = filled();
    const path = pathTo(tree, 405).at(-1)!;
    const first = path.slot === 0 ? 405 : tree.core.f64[(path.node >> 1) + L.PIVOTS_F64 + path.slot - 1]!;
    const cursor = tree.cursor(first);
    cursor.walk();
    const { last } = cursor;
    const next = pathTo(tree, last + 1).at(-1)!;
    const entry = interrupt(
      next.node + L.SLOTS + next.slot,
      () => tree.storeRange(last - 5, last + 25, 777),
      () => cursor.next(),
    );
    expect([entry, cursor.index, cursor.last]).toEqual([777, last + 1, last + 25]);
  });

  it("goes on before the range it stood on, and sees no index twice: cursor.prev", () => {
    const tree = filled();
    const cursor = tree.cursor(405);
    cursor.walk();
    const { index } = cursor;
    const before = pathTo(tree, index - 1).at(-1)!;
    const entry = interrupt(
      before.node + L.SLOTS + before.slot,
      () => tree.storeRange(index - 25, index + 5, 777),
      () => cursor.prev(),
    );
    expect([entry, cursor.index, cursor.last]).toEqual([777, index - 25, index - 1]);
  });

  it("goes on behind the range it stood on, and sees no index twice: entries", () => {
    const tree = filled();
    const leaf = pathTo(tree, 405).at(-1)!;
    const pivot = tree.core.f64[(leaf.node >> 1) + L.PIVOTS_F64]!;
    // The second slot of the leaf is loaded by a step; before it, both slots get a new common range.
    const ranges = interrupt(
      leaf.node + L.SLOTS + 1,
      () => tree.storeRange(pivot - 4, pivot + 4, 777),
      () => [...tree.entries()],
    );
    let behind = -1;
    for (const { first, last } of ranges) {
      expect(first).toBe(behind + 1);
      behind = last;
    }
    expect(behind).toBe(799);
  });

  it("is not waited for by the writer, and keeps the old nodes from reuse while its section is open", () => {
    const tree = filled();
    const { cache } = tree.core;
    cache.reclaim();
    const leaf = pathTo(tree, 405).at(-1)!;
    interrupt(
      leaf.node + L.SLOTS + leaf.slot,
      () => {
        tree.storeRange(400, 411, 777);
        expect(cache.reclaim()).toBe(0);
        expect(cache.stats().deferred).toBeGreaterThan(0);
      },
      () => tree.load(405),
    );
    cache.reclaim();
    expect(cache.stats().deferred).toBe(0);
    tree.assertValid();
  });
});
