import { Arena } from "@faultline/arena";
import {
  KERNEL_GEOMETRY,
  MAX_INDEX,
  TEACHING_GEOMETRY,
  type TreeOptions,
  type WriteEvent,
} from "@faultline/maple-tree";
import { type BuiltTree, buildFromLayout, type MailVariant, mailTree } from "@faultline/maple-tree/testing";
import { describe, expect, it } from "vitest";
import * as L from "../src/layout.ts";
import { rangesText } from "./helpers.ts";

// Store nothing over the mail's p4: 150 up to, but not including, 200.
const FIRST = 150;
const LAST = 199;

interface Example extends BuiltTree {
  readonly arena: Arena;
  readonly writes: WriteEvent[];
}

function example(variant: MailVariant, options: TreeOptions): Example {
  const arena = Arena.create({ bytes: 1 << 16, bytesMax: 1 << 20, shared: true, debug: true });
  const built = mailTree(arena, { gaps: true, ...options }, variant);
  const writes: WriteEvent[] = [];
  built.tree.onWrite = (event) => writes.push(event);
  return { arena, writes, ...built };
}

/** Slots in use and last index of a node. */
function shape({ tree }: Example, node: number): [slots: number, last: number] {
  const end = tree.core.i32[node + 1]! & 0xff;
  return [end + 1, tree.core.f64[(node >> 1) + L.PIVOTS_F64 + end]!];
}

const AFTER_A = "0-49=1 50-99=2 100-149=3 150-249=. 250-999=6";
const AFTER_B = "4000-4049=8 4050-4099=9 4100-4149=10 4150-4199=11";

describe("the mail's example: nothing stored over p4, next to the empty p5", () => {
  it.each([
    ["as written, small nodes", "as-written", TEACHING_GEOMETRY, 6],
    ["with one entry more in A, the kernel's nodes", "extra-entry", KERNEL_GEOMETRY, 7],
  ] as const)(
    "%s: one store into Root replaces A; Root and B are not copied",
    (_, variant, geometry, slots) => {
      const it = example(variant, { geometry });
      const [root, a, b] = ["Root", "A", "B"].map((name) => it.names.node(name)) as [number, number, number];
      expect(it.tree.storeRange(FIRST, LAST, 0)).toBe(4);
      const [write] = it.writes;
      const a2 = write!.built[0]!;
      expect(write).toMatchObject({
        type: "node_store",
        requestedFirst: 150,
        requestedLast: 199,
        first: 150,
        last: 249,
        reserved: 1,
        published: { node: root, slot: 0 },
        dead: [a],
        deferred: [a],
        gaps: [{ node: root, slot: 0, from: 50, to: 100 }],
        height: 2,
      });
      expect(write!.built).toHaveLength(1);
      expect(shape(it, a2)).toEqual([slots, 3999]);
      const { core } = it.tree;
      expect([root, a2, b].map((node) => core.isDead(node))).toEqual([false, false, false]);
      expect(core.isDead(a)).toBe(true);
      expect(rangesText(it.tree).startsWith(AFTER_A)).toBe(true);
      expect(rangesText(it.tree)).toContain(AFTER_B);
      it.tree.assertValid();
    },
  );

  it("as written, the kernel's nodes: A would be too empty, and what is left fits one leaf", () => {
    const it = example("as-written", { geometry: KERNEL_GEOMETRY });
    const old = ["Root", "A", "B"].map((name) => it.names.node(name));
    it.tree.storeRange(FIRST, LAST, 0);
    const [write] = it.writes;
    expect(write).toMatchObject({
      type: "rebalance",
      first: 150,
      last: 249,
      reserved: 3,
      published: { node: 0, slot: 0 },
      height: 1,
    });
    expect(write!.built).toHaveLength(1);
    expect(shape(it, write!.built[0]!)).toEqual([12, MAX_INDEX]);
    expect([...write!.dead].sort()).toEqual([...old].sort());
    expect([...write!.deferred].sort()).toEqual([...old].sort());
    expect([it.tree.height, it.tree.nodeCount]).toEqual([1, 1]);
    expect(rangesText(it.tree)).toBe(`${AFTER_A} 1000-3999=7 ${AFTER_B} 4200-4249=. 4250-max=13`);
    it.tree.assertValid();
  });

  it("with 13 slots in B, the kernel's nodes: a new Root, as the mail says of a rebalance", () => {
    const it = example("wide-b", { geometry: KERNEL_GEOMETRY });
    const old = ["Root", "A", "B"].map((name) => it.names.node(name));
    it.tree.storeRange(FIRST, LAST, 0);
    const [write] = it.writes;
    expect(write).toMatchObject({ type: "rebalance", published: { node: 0, slot: 0 }, height: 2 });
    expect(write!.built.map((node) => shape(it, node))).toEqual([
      [10, 4199],
      [9, MAX_INDEX],
      [2, MAX_INDEX],
    ]);
    expect([...write!.dead].sort()).toEqual([...old].sort());
    expect([it.tree.height, it.tree.nodeCount]).toEqual([2, 3]);
    it.tree.assertValid();
  });

  it("without RCU changes A where it is: nothing is built, nothing dies", () => {
    const it = example("extra-entry", { rcu: false });
    it.tree.storeRange(FIRST, LAST, 0);
    expect(it.writes[0]).toMatchObject({ type: "node_store", built: [], dead: [], published: undefined });
    expect(rangesText(it.tree).startsWith(AFTER_A)).toBe(true);
    it.tree.assertValid();
  });
});

describe("the old leaf", () => {
  it("is not reused while a read section that may see it is open, and is afterwards", () => {
    const { arena, tree, names } = example("extra-entry", {});
    const a = names.node("A");
    const { cache } = tree.core;
    const freed: number[] = [];
    cache.onFree = (node) => freed.push(node);

    arena.rcu.readLock();
    tree.storeRange(FIRST, LAST, 0);
    expect(tree.core.isDead(a)).toBe(true);
    expect([cache.reclaim(), cache.stats().deferred]).toEqual([0, 1]);
    // More writes than a slab has nodes: none of them may take A.
    const built: number[] = [];
    tree.onWrite = (event) => built.push(...event.built);
    for (let i = 0; i < 100; i++) tree.storeRange(FIRST, LAST, (i & 1) + 20);
    for (let i = 0; i < 100; i++) tree.storeRange(150 + (i % 30), 179, 30 + i);
    expect(built.length).toBeGreaterThan(60);
    expect(built).not.toContain(a);
    expect(freed).toEqual([]);
    // What a reader that stands in A still reads is the old leaf, whole: p4 is there.
    expect([tree.core.i32[a + 4 + 3], tree.core.f64[(a >> 1) + L.PIVOTS_F64 + 3]]).toEqual([4, 199]);
    arena.rcu.readUnlock();

    expect(cache.reclaim()).toBeGreaterThan(60);
    expect(freed[0]).toBe(a);
    expect(cache.stats()).toMatchObject({ deferred: 0, live: tree.nodeCount });
    const again = new Set(Array.from({ length: cache.stats().free }, () => cache.alloc()));
    expect(again.has(a)).toBe(true);
    for (const node of again) cache.free(node);
    tree.assertValid();
    arena.validate();
  });

  it("is not waited for by a section that was opened after the store", () => {
    const { arena, tree, names } = example("extra-entry", {});
    const freed: number[] = [];
    tree.core.cache.onFree = (node) => freed.push(node);
    tree.storeRange(FIRST, LAST, 0);
    arena.rcu.readLock();
    arena.rcu.readUnlock();
    tree.core.cache.reclaim();
    expect(freed).toEqual([names.node("A")]);
  });
});

describe("buildFromLayout", () => {
  const arena = (): Arena => Arena.create({ bytes: 1 << 16 });

  it("refuses nodes that no tree could have", () => {
    const slots = Array.from({ length: 17 }, (_, i) => [i === 16 ? MAX_INDEX : i, i + 1] as const);
    expect(() => buildFromLayout(arena(), { name: "Wide", slots })).toThrow(
      "buildFromLayout: Wide has 17 slots, allowed are 1..16",
    );
    expect(() => buildFromLayout(arena(), { slots: [[10, 1]] })).toThrow(RangeError);
    const thin = { slots: [[10, 1]] as const };
    const root = { slots: [[10, thin] as const, [MAX_INDEX, { slots: [[MAX_INDEX, 2] as const] }] as const] };
    expect(() => buildFromLayout(arena(), root)).toThrow("I2");
  });

  it("names nodes for dumps, and forgets a name that another node takes", () => {
    const { tree, names } = mailTree(arena());
    const a = names.node("A");
    expect(tree.dump({ name: (node) => names.find(node) })).toContain("A");
    names.set(names.node("B"), "A");
    expect([names.of(a), names.find(a)]).toEqual([`node@${a}`, undefined]);
    expect(() => names.node("B")).toThrow("no node is called B");
  });
});
