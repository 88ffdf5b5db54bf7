import { Arena, type SlabCache } from "@faultline/arena";
import { describe, expect, it } from "vitest";
import * as L from "../src/layout.ts";
import { State, stateIndex } from "../src/object-state.ts";

const BASE = L.cacheRecord(0);
const bytes = (i32: Int32Array): Uint8Array => new Uint8Array(i32.buffer);
const state = (word: number): number => stateIndex(word, 6);

function setup(magazineObjects = 0): { arena: Arena; cache: SlabCache; words: number[] } {
  const arena = Arena.create({ shared: true, magazineObjects });
  const cache = arena.cache({ name: "node", objectWords: 64, alignWords: 64 });
  const words = Array.from({ length: 8 }, () => cache.alloc());
  cache.free(words[0]);
  cache.free(words[1]);
  arena.rcu.readLock();
  cache.freeDeferred(words[2]);
  cache.freeDeferred(words[3]);
  arena.rcu.readUnlock();
  arena.validate();
  return { arena, cache, words };
}

describe("validate names what is wrong", () => {
  const damages: [string, string, (i32: Int32Array, words: number[]) => void][] = [
    ["the magic", "magic (word 0) is 1", (i32) => (i32[L.MAGIC] = 1)],
    ["the version", "version (word 1) is 3", (i32) => (i32[L.VERSION] = 3)],
    ["the next chunk", "next chunk modulo chunk size", (i32) => (i32[L.NEXT] += 16)],
    ["the end of the carve-out", "carve, carve end", (i32) => (i32[L.CARVE] = i32[L.CARVE_END] + 16)],
    ["a root beyond the arena", "root 2, words max", (i32) => (i32[L.ROOTS + 2] = 2 ** 29)],
    ["the count of free objects", 'cache "node": FREE', (i32) => i32[BASE + L.FREE]++],
    ["the count of deferred objects", "DEFERRED against", (i32) => i32[BASE + L.DEFERRED]--],
    ["the tail of the FIFO", "DEFERRED_TAIL", (i32, w) => (i32[BASE + L.DEFERRED_TAIL] = w[2])],
    ["the count of slabs", "SLABS against slab list", (i32) => i32[BASE + L.SLABS]++],
    ["a reservation above what is free", "reserved, free", (i32) => (i32[BASE + L.RESERVED] = 1000)],
    ["the magic of a slab", "magic of slab", (i32, w) => (i32[w[0] & ~4095] = 3)],
    [
      "a live object on the free list",
      "on the free list is 2, expected 0",
      (i32, w) => (i32[BASE + L.FREE_HEAD] = w[5]),
    ],
    [
      "a link to the middle of an object",
      "does not start an object",
      (i32, w) => (i32[w[1] + L.LINK] = w[5] + 4),
    ],
    ["a link out of the slabs", "does not start an object", (i32, w) => (i32[w[1] + L.LINK] = 4)],
    [
      "a free list that runs in a circle",
      "already on the free list",
      (i32, w) => (i32[w[0] + L.LINK] = w[1]),
    ],
    ["an object on both lists", "on the deferred list and already", (i32, w) => (i32[w[3] + L.LINK] = w[0])],
    ["a lost live mark", "objects live + free", (i32, w) => (bytes(i32)[state(w[5])] = State.Free)],
    [
      "a live mark on a slab header",
      "starts no object",
      (i32, w) => (bytes(i32)[state(w[0] & ~4095)] = State.Live),
    ],
    ["a slab list that runs in a circle", "already", (i32, w) => (i32[(w[0] & ~4095) + 1] = w[0] & ~4095)],
  ];

  it.each(damages)("%s", (_, message, damage) => {
    const { arena, words } = setup();
    damage(arena.i32, words);
    expect(() => arena.validate()).toThrow(message);
  });

  const atHand: [string, string, (i32: Int32Array, magazine: number, words: number[]) => void][] = [
    ["more entries than fit", "entries of the magazine", (i32, m) => (i32[m + L.COUNT] = 57)],
    ["an object in hand", "in hand", (i32, m, w) => (i32[m + L.IN_HAND] = w[0])],
    ["entries of a magazine that is nobody's", "nobody's", (i32, m) => (i32[m + L.OWNER] = 0)],
    ["a live object at hand", "on the magazine is 2", (i32, m, w) => (i32[m + L.ENTRIES] = w[5])],
    [
      "an object twice at hand",
      "in a magazine and",
      (i32, m) => (i32[m + L.ENTRIES] = i32[m + L.ENTRIES + 1]),
    ],
    ["a word of no object at hand", "starts no object", (i32, m) => (i32[m + L.ENTRIES] = 64)],
    ["more held than reserved", "held by magazines", (i32, m) => (i32[m + L.HELD] = 1)],
    ["an object of no list", "on no list is 1", (i32, m) => i32[m + L.COUNT]--],
  ];

  it.each(atHand)("%s", (_, message, damage) => {
    const { arena, words } = setup(56);
    damage(arena.i32, arena.i32[BASE + L.MAGAZINES], words);
    expect(() => arena.validate()).toThrow(message);
  });
});
