import { Arena } from "@faultline/arena";
import type { Agents } from "@faultline/sync";
import { describe, expect, it } from "vitest";

const agents = (self: number): Agents => ({ self, isAlive: (id) => id === self });

describe("an arena with a registry of who lives", () => {
  it("is attached with one, and one without is not", () => {
    const robust = Arena.create({ shared: true, agents: agents(1024) });
    expect(() => Arena.attach(robust.handle())).toThrow(expect.objectContaining({ code: "EINVAL" }));
    expect(Arena.attach(robust.handle(), agents(1025)).agents?.self).toBe(1025);
    const plain = Arena.create({ shared: true });
    expect(() => Arena.attach(plain.handle(), agents(1024))).toThrow(
      expect.objectContaining({ code: "EINVAL" }),
    );
  });

  it("takes its lock back from an owner that has died", () => {
    const robust = Arena.create({ shared: true, agents: agents(1024) });
    const cache = robust.cache({ name: "thing", objectWords: 8 });
    const kept = cache.alloc();
    const LOCK = 16;
    robust.i32[LOCK] = 1030;
    const other = cache.alloc();
    cache.free(other);
    robust.validate();
    expect(cache.live()).toEqual([kept]);
  });
});

describe("objects with an owner", () => {
  it("are found by it, until they are freed", () => {
    const cache = Arena.create({ debug: true }).cache({ name: "thing", objectWords: 8 });
    const [a, b, c] = [cache.alloc(7), cache.alloc(8), cache.alloc(7)];
    expect(cache.live(7).sort((x, y) => x - y)).toEqual([a, c]);
    cache.free(a!);
    expect(cache.live(7)).toEqual([c]);
    expect(cache.live(8)).toEqual([b]);
    expect(cache.alloc(9)).toBe(a);
  });
});
