import { Arena, ArenaError, type SlabCache } from "@faultline/arena";
import { describe, expect, it } from "vitest";

const KIB16 = 16384;

/** One thread; several with every call under the lock; several with objects at hand. */
const KINDS = [{ shared: false }, { shared: true, magazineObjects: 0 }, { shared: true }] as const;
type Kind = { readonly shared: boolean; readonly magazineObjects?: number };

function setup(
  kind: Kind,
  extra: { bytesMax?: number; debug?: boolean } = {},
): { arena: Arena; cache: SlabCache } {
  const arena = Arena.create({ ...kind, bytes: KIB16, ...extra });
  return { arena, cache: arena.cache({ name: "node", objectWords: 64, alignWords: 64 }) };
}

function allocAll(cache: SlabCache): number[] {
  const words: number[] = [];
  for (let word = cache.tryAlloc(); word !== 0; word = cache.tryAlloc()) words.push(word);
  return words;
}

describe.each<Kind>(KINDS)("a slab cache with $shared, $magazineObjects", (kind) => {
  it("hands out aligned, disjoint objects whose first two words are zero", () => {
    for (const [objectWords, alignWords] of [
      [4, 4],
      [5, 4],
      [6, 8],
      [64, 64],
      [528, 16],
      [2032, 4],
      [4, 1024],
    ]) {
      const arena = Arena.create(kind);
      const cache = arena.cache({ name: "odd", objectWords: objectWords!, alignWords: alignWords! });
      const words = Array.from({ length: 50 }, () => {
        const word = cache.alloc();
        expect([arena.i32[word], arena.i32[word + 1]]).toEqual([0, 0]);
        arena.i32.fill(-1, word, word + objectWords!);
        return word;
      });
      words.sort((a, b) => a - b);
      words.forEach((word, i) => {
        expect(word % alignWords!).toBe(0);
        if (i > 0) expect(word - words[i - 1]).toBeGreaterThanOrEqual(objectWords!);
      });
      arena.validate();
    }
  });

  it("reuses the object freed last", () => {
    const { cache } = setup(kind);
    const [a, b] = [cache.alloc(), cache.alloc()];
    cache.free(a);
    cache.free(b);
    expect([cache.alloc(), cache.alloc()]).toEqual([b, a]);
  });

  it("names the word of a double free", () => {
    const { arena, cache } = setup(kind);
    const word = cache.alloc();
    cache.free(word);
    expect(() => cache.free(word)).toThrow(`node.free: word ${word} is not an allocated object`);
    expect(() => cache.freeDeferred(word)).toThrow(`node.freeDeferred: word ${word} is not`);
    const deferred = cache.alloc();
    cache.freeDeferred(deferred);
    expect(() => cache.free(deferred)).toThrow(ArenaError);
    expect(() => cache.freeDeferred(deferred)).toThrow(ArenaError);
    arena.validate();
  });

  it("refuses words that start no object of its own", () => {
    const { arena, cache } = setup(kind);
    const other = arena.cache({ name: "other", objectWords: 64, alignWords: 64 });
    const carved = arena.allocWords(64);
    const word = cache.alloc();
    const wild = [
      word + 1,
      word + 4,
      word + 64,
      word - 64,
      word + 0.5,
      word + 2 ** 32,
      other.alloc(),
      carved,
    ];
    for (const bad of [...wild, 0, -64, Number.NaN, 2 ** 29, 2 ** 31, undefined as unknown as number]) {
      expect(() => cache.free(bad)).toThrow(`node.free: word ${bad} is not an allocated object`);
    }
    arena.validate();
    expect(cache.stats().live).toBe(1);
  });

  it("leaves all as it was when the arena is full", () => {
    const { arena, cache } = setup(kind, { bytesMax: 3 * KIB16 });
    const words = allocAll(cache);
    expect(words.length).toBe(2 * 63);
    const before = arena.i32.slice();
    expect(cache.tryAlloc()).toBe(0);
    expect(() => cache.alloc()).toThrow("node.alloc: arena is full, 49152 of at most 49152 bytes");
    expect(() => cache.reserve(1)).toThrow(ArenaError);
    expect(arena.i32).toEqual(before);
    arena.validate();
    cache.free(words[5]);
    expect(cache.alloc()).toBe(words[5]);
  });

  it("reserves all or nothing", () => {
    const { arena, cache } = setup(kind, { bytesMax: 3 * KIB16 });
    cache.alloc();
    const before = arena.stats();
    expect(() => cache.reserve(126)).toThrow(ArenaError);
    expect(arena.stats()).toEqual(before);
    cache.reserve(125);
    arena.validate();
    const grown = arena.stats().grown;
    arena.failNth(1);
    for (let i = 0; i < 125; i++) cache.alloc();
    expect(arena.stats().grown).toBe(grown);
    expect(cache.stats()).toMatchObject({ live: 126, free: 0, reserved: 0 });
    arena.failNth(0);
    expect(cache.tryAlloc()).toBe(0);
    arena.validate();
  });

  it("tops a reservation up instead of adding to it, and gives it back", () => {
    const { cache } = setup(kind);
    cache.reserve(7);
    cache.alloc();
    cache.alloc();
    expect(cache.stats().reserved).toBe(5);
    cache.reserve(7);
    cache.reserve(3);
    expect(cache.stats().reserved).toBe(7);
    cache.unreserve();
    expect(cache.stats().reserved).toBe(0);
    expect(() => cache.reserve(-1)).toThrow("node.reserve: count must be an integer in 0..16777216, got -1");
  });

  it("uses deferred objects for a reservation before it grows", () => {
    const { arena, cache } = setup(kind, { bytesMax: 2 * KIB16 });
    for (const word of allocAll(cache)) cache.freeDeferred(word);
    cache.reserve(63);
    expect(cache.stats()).toMatchObject({ deferred: 0, free: 63, reserved: 63 });
    arena.validate();
  });

  it("fails exactly the n-th allocation on demand, once", () => {
    const { arena, cache } = setup(kind);
    for (const fails of [1, 2, 5]) {
      arena.failNth(fails);
      const outcomes = Array.from({ length: 6 }, () => cache.tryAlloc() !== 0);
      expect(outcomes).toEqual([1, 2, 3, 4, 5, 6].map((n) => n !== fails));
    }
    const before = arena.i32.slice();
    arena.failNth(1);
    expect(() => cache.alloc()).toThrow(ArenaError);
    arena.failNth(1);
    expect(() => cache.reserve(1)).toThrow(ArenaError);
    arena.failNth(1);
    expect(() => arena.allocWords(1)).toThrow(ArenaError);
    expect(arena.i32).toEqual(before);
    arena.failNth(1);
    arena.failNth(0);
    expect(cache.tryAlloc()).not.toBe(0);
  });

  it("calls onFree when an object has returned to the free list", () => {
    const { arena, cache } = setup(kind);
    const freed: number[] = [];
    cache.onFree = (word) => freed.push(word);
    const [a, b] = [cache.alloc(), cache.alloc()];
    cache.freeDeferred(a);
    expect(freed).toEqual([]);
    cache.free(b);
    arena.rcu.synchronize();
    cache.reclaim();
    expect(freed).toEqual([b, a]);
  });

  it("lets the hook of onFree allocate", () => {
    const { arena, cache } = setup(kind);
    let again = 0;
    cache.onFree = () => {
      again = cache.alloc();
    };
    const word = cache.alloc();
    cache.freeDeferred(word);
    cache.reclaim();
    // Objects at hand come first, the reclaimed one lies in the depot.
    if (kind.shared && kind.magazineObjects === undefined) expect(again).not.toBe(0);
    else expect(again).toBe(word);
    arena.validate();
  });

  it("poisons free objects in debug mode and finds a write after free", () => {
    const { arena, cache } = setup(kind, { debug: true });
    const word = cache.alloc();
    expect(arena.i32[word + 2]).toBe(0x6b6b6b6b);
    arena.i32.fill(1, word, word + 64);
    cache.free(word);
    expect(arena.i32[word + 63]).toBe(0x6b6b6b6b);
    arena.i32[word + 63] = 5;
    expect(() => cache.alloc()).toThrow(`word ${word + 63} (object ${word} + 63) was written after free: 5`);
  });

  it("takes the debug mode from the arena it is attached to", () => {
    const { arena } = setup(kind, { debug: true });
    const cache = Arena.attach(arena.handle()).cache({ name: "node", objectWords: 64, alignWords: 64 });
    const word = cache.alloc();
    cache.free(word);
    arena.refresh();
    expect(arena.i32[word]).toBe(0x6b6b6b6b);
  });
});

it("keeps another agent's allocations away from reserved objects", () => {
  const arena = Arena.create({ shared: true, bytes: KIB16, bytesMax: 2 * KIB16 });
  const options = { name: "node", objectWords: 64, alignWords: 64 };
  const [mine, theirs] = [arena.cache(options), Arena.attach(arena.handle()).cache(options)];
  mine.reserve(60);
  expect(allocAll(theirs).length).toBe(3);
  for (let i = 0; i < 60; i++) mine.alloc();
  expect(mine.tryAlloc()).toBe(0);
  arena.validate();
});

it("gives reservations back when an arena is closed", () => {
  const arena = Arena.create({ shared: true });
  const other = Arena.attach(arena.handle());
  other.cache({ name: "node", objectWords: 8 }).reserve(5);
  other.close();
  expect(arena.stats().caches[0].reserved).toBe(0);
});
