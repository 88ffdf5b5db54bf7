import { expect, it } from "vitest";
import { Arena } from "../src/index.ts";

it("a slab cache hands out distinct objects and the arena stays valid", () => {
  const arena = Arena.create({ bytes: 1 << 20 });
  const cache = arena.cache({ name: "node", objectWords: 64 });
  const words = [cache.alloc(), cache.alloc(), cache.alloc()];
  expect(new Set(words).size).toBe(3);
  arena.validate();
  for (const word of words) cache.free(word);
  arena.validate();
});
