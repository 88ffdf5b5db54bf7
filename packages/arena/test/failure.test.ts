import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arena } from "../src/index.ts";

function setUp(): { arena: Arena; nodes: ReturnType<Arena["cache"]>; names: ReturnType<Arena["cache"]> } {
  const arena = Arena.create();
  const nodes = arena.cache({ name: "nodes", objectWords: 16 });
  const names = arena.cache({ name: "names", objectWords: 8 });
  return { arena, nodes, names };
}

describe("failures on demand", () => {
  it("count only the allocations of the cache they are meant for", () => {
    const { arena, nodes, names } = setUp();
    arena.failNth(2, { cache: "nodes" });
    expect([nodes.tryAlloc(), names.tryAlloc(), names.tryAlloc()]).not.toContain(0);
    expect(arena.allocWords(16)).not.toBe(0);
    expect(nodes.tryAlloc()).toBe(0);
    expect(nodes.tryAlloc()).not.toBe(0);
  });

  it("keep one count for all allocations beside those of single caches", () => {
    const { arena, nodes, names } = setUp();
    arena.failNth(3);
    arena.failNth(1, { cache: "names" });
    expect(names.tryAlloc()).toBe(0);
    expect(nodes.tryAlloc()).not.toBe(0);
    expect(() => arena.allocWords(16)).toThrow("arena is full");
    expect(names.tryAlloc()).not.toBe(0);
  });

  it("are the same for the same seed, and about as many as asked for", () => {
    const run = (seed: number): boolean[] => {
      const { arena, nodes } = setUp();
      arena.failRandomly(0.25, { cache: "nodes", seed });
      return Array.from({ length: 2000 }, () => nodes.tryAlloc() === 0);
    };
    const first = run(7);
    expect(run(7)).toEqual(first);
    expect(run(8)).not.toEqual(first);
    const failed = first.filter(Boolean).length;
    expect(failed).toBeGreaterThan(400);
    expect(failed).toBeLessThan(600);
  });

  it("are all or nothing at the ends of the range, and gone when disarmed", () => {
    const { arena, nodes } = setUp();
    arena.failRandomly(1);
    expect(nodes.tryAlloc()).toBe(0);
    expect(() => nodes.reserve(1)).toThrow("arena is full");
    arena.failRandomly(0);
    expect(nodes.tryAlloc()).not.toBe(0);
  });

  it("spare what was reserved", () => {
    const { arena, nodes } = setUp();
    nodes.reserve(2);
    arena.failRandomly(1);
    expect([nodes.tryAlloc(), nodes.tryAlloc()]).not.toContain(0);
    expect(nodes.tryAlloc()).toBe(0);
  });

  it("leave the arena valid and as it was", () => {
    const { arena, nodes } = setUp();
    const before = arena.stats();
    arena.failRandomly(1, { seed: 3 });
    for (let i = 0; i < 10; i++) nodes.tryAlloc();
    expect(arena.stats()).toEqual(before);
    arena.validate();
  });

  it("refuse what is no probability and no seed", () => {
    const { arena } = setUp();
    for (const bad of [-0.1, 1.1, Number.NaN]) {
      expect(() => arena.failRandomly(bad)).toThrow(`probability must be in 0..1, got ${bad}`);
    }
    expect(() => arena.failRandomly(0.5, { seed: 0.5 })).toThrow("Arena.failRandomly: seed");
  });
});

describe("leaks", () => {
  it("are exactly the objects that were allocated and not freed", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(3)), { maxLength: 200 }), (steps) => {
        const { arena, nodes, names } = setUp();
        const held: { cache: typeof nodes; word: number }[] = [];
        for (const [isNode, action] of steps) {
          const cache = isNode ? nodes : names;
          if (action > 0) held.push({ cache, word: cache.alloc() });
          const last = action === 0 ? held.pop() : undefined;
          if (last !== undefined) isNode ? last.cache.free(last.word) : last.cache.freeDeferred(last.word);
        }
        const expected = held.map(({ cache, word }) => ({ cache: cache.name, word }));
        const byWord = (a: { word: number }, b: { word: number }): number => a.word - b.word;
        expect(arena.leaks().sort(byWord)).toEqual(expected.sort(byWord));
      }),
    );
  });
});
