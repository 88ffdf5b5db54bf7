import { Arena, ArenaError, type SlabCache } from "@faultline/arena";
import { describe, expect, it } from "vitest";
import * as L from "../src/layout.ts";

const KIB16 = 16384;
const OPTIONS = { name: "node", objectWords: 64, alignWords: 64 };
function setup(options = {}): { arena: Arena; cache: SlabCache } {
  const arena = Arena.create({ shared: true, bytes: KIB16, ...options });
  return { arena, cache: arena.cache(OPTIONS) };
}

function attach(arena: Arena): { arena: Arena; cache: SlabCache } {
  const other = Arena.attach(arena.handle());
  return { arena: other, cache: other.cache(OPTIONS) };
}

/** The arena's lock counts as taken when its word has changed hands; -1 can only be seen under it. */
function countLocks(arena: Arena, run: () => void): number {
  const { compareExchange } = Atomics;
  let locks = 0;
  Atomics.compareExchange = ((array: Int32Array, index: number, expected: number, value: number) => {
    if (array instanceof Int32Array && index === L.LOCK) locks++;
    return compareExchange(array, index, expected, value);
  }) as typeof Atomics.compareExchange;
  try {
    run();
  } finally {
    Atomics.compareExchange = compareExchange;
  }
  expect(arena.isShared).toBe(true);
  return locks;
}

describe("a magazine", () => {
  it("lets an agent allocate and free without the lock, which it takes once for half a magazine", () => {
    const { arena, cache } = setup();
    const words = Array.from({ length: 10 }, () => cache.alloc());
    expect(
      countLocks(arena, () => {
        for (let i = 0; i < 1000; i++) {
          cache.free(words[i % 10]);
          words[i % 10] = cache.alloc();
        }
      }),
    ).toBe(0);
    expect(countLocks(arena, () => Array.from({ length: 280 }, () => cache.alloc()))).toBeLessThan(25);
    arena.validate();
  });

  it("moves half of itself to the depot when it is full, where others can allocate it", () => {
    const { arena, cache } = setup({ bytesMax: 3 * KIB16, magazineObjects: 8 });
    const other = attach(arena);
    const words: number[] = [];
    for (let word = cache.tryAlloc(); word !== 0; word = cache.tryAlloc()) words.push(word);
    for (const word of words) cache.free(word);
    expect(cache.stats()).toMatchObject({ live: 0, free: 126 });
    expect(cache.stats().atHand).toBeLessThanOrEqual(8);
    let theirs = 0;
    while (other.cache.tryAlloc() !== 0) theirs++;
    expect(theirs).toBe(126 - cache.stats().atHand);
    arena.validate();
  });

  it("goes back to the depot when the arena is closed, and serves the next agent", () => {
    const { arena, cache } = setup();
    cache.free(cache.alloc());
    expect(cache.stats().atHand).toBeGreaterThan(0);
    const records = arena.stats().carvedWords;
    arena.close();
    expect(cache.stats().atHand).toBe(0);
    const other = attach(arena);
    other.cache.alloc();
    expect(arena.stats().carvedWords).toBe(records);
    arena.validate();
  });

  it("keeps what is promised at hand while it overflows", () => {
    const { arena, cache } = setup({ bytesMax: 3 * KIB16, magazineObjects: 8 });
    const other = attach(arena);
    const words = Array.from({ length: 40 }, () => cache.alloc());
    cache.reserve(8);
    cache.free(words[0]); // finds the magazine full
    while (other.cache.tryAlloc() !== 0);
    for (let i = 0; i < 8; i++) expect(cache.tryAlloc()).not.toBe(0);
    arena.validate();
  });

  it("does without where there is no room for one", () => {
    const { arena, cache } = setup({ bytesMax: 2 * KIB16 });
    arena.allocWords(2400);
    const words: number[] = [];
    for (let word = cache.tryAlloc(); word !== 0; word = cache.tryAlloc()) words.push(word);
    expect(words.length).toBe(63);
    expect(cache.stats().atHand).toBe(0);
    for (const word of words) cache.free(word);
    expect(cache.stats()).toMatchObject({ live: 0, free: 63 });
    arena.validate();
  });

  it("finds a double free although another agent has the object at hand", () => {
    const { arena, cache } = setup();
    const other = attach(arena);
    const word = cache.alloc();
    other.cache.alloc();
    other.cache.free(word);
    expect(() => cache.free(word)).toThrow(ArenaError);
    expect(() => cache.freeDeferred(word)).toThrow(ArenaError);
    arena.validate();
  });

  it("refuses more objects than fit its record", () => {
    expect(() => Arena.create({ magazineObjects: 57 })).toThrow(
      "Arena.create: magazineObjects must be an integer in 0..56, got 57",
    );
  });
});

describe("a handle", () => {
  it.each([4, 8, 16, 64, 1024])("names its object, with an alignment of %i words", (alignWords) => {
    for (const debug of [false, true]) {
      const arena = Arena.create({ shared: true, debug });
      const cache = arena.cache({ name: "any", objectWords: 4, alignWords });
      for (let i = 0; i < 2000; i++) {
        const word = cache.alloc();
        const handle = cache.handleOf(word);
        expect(handle).toBe(handle | 0);
        expect(handle).not.toBe(0);
        expect(cache.wordOf(handle)).toBe(word);
        if (i % 3 === 0) cache.free(word);
      }
    }
  });

  it("is the word itself without debug mode", () => {
    const { cache } = setup();
    const word = cache.alloc();
    expect(cache.handleOf(word)).toBe(word);
  });

  it("is stale once its object has been freed, also when that is allocated again", () => {
    const { arena, cache } = setup({ debug: true });
    const word = cache.alloc();
    const handle = cache.handleOf(word);
    cache.free(word);
    expect(() => cache.wordOf(handle)).toThrow(expect.objectContaining({ code: "ESTALE" }));
    expect(cache.alloc()).toBe(word);
    expect(() => cache.wordOf(handle)).toThrow(`names object ${word}, which has been freed since`);
    expect(cache.wordOf(cache.handleOf(word))).toBe(word);
    cache.freeDeferred(word);
    expect(() => cache.handleOf(word)).toThrow(ArenaError);
    arena.validate();
  });
});
