import { Arena } from "@faultline/arena";
import { type MapleCursor, SharedMapleTree } from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";

function makeTree(options: { debug: boolean; agents?: boolean }): SharedMapleTree {
  const agents = options.agents ? { self: 5000, isAlive: () => true } : undefined;
  const arena = Arena.create({ shared: true, debug: options.debug, ...(agents && { agents }) });
  const tree = SharedMapleTree.create(arena, { gaps: true });
  for (let n = 0; n < 100; n++) tree.storeRange(10 * n, 10 * n + 5, n + 1);
  return tree;
}

/** Every way to write at a cursor. */
const writes: [string, (cursor: MapleCursor) => unknown][] = [
  ["store", (cursor) => cursor.store(7)],
  ["erase", (cursor) => cursor.erase()],
  ["commit", (cursor) => cursor.reserve(7).commit()],
  ["allocateCyclic", (cursor) => cursor.allocateCyclic(7, { min: 0, max: 2000, next: 0 })],
];

describe.each([{ agents: false }, { agents: true }])(
  "a write at a cursor, with agents: $agents",
  ({ agents }) => {
    it.each(writes)("by %s is refused in debug mode when the tree's lock is not held", (_, write) => {
      const tree = makeTree({ debug: true, agents });
      const before = tree.dump();
      expect(() => write(tree.cursor(20, 22))).toThrow(expect.objectContaining({ code: "EPERM" }));
      expect(tree.dump()).toBe(before);
      tree.assertValid();
      tree.locked(() => write(tree.cursor(20, 22)));
      tree.assertValid();
      expect(tree.dump()).not.toBe(before);
    });
  },
);

describe.each([{ rcu: true }, { rcu: false }])("a tree with an external lock, rcu: $rcu", ({ rcu }) => {
  it("asks before each write whether that is held", () => {
    const tree = SharedMapleTree.create(Arena.create({ shared: true }), { lock: "external", rcu });
    let isHeld = true;
    tree.assertWrite = () => {
      if (!isHeld) throw new Error("mmap_lock is not held for writing");
    };
    for (let n = 0; n < 9; n++) tree.storeRange(10 * n, 10 * n + 5, 3);
    isHeld = false;
    // Into one slot, and over a border.
    expect(() => tree.storeRange(2, 3, 4)).toThrow("mmap_lock is not held");
    expect(() => tree.storeRange(3, 9, 4)).toThrow("mmap_lock is not held");
    expect(() => tree.clear()).toThrow("mmap_lock is not held");
    expect(tree.load(4)).toBe(3);
    tree.assertValid();
  });
});
