import { Arena, ArenaError } from "@faultline/arena";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

/** What the arena should be doing, told with a Map and an array. */
interface Model {
  /** Live objects and the value written all over them. */
  live: Map<number, number>;
  /** Deferred objects, and whether the reader open at the time, if any, is still the same one. */
  deferred: { word: number; section: number }[];
  /** Number of the read section that is open, 0 if none. */
  section: number;
  sections: number;
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ op: fc.constant("alloc" as const), n: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("free" as const), n: fc.nat(1000) }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("defer" as const), n: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("reclaim" as const), n: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("section" as const), n: fc.constant(0) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("reserve" as const), n: fc.integer({ min: 0, max: 40 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("carve" as const), n: fc.integer({ min: 1, max: 3000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("fail" as const), n: fc.integer({ min: 1, max: 3 }) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const config = fc.record({
  shared: fc.boolean(),
  debug: fc.boolean(),
  magazineObjects: fc.constantFrom(0, 1, 2, 5, 56),
  objectWords: fc.constantFrom(4, 7, 64, 528, 2032),
  chunksMax: fc.integer({ min: 2, max: 12 }),
});

describe("an arena against a model", () => {
  it("never hands out an object twice, loses none and counts right", () => {
    fc.assert(
      fc.property(
        config,
        fc.array(step, { maxLength: 120 }),
        ({ chunksMax, objectWords, ...options }, steps) => {
          const arena = Arena.create({ ...options, bytes: 16384, bytesMax: chunksMax * 16384 });
          const cache = arena.cache({ name: "object", objectWords });
          const model: Model = { live: new Map(), deferred: [], section: 0, sections: 0 };
          cache.onFree = (word) => onFree(model, word);
          for (const each of steps) {
            apply(arena, cache, model, each, objectWords);
            arena.validate();
            expect(cache.stats()).toMatchObject({ live: model.live.size, deferred: model.deferred.length });
            checkContents(arena, model, objectWords);
          }
          if (model.section !== 0) arena.rcu.readUnlock();
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** An object may come back only if the section that was open when it was deferred has closed. */
function onFree(model: Model, word: number): void {
  const at = model.deferred.findIndex((each) => each.word === word);
  if (at === -1) return;
  const { section } = model.deferred[at];
  expect(section === 0 || section !== model.section, `object ${word} came back too early`).toBe(true);
  model.deferred.splice(at, 1);
}

function apply(
  arena: Arena,
  cache: ReturnType<Arena["cache"]>,
  model: Model,
  { op, n }: Step,
  objectWords: number,
): void {
  const pick = [...model.live.keys()][n % Math.max(1, model.live.size)];
  if (op === "alloc") {
    for (let i = 0; i < n; i++) allocOne(arena, cache, model, objectWords);
  } else if (op === "free" && pick !== undefined) {
    model.live.delete(pick);
    cache.free(pick);
    expect(() => cache.free(pick)).toThrow(ArenaError);
  } else if (op === "defer" && pick !== undefined) {
    model.live.delete(pick);
    model.deferred.push({ word: pick, section: model.section });
    cache.freeDeferred(pick);
  } else if (op === "reclaim") {
    cache.reclaim();
    const early = model.deferred.filter((each) => each.section === 0 || each.section !== model.section);
    if (model.section === 0) expect(early).toEqual([]);
  } else if (op === "section") {
    if (model.section === 0) {
      model.section = ++model.sections;
      arena.rcu.readLock();
    } else {
      model.section = 0;
      arena.rcu.readUnlock();
    }
  } else if (op === "reserve") {
    const before = arena.stats();
    if (refuses(() => cache.reserve(n))) {
      expect(arena.stats().bytesUsed).toBe(before.bytesUsed);
      expect(cache.stats().reserved).toBe(before.caches[0].reserved);
    } else {
      expect(cache.stats().reserved).toBeGreaterThanOrEqual(n);
    }
  } else if (op === "carve") {
    const before = arena.stats();
    if (refuses(() => arena.i32.fill(-1, ...range(arena.allocWords(n), n))))
      expect(arena.stats()).toEqual(before);
  } else if (op === "fail") {
    arena.failNth(n);
  }
}

function range(word: number, count: number): [number, number] {
  return [word, word + count];
}

function allocOne(arena: Arena, cache: ReturnType<Arena["cache"]>, model: Model, objectWords: number): void {
  const promised = cache.stats().reserved > 0;
  const word = cache.tryAlloc();
  if (word === 0) {
    expect(promised, "a reserved allocation failed").toBe(false);
    return;
  }
  expect(model.live.has(word), `object ${word} was handed out twice`).toBe(false);
  expect(
    model.deferred.some((each) => each.word === word),
    `object ${word} is still deferred`,
  ).toBe(false);
  const value = (model.live.size * 31 + word) | 0;
  arena.i32.fill(value, word, word + objectWords);
  model.live.set(word, value);
}

function checkContents(arena: Arena, model: Model, objectWords: number): void {
  const { i32 } = arena;
  for (const [word, value] of model.live) {
    for (let i = 0; i < objectWords; i++) {
      if (i32[word + i] !== value) expect(i32[word + i], `word ${i} of object ${word}`).toBe(value);
    }
  }
}

function refuses(fn: () => void): boolean {
  try {
    fn();
    return false;
  } catch (error) {
    if (error instanceof ArenaError && error.code === "ENOMEM") return true;
    throw error;
  }
}
