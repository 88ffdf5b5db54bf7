import { Arena } from "@faultline/arena";
import {
  MAX_INDEX,
  MapleError,
  MapleTree,
  NODE_ENTRY,
  SharedMapleTree,
  TEACHING_GEOMETRY,
  type TreeStructure,
  ZERO,
  ZERO_ENTRY,
} from "@faultline/maple-tree";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as L from "../src/layout.ts";
import { makeTree, rangesText } from "./helpers.ts";

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof MapleError) return error.code;
    throw error;
  }
  return "none";
}

describe("allocation", () => {
  it("gives the lowest and the highest free indices, until none are left", () => {
    const { tree } = makeTree({ gaps: true });
    expect(tree.allocate(1, { size: 4, min: 10, max: 29 })).toBe(10);
    expect(tree.allocateReverse(2, { size: 4, min: 10, max: 29 })).toBe(26);
    expect(tree.allocate(3, { size: 12, min: 10, max: 29 })).toBe(14);
    expect(codeOf(() => tree.allocate(4, { size: 1, min: 10, max: 29 }))).toBe("EBUSY");
    expect(codeOf(() => tree.allocate(4, { size: 21, min: 10, max: 29 }))).toBe("EINVAL");
    expect(codeOf(() => tree.allocate(0, { size: 1 }))).toBe("EINVAL");
    expect(codeOf(() => tree.allocate(ZERO_ENTRY, { size: 1 }))).toBe("EINVAL");
    expect(rangesText(tree)).toBe("0-9=. 10-13=1 14-25=3 26-29=2 30-max=.");
    expect(codeOf(() => makeTree().tree.allocate(1, { size: 1 }))).toBe("EINVAL");
  });

  it("goes round: from next to max, then from min", () => {
    const { tree } = makeTree({ gaps: true });
    let next = 8;
    const given: [number, boolean][] = [];
    for (let n = 1; n <= 5; n++) {
      const found = tree.allocateCyclic(n, { min: 5, max: 9, next });
      given.push([found.index, found.wrapped]);
      next = found.next;
    }
    expect(given).toEqual([
      [8, false],
      [9, false],
      [5, true],
      [6, false],
      [7, false],
    ]);
    expect(codeOf(() => tree.allocateCyclic(6, { min: 5, max: 9, next }))).toBe("EBUSY");
    tree.assertValid();
  });

  it("tells of the wrap with the call after the one that was given the last index", () => {
    const { tree } = makeTree({ gaps: true });
    const top = tree.allocateCyclic(1, { next: MAX_INDEX });
    expect(top).toEqual({ index: MAX_INDEX, next: 0, wrapped: false });
    expect(tree.allocateCyclic(2, { next: top.next })).toEqual({ index: 0, next: 1, wrapped: true });
    expect(tree.allocateCyclic(3, { next: 1 }).wrapped).toBe(false);
  });

  it("stores local values, and refuses nothing as one", () => {
    const tree = new MapleTree<string>({ gaps: true });
    expect(tree.allocate("a", { size: 2 })).toBe(0);
    expect(tree.allocateReverse("b", { size: 2, max: 9 })).toBe(8);
    expect(tree.allocateCyclic("c", { next: 5 }).index).toBe(5);
    expect([tree.get(1), tree.get(9), tree.get(5)]).toEqual(["a", "b", "c"]);
    expect(codeOf(() => tree.allocate(undefined as unknown as string, { size: 1 }))).toBe("EINVAL");
  });
});

describe("the ZERO entry", () => {
  it("occupies its range, but is nothing for load and find; a cursor returns it", () => {
    const { tree } = makeTree({ gaps: true });
    tree.storeRange(10, 19, ZERO_ENTRY);
    tree.storeRange(30, 39, 3);
    expect(tree.load(15)).toBe(0);
    expect(tree.find(0)?.entry).toBe(3);
    expect(codeOf(() => tree.insertRange(15, 15, 1))).toBe("EEXIST");
    expect(tree.findGap({ size: 1, min: 10 })).toBe(20);
    expect(tree.cursor(0).find()).toBe(ZERO_ENTRY);
  });

  it("and all entries from NODE_ENTRY on get a node where others live in the root word", () => {
    const { tree } = makeTree();
    tree.storeRange(0, 0, 7);
    expect(tree.height).toBe(0);
    tree.storeRange(0, 0, NODE_ENTRY + 7);
    expect([tree.height, tree.load(0)]).toEqual([1, NODE_ENTRY + 7]);
    tree.assertValid();
  });
});

describe("ZERO in a local tree", () => {
  it("is what cursors and iterators say, and nothing for get, has and find", () => {
    const tree = new MapleTree<string | typeof ZERO>({ gaps: true });
    tree.setRange(10, 19, ZERO);
    expect([tree.get(12), tree.has(12), tree.find(0)]).toEqual([undefined, false, undefined]);
    expect([...tree]).toEqual([{ first: 10, last: 19, value: ZERO }]);
    expect([tree.cursor(12).walk(), tree.findGap({ size: 1, min: 10 })]).toEqual([ZERO, 20]);
    expect(tree.setRange(10, 19, "a")).toBe(ZERO);
    expect(tree.sweepValues()).toBe(1);
  });
});

describe("clone", () => {
  it.each([{ gaps: false }, { gaps: true }])("is an equal tree of its own: %o", (options) => {
    const { tree } = makeTree({ ...options, geometry: TEACHING_GEOMETRY });
    for (let n = 0; n < 300; n++) tree.storeRange(n * 10, n * 10 + 5, n + 1);
    const copy = tree.clone();
    copy.assertValid();
    expect([copy.height, copy.nodeCount]).toEqual([tree.height, tree.nodeCount]);
    const before = rangesText(tree);
    expect(rangesText(copy)).toBe(before);
    for (let n = 0; n < 300; n += 2) copy.erase(n * 10);
    copy.assertValid();
    tree.assertValid();
    expect(rangesText(tree)).toBe(before);
  });

  it("of a tree without nodes has none", () => {
    const { tree } = makeTree();
    expect(tree.clone().isEmpty).toBe(true);
    tree.storeRange(0, 0, 5);
    expect(tree.clone().load(0)).toBe(5);
  });

  it("leaves nothing behind where there is no room", () => {
    const { tree } = makeTree();
    for (let n = 0; n < 100; n++) tree.storeRange(n * 10, n * 10 + 5, n + 1);
    const before = tree.core.cache.stats().live;
    tree.onAllocate = () => false;
    expect(codeOf(() => tree.clone())).toBe("ENOMEM");
    expect(tree.core.cache.stats().live).toBe(before);
  });

  it("of local values shares them, and keeps them when the original lets go", () => {
    const tree = MapleTree.from([{ first: 1, last: 5, value: { n: 1 } }]);
    const copy = tree.clone();
    expect(copy.get(3)).toBe(tree.get(3));
    tree.clear();
    for (let n = 0; n < 200; n++) copy.set(n + 10, { n });
    expect([tree.isEmpty, copy.get(3)]).toEqual([true, { n: 1 }]);
  });
});

describe("bulk load", () => {
  it("builds the tree that single stores would give, as ranges, and it is valid", () => {
    const widths = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 9 })), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(widths, fc.boolean(), fc.boolean(), (list, gaps, teaching) => {
        let at = 0;
        const ranges = list.map(([gap, width], n) => {
          const first = at + gap;
          at = first + width;
          return { first, last: at - 1, entry: n + 1 };
        });
        const arena = Arena.create({ bytes: 1 << 18, bytesMax: 1 << 24, debug: true });
        const options = { gaps, ...(teaching && { geometry: TEACHING_GEOMETRY }) };
        const tree = SharedMapleTree.fromSorted(arena, ranges, options);
        tree.assertValid();
        expect([...tree]).toEqual(ranges);
        // The nodes take further stores.
        for (const { first, last } of ranges) tree.storeRange(first, last, first % 3 === 0 ? 0 : 1);
        tree.assertValid();
      }),
      { numRuns: 60 },
    );
  });

  it("refuses ranges out of order, and leaves no node", () => {
    const { arena } = makeTree();
    const ranges = [
      { first: 10, last: 19, entry: 1 },
      { first: 19, last: 25, entry: 2 },
    ];
    expect(() => SharedMapleTree.fromSorted(arena, ranges)).toThrow(
      "fromSorted: 19..25 begins before 20, which is next",
    );
    expect(
      arena.cache({ name: "maple_node", objectWords: L.NODE_WORDS, alignWords: L.NODE_ALIGN }).stats().live,
    ).toBe(0);
  });

  it("is what JSON comes back through", () => {
    const tree = new MapleTree<string>({ gaps: true });
    tree.setRange(5, 9, "a");
    tree.setRange(MAX_INDEX, MAX_INDEX, "z");
    const text = JSON.stringify(tree);
    expect(text).toBe(`{"gaps":true,"ranges":[[5,9,"a"],[${MAX_INDEX},${MAX_INDEX},"z"]]}`);
    const back = MapleTree.fromJSON<string>(JSON.parse(text));
    expect([back.get(7), back.get(MAX_INDEX), back.get(4)]).toEqual(["a", "z", undefined]);
    expect(back.findGap({ size: 5 })).toBe(0);
    const { arena } = makeTree();
    const shared = SharedMapleTree.fromJSON(arena, { gaps: false, ranges: [[1, 2, 3]] });
    expect(shared.toJSON()).toEqual({ gaps: false, ranges: [[1, 2, 3]] });
  });
});

describe("looking at a tree", () => {
  it("iterates over the gaps alone", () => {
    const { tree } = makeTree();
    tree.storeRange(10, 19, 1);
    tree.storeRange(20, 29, 2);
    tree.storeRange(40, 49, 3);
    expect([...tree.gaps(5, 45)]).toEqual([
      { first: 0, last: 9 },
      { first: 30, last: 39 },
    ]);
  });

  it("dumps JSON that tells every slot, and DOT with an edge for each child", () => {
    const { tree } = makeTree({ gaps: true, geometry: TEACHING_GEOMETRY });
    for (let n = 0; n < 40; n++) tree.storeRange(n * 10, n * 10 + 5, n + 1);
    const structure = JSON.parse(tree.dump({ format: "json" })) as TreeStructure;
    expect([structure.height, structure.nodes, structure.gaps]).toEqual([tree.height, tree.nodeCount, true]);
    if (structure.root === null || "entry" in structure.root) throw new Error("the root is no node");
    const leaves: number[] = [];
    const visit = (node: typeof structure.root): void => {
      if (node === null || "entry" in node) return;
      for (const slot of node.slots) {
        if (slot.child !== undefined) visit(slot.child);
        else if (slot.entry !== 0) leaves.push(slot.entry!);
      }
    };
    visit(structure.root);
    expect(leaves).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
    const dot = tree.dump({ format: "dot" });
    expect(dot.match(/ -> /g)).toHaveLength(tree.nodeCount - 1);
    expect(dot.match(/label=/g)).toHaveLength(tree.nodeCount);
  });

  it("escapes what would end a label of the graph", () => {
    const tree = new MapleTree<string>();
    tree.setRange(0, 1, 'a"{|}');
    expect(tree.dump({ format: "dot" })).toContain('a\\"\\{\\|\\}');
    expect(new MapleTree().dump({ format: "dot" })).toContain('label="empty"');
    expect(() => tree.dump({ format: "png" as "dot" })).toThrow(
      "format must be text, json, dot or svg, got png",
    );
  });

  it("explains a store as it is then carried out", () => {
    const { tree, writes } = makeTree({ gaps: true });
    for (let n = 0; n < 200; n++) {
      const first = (n * 7919) % 1000;
      const entry = n % 4 === 0 ? 0 : n;
      const plan = tree.explain(first, first + (n % 30), entry);
      const nodes = tree.nodeCount;
      expect(plan.leaf === undefined).toBe(tree.height === 0);
      tree.storeRange(first, first + (n % 30), entry);
      const write = writes.at(-1)!;
      expect([plan.type, plan.first, plan.last, plan.reserved]).toEqual([
        write.type,
        write.first,
        write.last,
        write.reserved,
      ]);
      if (write.type === "node_store") {
        expect([nodes, write.dead]).toEqual([tree.nodeCount, [plan.leaf!.node]]);
        expect(endOfLeaf(tree, write.built[0]!) + 1).toBe(plan.leaf!.slotsAfter);
      }
    }
  });
});

function lastLeafSlots(tree: SharedMapleTree): number {
  const { min, max } = tree.cursor(MAX_INDEX).position()!;
  return [...tree.ranges(min, max)].length;
}

function endOfLeaf(tree: SharedMapleTree, node: number): number {
  return tree.core.i32[node + 1]! & 0xff;
}

describe("a reservation", () => {
  it("makes the store that was planned succeed when there are no nodes left", () => {
    const { tree, writes } = makeTree({ gaps: true });
    for (let n = 0; n < 100; n++) tree.storeRange(n * 10, n * 10 + 5, n + 1);
    let at = 0;
    for (let n = 0; n < 300; n++) {
      at = (at + 377) % 1000;
      const cursor = tree.cursor(at, at + (n % 40));
      using reservation = cursor.reserve(n % 5 === 0 ? 0 : n);
      const { nodes } = reservation;
      tree.onAllocate = () => false;
      reservation.commit();
      tree.onAllocate = undefined;
      expect(writes.at(-1)?.reserved).toBe(nodes);
      tree.assertValid();
    }
  });

  it("gives its nodes back unused, once", () => {
    const { tree } = makeTree();
    for (let n = 0; n < 100; n++) tree.storeRange(n * 10, n * 10 + 5, n + 1);
    const { live } = tree.core.cache.stats();
    const reservation = tree.cursor(15, 700).reserve(1);
    expect(reservation.nodes).toBeGreaterThan(3);
    expect(tree.core.cache.stats().live).toBe(live + reservation.nodes);
    reservation.release();
    reservation.release();
    expect(tree.core.cache.stats().live).toBe(live);
    expect(codeOf(() => reservation.commit())).toBe("EINVAL");
  });

  it("that is refused resets the cursor; a refused store tells it, and can be tried again with nodes taken", () => {
    const { tree } = makeTree();
    tree.storeRange(10, 19, 1);
    const before = tree.dump();
    const cursor = tree.cursor(12, 13);
    tree.onAllocate = () => false;
    expect(codeOf(() => cursor.reserve(2))).toBe("ENOMEM");
    expect(cursor.status).toBe("start");
    expect(codeOf(() => cursor.store(2))).toBe("ENOMEM");
    expect([cursor.status, cursor.error, cursor.index, cursor.last]).toEqual(["error", -12, 12, 13]);
    expect([cursor.next(), tree.dump()]).toEqual([0, before]);
    tree.onAllocate = undefined;
    expect([cursor.nomem(), cursor.nomem()]).toEqual([true, false]);
    tree.onAllocate = () => false;
    cursor.store(2);
    cursor.destroy();
    expect(tree.load(12)).toBe(2);
    tree.assertValid();
  });
});

describe("a write for which there are no nodes", () => {
  it("leaves the tree as it was, whichever it is, and succeeds when there are some again", () => {
    const operation = fc.record({
      kind: fc.constantFrom("store", "erase", "insert", "allocate", "cursor"),
      at: fc.integer({ min: 0, max: 600 }),
      width: fc.integer({ min: 1, max: 80 }),
      entry: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), fc.boolean(), (operations, rcu) => {
        const { tree } = makeTree({ gaps: true, rcu, geometry: TEACHING_GEOMETRY });
        for (const { kind, at, width, entry } of operations) {
          const run = (): string =>
            codeOf(() => {
              if (kind === "erase") tree.erase(at);
              else if (kind === "insert") tree.insertRange(at, at + width, entry);
              else if (kind === "allocate") tree.allocate(entry + 1, { size: width, min: at });
              else if (kind === "cursor") tree.cursor(at, at + width).store(entry);
              else tree.storeRange(at, at + width, entry);
            });
          const before = tree.dump();
          const live = tree.core.cache.stats().live;
          tree.onAllocate = () => false;
          const refused = run();
          tree.onAllocate = undefined;
          if (refused !== "ENOMEM") continue;
          expect([tree.dump(), tree.core.cache.stats().live]).toEqual([before, live]);
          expect(run()).toBe("none");
          tree.assertValid();
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("bulk mode of a cursor", () => {
  it("fills leaves, and destroy() puts a last leaf right that was left nearly empty", () => {
    for (let count = 10; count < 60; count++) {
      const { tree } = makeTree({ rcu: false });
      const cursor = tree.cursor();
      cursor.expectedEntries(count);
      for (let n = 0; n < count; n++) {
        cursor.set(n * 10, n * 10 + 9);
        cursor.store(n + 1);
      }
      // Fewer came than were said to come.
      for (let n = count - 5; n < count; n++) {
        cursor.set(n * 10);
        cursor.erase();
      }
      cursor.destroy();
      tree.assertValid();
      expect([...tree].length).toBe(count - 5);
      if (tree.height > 1) expect(lastLeafSlots(tree)).toBeGreaterThan(4);
    }
  });
});
