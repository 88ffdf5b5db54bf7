import { Arena, ArenaError } from "@faultline/arena";
import { describe, expect, it } from "vitest";

const KIB16 = 16384;

function codeOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (error instanceof ArenaError) return error.code;
    throw error;
  }
  return "no error";
}

describe.each([{ shared: false }, { shared: true }])("an arena with shared: $shared", ({ shared }) => {
  it("is 1 MiB that may grow to 256 MiB when nothing is said", () => {
    const arena = Arena.create({ shared });
    expect(arena.stats()).toEqual({
      bytes: 2 ** 20,
      bytesMax: 2 ** 28,
      bytesUsed: KIB16,
      carvedWords: 0,
      grown: 0,
      caches: [],
    });
    expect(arena.isShared).toBe(shared);
    expect(arena.i32.buffer instanceof SharedArrayBuffer).toBe(shared);
    expect(arena.f64.length * 2).toBe(arena.i32.length);
    arena.validate();
  });

  it("carves zeroed words at multiples of 16 which do not overlap", () => {
    const arena = Arena.create({ shared, bytes: KIB16, bytesMax: 64 * KIB16 });
    for (const count of [1, 16, 17, 4000, 3, 9000, 4096, 1]) {
      const word = arena.allocWords(count);
      expect(word % 16).toBe(0);
      expect(arena.i32.subarray(word, word + count).every((value) => value === 0)).toBe(true);
      arena.i32.fill(-1, word, word + count);
      arena.validate();
    }
  });

  it("carves around slabs made meanwhile", () => {
    const arena = Arena.create({ shared, bytesMax: 2 ** 20 });
    const cache = arena.cache({ name: "node", objectWords: 64 });
    const ranges: [number, number][] = [];
    for (let i = 0; i < 20; i++) {
      const word = cache.alloc();
      ranges.push([word, word + 64]);
      for (let n = 0; n < 40; n++) {
        const next = cache.alloc();
        ranges.push([next, next + 64]);
      }
      const carved = arena.allocWords(1500);
      ranges.push([carved, carved + 1500]);
      arena.validate();
    }
    ranges.sort((a, b) => a[0] - b[0]);
    for (let i = 1; i < ranges.length; i++) expect(ranges[i][0]).toBeGreaterThanOrEqual(ranges[i - 1][1]);
  });

  it("refuses a carve-out that does not fit and stays as it was", () => {
    const arena = Arena.create({ shared, bytes: KIB16, bytesMax: 4 * KIB16 });
    arena.allocWords(100);
    const before = arena.i32.slice();
    expect(codeOf(() => arena.allocWords(4 * 4096))).toBe("ENOMEM");
    expect(arena.i32).toEqual(before);
    arena.validate();
    expect(() => arena.allocWords(3 * 4096)).not.toThrow();
    expect(codeOf(() => arena.allocWords(4096))).toBe("ENOMEM");
  });

  it("keeps a carve-out that fits a chunk within one, so that ensure() of its first word is enough", () => {
    const arena = Arena.create({ shared });
    for (let i = 0; i < 50; i++) {
      const word = arena.allocWords(1000);
      expect(Math.floor(word / 4096)).toBe(Math.floor((word + 999) / 4096));
    }
    expect(arena.stats().bytesUsed).toBe(KIB16 * 13);
    arena.validate();
  });

  it("keeps every word where it is when it grows", () => {
    const arena = Arena.create({ shared, bytes: KIB16, bytesMax: 2 ** 22 });
    const cache = arena.cache({ name: "node", objectWords: 64 });
    const objects: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const word = cache.alloc();
      arena.i32.fill(i, word, word + 64);
      objects.push(word);
    }
    expect(arena.stats().grown).toBeGreaterThan(2);
    expect(arena.i32.buffer.byteLength).toBe(arena.i32.length * 4);
    objects.forEach((word, i) => {
      expect(arena.i32.subarray(word, word + 64).every((value) => value === i)).toBe(true);
    });
    arena.validate();
  });

  it("never hands out a length-tracking view", () => {
    const arena = Arena.create({ shared, bytes: KIB16, bytesMax: 2 ** 22 });
    const { i32, f64 } = arena;
    arena.allocWords(4096);
    expect(i32.length).toBe(4096);
    expect(f64.length).toBe(2048);
    expect(arena.i32.length).toBeGreaterThan(4096);
  });

  it("doubles below 16 MiB, and grows by an eighth from there on", () => {
    const MIB = 2 ** 20;
    const arena = Arena.create({ shared, bytes: 4 * MIB, bytesMax: 22 * MIB });
    const sizes = new Set<number>();
    for (let used = 0; used < 21; used++) {
      arena.allocWords(MIB / 4);
      sizes.add(arena.stats().bytes / MIB);
    }
    expect([...sizes]).toEqual([4, 8, 16, 18, 20.25, 22]);
    arena.validate();
  });

  it("keeps a read section open across growth", () => {
    const arena = Arena.create({ shared, bytes: KIB16, bytesMax: 2 ** 22, debug: true });
    arena.rcu.readLock();
    const cookie = arena.rcu.cookie();
    arena.allocWords(10_000);
    expect(arena.rcu.isReading).toBe(true);
    expect(arena.rcu.poll(cookie)).toBe(false);
    arena.rcu.readUnlock();
    expect(arena.rcu.poll(cookie)).toBe(true);
  });

  it("remembers roots, 0 where none was set", () => {
    const arena = Arena.create({ shared });
    const word = arena.allocWords(16);
    arena.setRoot(3, word);
    expect(Arena.attach(arena.handle()).root(3)).toBe(word);
    expect(arena.root(0)).toBe(0);
    expect(() => arena.root(8)).toThrow("Arena.root: slot must be an integer in 0..7, got 8");
    expect(() => arena.setRoot(0, -1)).toThrow(RangeError);
  });

  it("finds a cache by its name from every attachment", () => {
    const arena = Arena.create({ shared });
    const cache = arena.cache({ name: "maple_node", objectWords: 64, alignWords: 64 });
    expect(arena.cache({ name: "maple_node", objectWords: 64, alignWords: 64 })).toBe(cache);
    const word = cache.alloc();
    const other = Arena.attach(arena.handle()).cache({ name: "maple_node", objectWords: 64, alignWords: 64 });
    expect(other.stats()).toMatchObject({ name: "maple_node", live: 1 });
    other.free(word);
    expect(cache.stats().live).toBe(0);
  });

  it("refuses a cache of the same name and another size, and a 33rd cache", () => {
    const arena = Arena.create({ shared });
    for (let i = 0; i < 31; i++) arena.cache({ name: `cache-${i}`, objectWords: 4 + i });
    expect(codeOf(() => arena.cache({ name: "cache-3", objectWords: 8 }))).toBe("EINVAL");
    expect(codeOf(() => arena.cache({ name: "cache-3", objectWords: 7, alignWords: 16 }))).toBe("EINVAL");
    arena.cache({ name: "no. 32", objectWords: 8 });
    expect(codeOf(() => arena.cache({ name: "no. 33", objectWords: 8 }))).toBe("ENOMEM");
    expect(codeOf(() => arena.cache({ name: "cache-30", objectWords: 34 }))).toBe("no error");
    arena.validate();
  });
});

describe("arguments", () => {
  it("are refused with their name and value", () => {
    expect(() => Arena.create({ bytes: 1.5 })).toThrow(
      "Arena.create: bytes must be an integer in 1..4294967296, got 1.5",
    );
    expect(() => Arena.create({ bytes: 2 ** 33 })).toThrow(RangeError);
    expect(() => Arena.create({ bytesMax: 100 })).toThrow(
      "Arena.create: bytesMax must be an integer in 16384..4294967296, got 100",
    );
    expect(() => Arena.create({ bytes: 2 ** 20, bytesMax: 2 ** 19 })).toThrow(
      "Arena.create: bytes 1048576 is above bytesMax 524288",
    );
    expect(() => Arena.create({ agentsMax: 0 })).toThrow("agentsMax must be an integer in 1..4096, got 0");
    const arena = Arena.create();
    expect(() => arena.allocWords(0)).toThrow(RangeError);
    expect(() => arena.failNth(-1)).toThrow(RangeError);
    for (const name of ["", "a name of 17 byte", "ümlaut", "seventeen-letters"]) {
      expect(() => arena.cache({ name, objectWords: 8 })).toThrow("Arena.cache: name must be 1 to 16");
    }
    for (const objectWords of [3, 2033, 4.5, Number.NaN]) {
      expect(() => arena.cache({ name: "x", objectWords })).toThrow(
        "objectWords must be an integer in 4..2032",
      );
    }
    for (const alignWords of [2, 2048, 24]) {
      expect(() => arena.cache({ name: "x", objectWords: 8, alignWords })).toThrow(RangeError);
    }
    arena.validate();
  });

  it("may ask for more agents than fit the first chunk", () => {
    const arena = Arena.create({ agentsMax: 1000 });
    expect(arena.rcu.agentsMax).toBe(1000);
    expect(arena.stats().bytesUsed).toBeGreaterThan(KIB16);
    arena.allocWords(5000);
    arena.validate();
  });
});

describe("attach", () => {
  it("refuses what is no buffer, no arena, or an arena of another version", () => {
    expect(codeOf(() => Arena.attach({ buffer: {} as ArrayBuffer }))).toBe("EINVAL");
    expect(codeOf(() => Arena.attach({ buffer: new ArrayBuffer(100) }))).toBe("EINVAL");
    expect(codeOf(() => Arena.attach({ buffer: new SharedArrayBuffer(KIB16) }))).toBe("EINVAL");
    const arena = Arena.create({ shared: true });
    arena.i32[1] = 99;
    expect(() => Arena.attach(arena.handle())).toThrow("arena of version 99, expected 2");
  });

  it("gives the arena itself for the handle of an unshared one, also after growth", () => {
    const arena = Arena.create({ bytes: KIB16 });
    const handle = arena.handle();
    arena.allocWords(10_000);
    expect(Arena.attach(handle)).toBe(arena);
    expect(Arena.attach(arena.handle())).toBe(arena);
  });

  it("gives an independent copy for a cloned unshared handle, without the readers of the original", () => {
    const arena = Arena.create();
    const cache = arena.cache({ name: "node", objectWords: 16 });
    const word = cache.alloc();
    arena.i32[word + 5] = 7;
    arena.rcu.readLock();
    cache.freeDeferred(cache.alloc());
    const copy = Arena.attach(structuredClone(arena.handle()));
    const copied = copy.cache({ name: "node", objectWords: 16 });
    expect(copy.i32[word + 5]).toBe(7);
    expect(copied.reclaim()).toBe(1);
    expect(cache.reclaim()).toBe(0);
    copied.free(word);
    expect([cache.stats().live, copied.stats().live]).toEqual([1, 0]);
    copy.validate();
    arena.validate();
    arena.rcu.readUnlock();
  });

  it("sees growth by another view of a shared arena after refresh() or ensure()", () => {
    const arena = Arena.create({ shared: true, bytes: KIB16 });
    const [first, second] = [Arena.attach(arena.handle()), Arena.attach(arena.handle())];
    const word = arena.allocWords(10_000);
    arena.i32[word + 9999] = 42;
    expect(first.i32.length).toBe(4096);
    first.ensure(100);
    expect(first.i32.length).toBe(4096);
    first.ensure(word);
    expect(first.i32[word + 9999]).toBe(42);
    second.refresh();
    expect(second.i32[word + 9999]).toBe(42);
    expect(second.f64.length).toBe(arena.f64.length);
  });
});
