import { Arena } from "@faultline/arena";
import {
  enumCodec,
  KERNEL_GEOMETRY,
  MAX_INDEX,
  MAX_INDEX_U32,
  MapleTree,
  SharedMapleTree,
  TEACHING_GEOMETRY,
  type TreeJSON,
  type TreeStructure,
  WIDE_GEOMETRY,
} from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";
import { makeTree } from "./helpers.ts";

const MAX = 2 ** 32 - 1;
const BEHIND = 2 ** 32;
const u32 = { domain: "u32", gaps: true } as const;

function localTree(): MapleTree<string> {
  const tree = new MapleTree<string>(u32);
  tree.setRange(10, 19, "a");
  tree.setRange(MAX - 1, MAX, "z");
  return tree;
}

function wasmArena(): Arena {
  return Arena.create({ bytes: 1 << 18, bytesMax: 1 << 22, shared: true, wasm: true });
}

describe("the index domain of a tree", () => {
  it("is of 53 bits unless it is asked for that of 32, and nothing else", () => {
    expect([new MapleTree().maxIndex, new MapleTree(u32).maxIndex]).toEqual([MAX_INDEX, MAX]);
    expect(makeTree().tree.maxIndex).toBe(MAX_INDEX);
    expect(MAX_INDEX_U32).toBe(MAX);
    expect(() => makeTree({ domain: "u64" as "u32" })).toThrow(
      new RangeError("domain must be u32 or u53, got u64"),
    );
  });

  it("is in the header, so that whoever attaches sees it beside trees of the other one", () => {
    const { arena, tree } = makeTree({ ...u32, shared: true });
    const wide = SharedMapleTree.create(arena, { gaps: true });
    tree.storeRange(5, MAX, 1);
    wide.storeRange(5, BEHIND, 2);
    const [narrow, other] = [tree, wide].map(({ root }) => SharedMapleTree.attach(arena, root));
    expect([narrow!.maxIndex, other!.maxIndex]).toEqual([MAX, MAX_INDEX]);
    expect([narrow!.load(MAX), other!.load(BEHIND)]).toEqual([1, 2]);
    expect(() => narrow!.load(BEHIND)).toThrow(RangeError);
    narrow!.rcuMode = false;
    expect(SharedMapleTree.attach(arena, tree.root).maxIndex).toBe(MAX);
    expect([narrow!.validate(), other!.validate()]).toEqual([[], []]);
  });

  it("goes with copies, snapshots, histories and views", () => {
    const local = localTree();
    const { tree } = makeTree(u32);
    using history = tree.record();
    tree.storeRange(7, 9, 1);
    const ends = [local.clone(), tree.clone(), local.snapshot(), tree.snapshot(), history.at(1)];
    expect([...ends, tree.coded(enumCodec(["a"]))].map((each) => each.maxIndex)).toEqual(Array(6).fill(MAX));
    const snapshot = tree.snapshot();
    snapshot.validate();
    expect(snapshot.entryAt(10)).toEqual({ first: 10, last: MAX, value: undefined });
    expect([...snapshot.gaps()].at(-1)).toEqual({ first: 10, last: MAX });
    expect(() => snapshot.get(BEHIND)).toThrow(
      new RangeError(`get: index must be an integer in 0..${MAX}, got ${BEHIND}`),
    );
    expect(() => [...snapshot.ranges(0, BEHIND)]).toThrow(RangeError);
    expect(snapshot.toJSON()).toEqual(tree.toJSON());
    expect(history.at(0).entryAt(3).last).toBe(MAX);
    local.clone().assertValid();
  });

  it("goes through JSON, where the default is not mentioned", () => {
    const json = JSON.parse(JSON.stringify(localTree())) as TreeJSON<string>;
    expect(json).toEqual({
      gaps: true,
      domain: "u32",
      ranges: [
        [10, 19, "a"],
        [MAX - 1, MAX, "z"],
      ],
    });
    const back = MapleTree.fromJSON(json);
    expect([back.maxIndex, back.get(MAX)]).toEqual([MAX, "z"]);
    expect(MapleTree.fromJSON(json, { domain: "u53" }).entryAt(BEHIND)).toEqual({
      first: BEHIND,
      last: MAX_INDEX,
      value: undefined,
    });
    expect(new MapleTree().toJSON()).toEqual({ gaps: false, ranges: [] });
    const { arena } = makeTree();
    const tooFar = { gaps: true, domain: "u32", ranges: [[1, BEHIND, 3]] } as const;
    expect(() => SharedMapleTree.fromJSON(arena, tooFar)).toThrow(
      new RangeError(`fromSorted: last must be an integer in 0..${MAX}, got ${BEHIND}`),
    );
  });
});

describe("a tree of 32-bit indices", () => {
  const { arena, tree } = makeTree(u32);
  tree.storeRange(10, 19, 1);
  const local = localTree();
  const cursor = tree.cursor();
  const far = tree.cursor();
  far.index = BEHIND;
  const refused: [name: string, argument: string, call: () => unknown][] = [
    ["load", "load: index", () => tree.load(BEHIND)],
    ["entryAt", "entryAt: index", () => tree.entryAt(BEHIND)],
    ["storeRange", "storeRange: last", () => tree.storeRange(0, BEHIND, 1)],
    ["insertRange", "insertRange: last", () => tree.insertRange(30, BEHIND, 1)],
    ["erase", "erase: index", () => tree.erase(BEHIND)],
    ["explain", "explain: last", () => tree.explain(0, BEHIND, 1)],
    ["find", "find: index", () => tree.find(BEHIND)],
    ["find up to", "find: max", () => tree.find(0, BEHIND)],
    ["findBefore", "findBefore: index", () => tree.findBefore(BEHIND)],
    ["findBefore down to", "findBefore: min", () => tree.findBefore(0, BEHIND)],
    ["findGap", "findGap: max", () => tree.findGap({ size: 1, max: BEHIND })],
    ["findGap of a size", "findGap: size", () => tree.findGap({ size: BEHIND })],
    ["findGapReverse", "findGapReverse: min", () => tree.findGapReverse({ size: 1, min: BEHIND })],
    ["allocate", "allocate: align", () => tree.allocate(1, { size: 1, align: BEHIND })],
    ["allocateCyclic", "allocateCyclic: next", () => tree.allocateCyclic(1, { next: BEHIND })],
    ["entries", "entries: last", () => tree.entries(0, BEHIND)],
    ["ranges", "ranges: last", () => tree.ranges(0, BEHIND)],
    ["gaps", "gaps: last", () => tree.gaps(0, BEHIND)],
    ["cursor", "cursor: first", () => tree.cursor(BEHIND)],
    ["a cursor's set", "set: last", () => cursor.set(0, BEHIND)],
    ["a cursor's setWithin", "setWithin: last", () => cursor.setWithin(0, BEHIND)],
    ["a cursor's next", "next: max", () => cursor.next(BEHIND)],
    ["a cursor's nextRange", "nextRange: max", () => cursor.nextRange(BEHIND)],
    ["a cursor's find", "find: max", () => cursor.find(BEHIND)],
    ["a cursor's findRange", "findRange: max", () => cursor.findRange(BEHIND)],
    ["a cursor's prev", "prev: min", () => cursor.prev(BEHIND)],
    ["a cursor's findRev", "findRev: min", () => cursor.findRev(BEHIND)],
    ["a cursor's emptyArea", "emptyArea: max", () => cursor.emptyArea(0, BEHIND, 1)],
    ["a walk", "cursor: index", () => far.walk()],
    ["a cursor's position", "position: index", () => far.position()],
    ["get", "get: index", () => local.get(BEHIND)],
    ["has", "has: index", () => local.has(BEHIND)],
    ["setRange", "setRange: first", () => local.setRange(BEHIND, BEHIND, "x")],
    ["delete", "delete: index", () => local.delete(BEHIND)],
    ["a local find", "find: max", () => local.find(0, BEHIND)],
    ["a local allocateCyclic", "allocateCyclic: next", () => local.allocateCyclic("x", { next: BEHIND })],
    ["a local entries", "entries: last", () => local.entries(0, BEHIND)],
    [
      "fromSorted",
      "fromSorted: last",
      () => MapleTree.fromSorted([{ first: 0, last: BEHIND, value: 1 }], u32),
    ],
  ];

  it.each(refused)(
    "refuses an index behind its end in %s, by the argument's name and value",
    (_, what, call) => {
      const before = tree.dump();
      expect(call).toThrow(new RangeError(`${what} must be an integer in 0..${MAX}, got ${BEHIND}`));
      expect(tree.dump()).toBe(before);
      arena.validate();
    },
  );

  it("ends its last range, its gaps and its steps there", () => {
    const t = makeTree(u32).tree;
    expect([t.entryAt(7), t.largestGap()]).toEqual([{ first: 0, last: MAX, entry: 0 }, BEHIND]);
    t.storeRange(0, 0, 1);
    expect([t.entryAt(7), t.largestGap()]).toEqual([{ first: 1, last: MAX, entry: 0 }, MAX]);
    const root = t.cursor(0);
    expect([root.nextRange(), root.index, root.last]).toEqual([0, 1, MAX]);
    t.storeRange(20, 29, 2);
    expect([...t.gaps()].at(-1)).toEqual({ first: 30, last: MAX });
    expect(t.largestGap()).toBe(MAX - 29);
    const c = t.cursor(20);
    expect([c.nextRange(), c.index, c.last, c.status]).toEqual([0, 30, MAX, "active"]);
    expect([c.nextRange(), c.last, c.status]).toEqual([0, MAX, "overflow"]);
    expect([t.findGapReverse({ size: 4 }), t.findGap({ size: MAX - 29 })]).toEqual([MAX - 3, 30]);
    expect(t.explain(25, 40, 0)).toMatchObject({ first: 25, last: MAX });
    c.set(20);
    expect([c.erase(), c.index, c.last]).toEqual([2, 1, MAX]);
    t.assertValid();
  });

  it("is loaded from sorted ranges up to its end, whether the last of them reaches it or not", () => {
    for (const size of [3, 100]) {
      const ranges = Array.from({ length: size }, (_, n) => ({ first: n * 10, last: n * 10 + 5, value: n }));
      const short = MapleTree.fromSorted(ranges, u32);
      expect(short.entryAt(MAX)).toEqual({ first: size * 10 - 4, last: MAX, value: undefined });
      short.assertValid();
      const full = MapleTree.fromSorted([...ranges, { first: MAX - 1, last: MAX, value: -1 }], u32);
      expect(full.entryAt(MAX)).toEqual({ first: MAX - 1, last: MAX, value: -1 });
      full.assertValid();
    }
  });

  it("becomes one range when everything is stored to, and none when it is erased", () => {
    const t = makeTree(u32).tree;
    for (let n = 0; n < 200; n++) t.storeRange(n * 10, n * 10 + 5, n + 1);
    t.storeRange(0, MAX, 5);
    expect([t.height, [...t.ranges()]]).toEqual([1, [{ first: 0, last: MAX, entry: 5 }]]);
    t.storeRange(0, 9, 1);
    t.storeRange(0, MAX, 0);
    expect([t.isEmpty, t.nodeCount]).toEqual([true, 0]);
    t.assertValid();
  });

  it("tells of the wrap with the call behind the one that has handed out the last index", () => {
    for (const t of [makeTree(u32).tree, new MapleTree<number>(u32)]) {
      expect(t.allocateCyclic(1, { next: MAX })).toEqual({ index: MAX, next: 0, wrapped: false });
      expect(t.allocateCyclic(1, { next: 0 })).toEqual({ index: 0, next: 1, wrapped: true });
      expect(t.allocateCyclic(1, { next: 1 })).toEqual({ index: 1, next: 2, wrapped: false });
      expect(t.allocateCyclic(1, { next: MAX })).toEqual({ index: 2, next: 3, wrapped: true });
      t.assertValid();
    }
  });

  it("calls its last index max in every kind of dump", () => {
    const { tree: t } = makeTree({ ...u32, geometry: TEACHING_GEOMETRY });
    for (let n = 0; n < 20; n++) t.storeRange(n * 10, n * 10 + 5, n + 1);
    expect(t.dump()).toMatch(/^maple tree: .*gaps, rcu, u32\n {2}0-max:/);
    expect(t.dump({ format: "dot" })).toContain("196-max");
    expect(t.dump({ format: "svg" })).toContain("196-max");
    const structure = JSON.parse(t.dump({ format: "json" })) as TreeStructure;
    expect([structure.domain, structure.root]).toMatchObject(["u32", { first: 0, last: MAX }]);
    expect(makeTree().tree.dump()).toBe("maple tree: height 0, nodes 0, plain, rcu\n  (empty)");
  });

  it("is validated against its own end", () => {
    const { tree: t } = makeTree(u32);
    t.storeRange(10, 19, 1);
    const wide = SharedMapleTree.create(t.arena, { gaps: true });
    // The same nodes under a header of the other domain: their last pivot is not where that tree ends.
    t.core.i32[wide.root + 4] = t.core.i32[t.root + 4]!;
    wide.storeRange(10, 19, 1);
    expect(wide.validate().map(({ invariant }) => invariant)).toEqual([]);
    const narrow = SharedMapleTree.attach(t.arena, wide.root);
    expect(narrow.validate().map(({ invariant }) => invariant)).toContain("I4");
  });

  it("is read to its end in WebAssembly, where a root leaf is full", () => {
    const t = SharedMapleTree.create(wasmArena(), { domain: "u32" });
    expect(t.core.descent).toBeDefined();
    const slots = t.geometry.leafSlots;
    // Behind the last slot of a full leaf comes the first pivot, which must not look like an entry: a large odd number
    // has bits in all of its words.
    const lasts = Array.from({ length: slots }, (_, n) => (n === slots - 1 ? MAX : 2 ** 31 + 1 + n * 10));
    for (const [n, last] of lasts.entries()) t.storeRange(n === 0 ? 0 : lasts[n - 1]! + 1, last, n + 1);
    expect([t.height, t.load(MAX)]).toEqual([1, slots]);
    const c = t.cursor();
    const seen: number[] = [];
    for (let entry = c.find(); entry !== 0; entry = c.find()) seen.push(c.last);
    expect(seen).toEqual(lasts);
    expect([c.next(), c.status]).toEqual([0, "overflow"]);
  });
});

/** Text with the indices near the end counted from there: what is left is the same in both domains. */
function fromEnd(tree: SharedMapleTree, text: string): string {
  const counted = (digits: string): string => {
    return Number(digits) > 2 ** 31 ? `end-${tree.maxIndex - Number(digits)}` : digits;
  };
  return text.replace(", u32", "").replaceAll(/\d+/g, counted);
}

describe.each([
  ["kernel", KERNEL_GEOMETRY],
  ["wide", WIDE_GEOMETRY],
  ["teaching", TEACHING_GEOMETRY],
])("the nodes of a tree (%s geometry)", (_, geometry) => {
  it.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])("are the same in both domains after each write (RCU: %s, gaps: %s)", (rcu, gaps) => {
    const [narrow, wide] = (["u32", "u53"] as const).map((domain) => {
      // Each in an arena of its own, so that nodes have the same words.
      const arena = Arena.create({ bytes: 1 << 18, bytesMax: 1 << 26, debug: true });
      return SharedMapleTree.create(arena, { geometry, rcu, gaps, domain });
    }) as [SharedMapleTree, SharedMapleTree];
    let seed = 1;
    const below = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >> 8) % n;
    };
    for (let round = 0; round < 1500; round++) {
      // In turns it grows and shrinks, down to one leaf.
      const shrinks = round % 300 > 150;
      const first = below(20) === 0 ? 0 : below(1500);
      const toEnd = below(shrinks ? 25 : 60) === 0;
      const more = below(shrinks ? 150 : 12);
      const entry = below(10) < (shrinks ? 8 : 2) ? 0 : 1 + below(50);
      const [there, here] = [narrow, wide].map((tree) => {
        const last = toEnd ? tree.maxIndex : first + more;
        const plan = JSON.stringify(tree.explain(first, last, entry));
        tree.storeRange(first, last, entry);
        return fromEnd(tree, `${plan} ${tree.dump({ addresses: false })}`);
      });
      expect(there).toBe(here);
    }
    narrow.assertValid();
  });
});
