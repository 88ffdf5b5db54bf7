import { Arena, ArenaError } from "@faultline/arena";
import { describe, expect, it } from "vitest";

describe("an arena in WebAssembly memory", () => {
  it("grows by whole pages, keeps its words, and is attached to by its handle", () => {
    using arena = Arena.create({ shared: true, wasm: true, bytes: 1, bytesMax: 1 << 24 });
    expect(arena.memory?.backend).toBe("wasm");
    const attached = Arena.attach(arena.handle());
    const cache = arena.cache({ name: "objects", objectWords: 96, alignWords: 32 });
    const words = Array.from({ length: 2000 }, (_, n) => {
      const word = cache.alloc();
      arena.i32[word + 3] = n;
      return word;
    });
    expect(arena.stats().grown).toBeGreaterThan(1);
    expect(arena.stats().bytes % 65_536).toBe(0);
    for (const [n, word] of words.entries()) {
      attached.ensure(word);
      expect(attached.i32[word + 3]).toBe(n);
    }
    expect(attached.memory?.backend).toBe("wasm");
    arena.validate();
    attached.validate();
    attached.close();
  });

  it("has room for what it may have at most, and refuses more with everything as it was", () => {
    using arena = Arena.create({
      shared: true,
      wasm: true,
      bytes: 1 << 16,
      bytesMax: 1 << 18,
      magazineObjects: 0,
    });
    const cache = arena.cache({ name: "objects", objectWords: 96, alignWords: 32 });
    while (cache.tryAlloc() !== 0);
    expect(arena.stats().bytes).toBe(1 << 18);
    expect(() => cache.alloc()).toThrow(ArenaError);
    arena.validate();
  });

  it("is refused where there is nobody to share it with", () => {
    expect(() => Arena.create({ wasm: true })).toThrow("wasm is for a shared arena");
  });
});

it("an agent chooses how its read sections are announced", () => {
  using arena = Arena.create({ shared: true, flavour: "qsbr" });
  expect(arena.rcu.flavour).toBe("qsbr");
  using other = Arena.create({ shared: true });
  expect(other.rcu.flavour).toBe("mb");
});
