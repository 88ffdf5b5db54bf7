import { Arena, ArenaError, type SlabCache } from "@faultline/arena";
import { describe, expect, it } from "vitest";
import * as L from "../src/layout.ts";
import { State, stateIndex } from "../src/object-state.ts";

const KIB16 = 16384;
const OPTIONS = { name: "node", objectWords: 64, alignWords: 64 };
/** An agent that is not this thread. */
const DEAD_AGENT = 1024;

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

/** Makes this thread's magazine that of an agent which has died. */
function die(arena: Arena, change: (i32: Int32Array, record: number) => void = () => {}): void {
  const record = arena.i32[L.cacheRecord(0) + L.MAGAZINES];
  arena.i32[record + L.OWNER] = DEAD_AGENT;
  change(arena.i32, record);
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
    for (const word of words) cache.free(word);
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

describe("the death of an agent", () => {
  it("gives back what it had at hand and keeps what it had allocated", () => {
    const { arena, cache } = setup();
    const word = cache.alloc();
    const { atHand } = cache.stats();
    cache.reserve(100);
    die(arena);
    const survivor = attach(arena);
    expect(survivor.arena.agentDied(DEAD_AGENT)).toBeGreaterThanOrEqual(atHand);
    survivor.arena.validate();
    expect(survivor.cache.stats()).toMatchObject({ atHand: 0, reserved: 0, live: 1 });
    expect(survivor.cache.live()).toEqual([word]);
    expect(survivor.arena.agentDied(DEAD_AGENT)).toBe(0);
  });

  // What the words are between the stores of alloc() and free(); the object in hand is the first one.
  const moments: [string, number, (i32: Int32Array, record: number, word: number) => void][] = [
    ["about to take an object out", 0, (i32, m, word) => (i32[m + L.IN_HAND] = word)],
    [
      "after it has taken it out",
      0,
      (i32, m, word) => {
        i32[m + L.IN_HAND] = word;
        i32[m + L.COUNT]--;
      },
    ],
    [
      "after it has become live, before the caller had it",
      0,
      (i32, m, word) => {
        i32[m + L.IN_HAND] = word;
        i32[m + L.COUNT]--;
        new Uint8Array(i32.buffer)[stateIndex(word, 6)] = State.Live;
      },
    ],
    [
      "with the entry written and not counted",
      0,
      (i32, m, word) => {
        i32[m + L.IN_HAND] = word;
        i32[m + L.COUNT]--;
      },
    ],
  ];
  it.each(moments)("%s loses no object", (_, live, change) => {
    const { arena, cache } = setup();
    cache.free(cache.alloc());
    const top = arena.i32[L.cacheRecord(0) + L.MAGAZINES];
    const word = arena.i32[top + L.ENTRIES + arena.i32[top + L.COUNT] - 1];
    die(arena, (i32, record) => change(i32, record, word));
    arena.agentDied(DEAD_AGENT);
    arena.validate();
    expect(attach(arena).cache.stats()).toMatchObject({ live, free: 63, atHand: 0 });
  });
});
