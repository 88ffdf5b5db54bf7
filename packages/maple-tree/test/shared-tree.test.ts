import { Arena } from "@faultline/arena";
import { KERNEL_GEOMETRY, MAX_INDEX, MapleError, SharedMapleTree } from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";
import { makeTree, rangesText } from "./helpers.ts";

function codeOf(fn: () => unknown): string | undefined {
  try {
    fn();
  } catch (error) {
    if (error instanceof MapleError) return error.code;
    throw error;
  }
  return undefined;
}

describe("root special cases (recorded from the C tree)", () => {
  it("keeps a single entry at [0,0] in the root word", () => {
    const { tree } = makeTree();
    tree.storeRange(0, 0, 7);
    expect([tree.height, tree.nodeCount, rangesText(tree)]).toEqual([0, 0, "0-0=7 1-max=."]);
    expect(tree.storeRange(0, 0, 8)).toBe(7);
    tree.storeRange(1, 1, 0);
    expect([tree.height, tree.load(0), tree.load(1)]).toEqual([0, 8, 0]);
    tree.storeRange(1, 5, 9);
    expect([tree.height, rangesText(tree)]).toEqual([1, "0-0=8 1-5=9 6-max=."]);
    tree.storeRange(1, 5, 0);
    expect([tree.height, rangesText(tree)]).toEqual([1, "0-0=8 1-max=."]);
    tree.storeRange(0, 0, 0);
    expect([tree.height, tree.isEmpty, tree.nodeCount]).toEqual([0, true, 0]);
  });

  it("moves the root entry into the first leaf, with a gap before the new range if there is one", () => {
    const { tree } = makeTree();
    tree.storeRange(0, 0, 7);
    tree.storeRange(5, 9, 8);
    expect(rangesText(tree)).toBe("0-0=7 1-4=. 5-9=8 10-max=.");
    tree.assertValid();
  });

  it("covers the whole index space with one slot, and empties it again", () => {
    const { tree } = makeTree({ gaps: true });
    tree.storeRange(0, MAX_INDEX, 1);
    expect([tree.height, rangesText(tree), tree.load(MAX_INDEX)]).toEqual([1, "0-max=1", 1]);
    tree.storeRange(MAX_INDEX, MAX_INDEX, 2);
    expect(rangesText(tree)).toBe(`0-${MAX_INDEX - 1}=1 max-max=2`);
    tree.storeRange(0, MAX_INDEX, 0);
    expect([tree.height, tree.nodeCount, tree.isEmpty]).toEqual([0, 0, true]);
    tree.storeRange(5, 5, 0);
    expect(tree.isEmpty).toBe(true);
    tree.storeRange(0, MAX_INDEX, 3);
    expect(tree.erase(77)).toBe(3);
    // As in the kernel, that leaves a leaf with one empty slot.
    expect([tree.height, tree.isEmpty]).toEqual([1, true]);
    tree.clear();
    expect([tree.height, tree.nodeCount, tree.isEmpty]).toEqual([0, 0, true]);
  });

  it("never joins equal neighbours, always joins empty ones", () => {
    const { tree } = makeTree();
    tree.storeRange(10, 19, 1);
    tree.storeRange(20, 29, 1);
    expect(rangesText(tree)).toBe("0-9=. 10-19=1 20-29=1 30-max=.");
    tree.storeRange(12, 15, 1);
    tree.storeRange(12, 15, 0);
    tree.storeRange(16, 17, 0);
    expect(rangesText(tree)).toBe("0-9=. 10-11=1 12-17=. 18-19=1 20-29=1 30-max=.");
    tree.storeRange(10, 11, 0);
    expect(rangesText(tree)).toBe("0-17=. 18-19=1 20-29=1 30-max=.");
  });

  it("leaves the tree empty when the last entry is erased", () => {
    const { tree } = makeTree();
    tree.storeRange(10, 20, 1);
    tree.storeRange(30, 40, 2);
    expect(tree.erase(15)).toBe(1);
    expect(rangesText(tree)).toBe("0-29=. 30-40=2 41-max=.");
    expect(tree.erase(15)).toBe(0);
    expect(tree.erase(40)).toBe(2);
    expect([tree.isEmpty, tree.height]).toEqual([true, 0]);
  });
});

describe("insertRange", () => {
  it("refuses any overlap, the whole index space included", () => {
    const { tree } = makeTree();
    tree.insertRange(10, 20, 1);
    for (const [first, last] of [
      [20, 30],
      [5, 10],
      [12, 13],
      [0, MAX_INDEX],
      [1, MAX_INDEX],
    ] as const) {
      expect(codeOf(() => tree.insertRange(first, last, 2))).toBe("EEXIST");
    }
    expect(codeOf(() => tree.insertRange(15, 15, 0))).toBe("EEXIST");
    tree.insertRange(21, 21, 0);
    tree.insertRange(0, 0, 5);
    expect(rangesText(tree)).toBe("0-0=5 1-9=. 10-20=1 21-max=.");
    expect(() => tree.insertRange(20, 30, 2)).toThrow("insertRange: 20..30 is not empty, index 20 is in use");
  });
});

describe("errors", () => {
  it("names the argument and its value", () => {
    const { tree } = makeTree();
    expect(() => tree.load(-1)).toThrow("load: index must be an integer in 0..9007199254740991, got -1");
    expect(() => tree.storeRange(1.5, 2, 1)).toThrow(RangeError);
    expect(() => tree.storeRange(0, 2 ** 53, 1)).toThrow("storeRange: last must be");
    expect(() => tree.storeRange(0, 1, 2 ** 31)).toThrow(
      "storeRange: entry must be an integer in 0..2147483647",
    );
    expect(() => tree.storeRange(0, 1, -1)).toThrow(RangeError);
    expect(codeOf(() => tree.storeRange(5, 4, 1))).toBe("EINVAL");
    expect(() => tree.storeRange(5, 4, 1)).toThrow("storeRange: last 4 is below first 5");
    expect(() => tree.storeRange(0, Number.NaN, 1)).toThrow(RangeError);
  });

  it("refuses a geometry that nodes have no room for", () => {
    const arena = Arena.create({ bytes: 1 << 16 });
    for (const bad of [{ leafSlots: 29 }, { rangeSlots: 5 }, { arangeSlots: 17 }, { leafSlots: 8.5 }]) {
      expect(() => SharedMapleTree.create(arena, { geometry: { ...KERNEL_GEOMETRY, ...bad } })).toThrow(
        RangeError,
      );
    }
  });

  it("does not attach to a word that is no tree", () => {
    const { arena } = makeTree();
    expect(codeOf(() => SharedMapleTree.attach(arena, 3))).toBe("EINVAL");
    expect(codeOf(() => SharedMapleTree.attach(arena, -1))).toBe("EINVAL");
  });
});

describe("attaching", () => {
  it("opens the same tree through its root word, and through its handle", () => {
    const { arena, tree } = makeTree({ shared: true, gaps: true });
    tree.storeRange(10, 19, 1);
    const attached = SharedMapleTree.attach(arena, tree.root);
    expect(attached.load(15)).toBe(1);
    attached.storeRange(30, 39, 2);
    const opened = SharedMapleTree.open(structuredClone(tree.handle()));
    expect(rangesText(opened)).toBe("0-9=. 10-19=1 20-29=. 30-39=2 40-max=.");
    expect([opened.hasGaps, opened.geometry]).toEqual([true, KERNEL_GEOMETRY]);
    opened.arena.close();
  });

  it("lets two trees of an arena live side by side", () => {
    const { arena, tree } = makeTree();
    const other = SharedMapleTree.create(arena, { rcu: false });
    for (let i = 0; i < 300; i++) {
      tree.storeRange(i * 10, i * 10 + 4, i + 1);
      other.storeRange(i * 7, i * 7 + 3, i + 1);
    }
    tree.assertValid();
    other.assertValid();
    tree.clear();
    expect(other.load(7 * 299)).toBe(300);
  });
});

describe("finding and iterating", () => {
  function filled(): SharedMapleTree {
    const { tree } = makeTree();
    for (let i = 0; i < 100; i++) tree.storeRange(i * 10, i * 10 + 4, i + 1);
    return tree;
  }

  it("finds the entry at or behind an index, up to a limit", () => {
    const tree = filled();
    expect(tree.find(3)).toEqual({ first: 0, last: 4, entry: 1 });
    expect(tree.find(5)).toEqual({ first: 10, last: 14, entry: 2 });
    expect(tree.find(5, 9)).toBeUndefined();
    expect(tree.find(5, 10)?.entry).toBe(2);
    expect(tree.find(995)).toBeUndefined();
    expect(tree.find(MAX_INDEX)).toBeUndefined();
  });

  it("finds the entry at or before an index, down to a limit", () => {
    const tree = filled();
    expect(tree.findBefore(9)).toEqual({ first: 0, last: 4, entry: 1 });
    expect(tree.findBefore(19, 15)).toBeUndefined();
    expect(tree.findBefore(MAX_INDEX)?.entry).toBe(100);
  });

  it("iterates over what touches a window, and over the empty ranges", () => {
    const tree = filled();
    expect([...tree.entries(13, 31)].map((r) => r.entry)).toEqual([2, 3, 4]);
    expect([...tree.ranges(13, 21)].map((r) => r.entry)).toEqual([2, 0, 3]);
    expect([...tree].length).toBe(100);
  });

  it("visits no index twice when the tree is changed while it iterates", () => {
    const tree = filled();
    let last = -1;
    for (const range of tree.entries()) {
      expect(range.first).toBeGreaterThan(last);
      last = range.last;
      if (range.entry % 7 === 0) tree.storeRange(0, range.last + 25, 5);
    }
  });
});
