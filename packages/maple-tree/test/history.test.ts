import { Arena } from "@faultline/arena";
import { MAX_INDEX, MapleTree, SharedMapleTree, TEACHING_GEOMETRY } from "@faultline/maple-tree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const write = fc.record({
  first: fc.integer({ min: 0, max: 400 }),
  size: fc.integer({ min: 1, max: 60 }),
  value: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
});
const writes = fc.array(write, { minLength: 1, maxLength: 80 });

describe("a history", () => {
  it("gives every version again, with the nodes of its time", () => {
    fc.assert(
      fc.property(writes, fc.integer({ min: 1, max: 20 }), (steps, keyframeEvery) => {
        const tree = new MapleTree<number>({ geometry: TEACHING_GEOMETRY, gaps: true });
        tree.setRange(100, 199, 7);
        const history = tree.record({ keyframeEvery });
        const dumps = [tree.dump({ addresses: false })];
        for (const { first, size, value } of steps) {
          tree.setRange(first, first + size - 1, value);
          while (dumps.length <= history.newest) dumps.push(tree.dump({ addresses: false }));
        }
        for (const [version, dump] of dumps.entries()) {
          const then = history.at(version);
          then.assertValid();
          expect(then.dump({ addresses: false })).toBe(dump);
          then.clear();
        }
        history.stop();
        tree.assertValid();
      }),
      { numRuns: 60 },
    );
  });

  it("keeps the values of a local tree, also those whose entry has been used again", () => {
    const tree = new MapleTree<{ name: string }>();
    const history = tree.record();
    for (let i = 0; i < 500; i++) tree.set(3, { name: `value ${i}` });
    expect(history.at(1).get(3)).toEqual({ name: "value 0" });
    expect(history.at(499).get(3)).toEqual({ name: "value 498" });
    expect(history.writes[7]).toMatchObject({ version: 8, first: 3, last: 3, value: { name: "value 7" } });
  });

  it("records what a shared tree's instance writes, and gives all nodes back when it ends", () => {
    const arena = Arena.create({ shared: true });
    const tree = SharedMapleTree.create(arena, { geometry: TEACHING_GEOMETRY });
    {
      using history = tree.record({ keyframeEvery: 10 });
      for (let i = 0; i < 100; i++) tree.storeRange(10 * i, 10 * i + 9, i + 1);
      const then = history.at(50);
      expect([...then.entries()].length).toBe(50);
      then.clear();
      tree.clear();
      expect(history.at(101).isEmpty).toBe(true);
    }
    arena.rcu.synchronize();
    tree.core.cache.reclaim();
    expect(tree.core.cache.stats()).toMatchObject({ live: 0, deferred: 0 });
  });

  it("forgets the oldest writes beyond its limit", () => {
    const tree = new MapleTree<number>();
    const history = tree.record({ keyframeEvery: 10, limit: 25 });
    for (let i = 1; i <= 100; i++) tree.set(i, i);
    expect(history.oldest).toBe(70);
    expect(history.newest).toBe(100);
    expect(history.writes.map((each) => each.version)).toEqual(Array.from({ length: 30 }, (_, i) => 71 + i));
    expect([...history.at(70).entries()].length).toBe(70);
    expect(() => history.at(69)).toThrow("at: version must be an integer in 70..100, got 69");
  });

  it("leaves the hook that was there in place, and ends without disturbing a later one", () => {
    const tree = new MapleTree<number>();
    const seen: string[] = [];
    tree.onWrite = ({ type }) => seen.push(type);
    const history = tree.record();
    tree.set(5, 1);
    history.stop();
    history.stop();
    tree.set(6, 1);
    expect(seen.length).toBe(2);
    expect(history.newest).toBe(1);
    expect(() => history.at(0)).toThrow("at: this history is stopped");
  });

  it("does not fail a write for want of room for a keyframe", () => {
    const arena = Arena.create({ bytes: 1 << 16, bytesMax: 1 << 16 });
    const tree = new MapleTree<number>({ arena });
    const history = tree.record({ keyframeEvery: 1 });
    let stored = 0;
    expect(() => {
      for (; stored < 1e5; stored++) tree.set(2 * stored, stored);
    }).toThrow(expect.objectContaining({ code: "ENOMEM" }));
    tree.assertValid();
    arena.validate();
    expect(history.newest).toBe(stored);
  });

  it.each([0, 1.5, Number.NaN])("refuses to make a keyframe every %d writes", (keyframeEvery) => {
    const tree = new MapleTree<number>();
    expect(() => tree.record({ keyframeEvery })).toThrow("record: keyframeEvery must be an integer >= 1");
    expect(() => tree.record({ limit: 0 })).toThrow("record: limit must be at least 1, got 0");
    expect(tree.onWrite).toBeUndefined();
  });
});

describe("a snapshot", () => {
  it("answers as the tree did, whatever is written later", () => {
    fc.assert(
      fc.property(writes, writes, (before, after) => {
        const tree = new MapleTree<number>({ gaps: true });
        for (const { first, size, value } of before) tree.setRange(first, first + size - 1, value);
        const expected = [...tree.ranges()];
        const snapshot = tree.snapshot();
        for (const { first, size, value } of after) tree.setRange(first, first + size - 1, value);
        snapshot.validate();
        expect([...snapshot.ranges()]).toEqual(expected);
        for (const range of expected) {
          for (const index of [range.first, range.last]) {
            expect(snapshot.get(index)).toBe(range.value);
            expect(snapshot.entryAt(index)).toEqual(range);
          }
        }
        expect(snapshot.size).toBe(expected.filter((range) => range.value !== undefined).length);
        expect(MapleTree.fromJSON(snapshot.toJSON()).toJSON()).toEqual(snapshot.toJSON());
      }),
      { numRuns: 100 },
    );
  });

  it("of a part has the ranges that touch it", () => {
    const tree = MapleTree.from([
      { first: 10, last: 19, value: "a" },
      { first: 30, last: 39, value: "b" },
    ]);
    const snapshot = tree.snapshot();
    expect([...snapshot.entries(15, 29)]).toEqual([{ first: 10, last: 19, value: "a" }]);
    expect([...snapshot.gaps(15, 30)]).toEqual([{ first: 20, last: 29 }]);
    expect([...snapshot].map((range) => range.value)).toEqual(["a", "b"]);
    expect(() => [...snapshot.ranges(5, 4)]).toThrow("ranges: last 4 is below first 5");
    expect(() => snapshot.get(-1)).toThrow(RangeError);
    expect(new MapleTree().snapshot().isEmpty).toBe(true);
  });

  it("of a shared tree hides what is reserved but empty, as load() does", () => {
    const tree = SharedMapleTree.create(Arena.create({ shared: true }));
    tree.storeRange(5, 9, 2 ** 30);
    tree.storeRange(20, 29, 3);
    const snapshot = tree.snapshot();
    expect([snapshot.get(5), snapshot.get(25), snapshot.get(MAX_INDEX)]).toEqual([undefined, 3, undefined]);
    expect(snapshot.entryAt(5).value).toBe(2 ** 30);
  });
});
