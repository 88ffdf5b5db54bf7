// Slab caches in an arena: an object has one owner, and is not reused while a reader may still see it.
import { Arena, ArenaError, type SlabCache } from "@faultline/arena";
import type { Model } from "@faultline/interleave";
import { RcuDomain } from "@faultline/sync/rcu";
import { ALL, expectWord, type ModelPair } from "./support.ts";
import { privateCopy, sharedCopy } from "./unseen.ts";

const CACHE = { name: "object", objectWords: 16 };
/** Of full size from the start: the checker does not follow a buffer that grows. */
const BYTES = 3 * 16384;
/** Where an arena has its RCU domain (packages/arena/src/arena.ts, the picture at the top). */
const RCU = 1088;
/** A word of the object that neither the free list nor the deferred list uses. */
const PAYLOAD = 5;
const ALIVE = 7;
/** The arena's last word, which no slab reaches: successful frees. */
const FREES: number = BYTES / 4 - 1;
/** State of an allocated object (packages/arena/src/object-state.ts). */
const LIVE = 2;
const REUSED = -1;

/** Without objects at hand the depot is all there is, and every call takes the lock. */
function build(magazineObjects: number): Int32Array {
  const arena = Arena.create({ shared: true, bytes: BYTES, bytesMax: BYTES, magazineObjects });
  const cache = arena.cache(CACHE);
  const word = cache.alloc();
  arena.i32[word + PAYLOAD] = ALIVE;
  arena.setRoot(0, word);
  // Some on the free list, so that threads meet there as well as at the slab's end.
  cache.free(cache.alloc());
  return arena.i32;
}

/** Built once. */
const [WITHOUT, WITH] = [build(0), build(1)];
const setup = (): Int32Array => sharedCopy(WITHOUT);
const setupAtHand = (): Int32Array => sharedCopy(WITH);

const attach = (words: Int32Array): Arena => Arena.attach({ buffer: words.buffer as SharedArrayBuffer });

/** Takes an object, writes to it and keeps it, or gives it back. */
function owner(
  take: (cache: SlabCache, words: Int32Array) => number,
  gives = false,
): (words: Int32Array) => number {
  return (words) => {
    const cache = attach(words).cache(CACHE);
    const word = take(cache, words);
    words[word + PAYLOAD] = ALIVE;
    if (gives) cache.free(word);
    return word;
  };
}

const allocate = (cache: SlabCache): number => cache.alloc();

/** Splits the next object off the end of the arena as alloc() would without its lock: looks, then takes. */
const looksThenTakes = (_cache: SlabCache, words: Int32Array): number => {
  const next = words.length - 1;
  const taken = Atomics.load(words, next);
  Atomics.store(words, next, taken + CACHE.objectWords);
  return words.length - 4 * CACHE.objectWords + taken;
};

/** Gives the object back and writes to it, when it may be another's already. */
const freesThenWrites = (words: Int32Array): void => {
  const cache = attach(words).cache(CACHE);
  const word = cache.alloc();
  cache.free(word);
  words[word + PAYLOAD] = ALIVE;
};

function reader(words: Int32Array): void {
  // An agent of its own, as in rcu.model.ts.
  const rcu = new RcuDomain(new Int32Array(words.length), RCU);
  rcu.rebind(words);
  const arena = attach(words);
  rcu.readLock();
  const word = arena.root(0);
  if (word !== 0 && words[word + PAYLOAD] !== ALIVE) throw new Error("the reader sees a reused object");
  rcu.readUnlock();
}

/** Unpublishes the object, frees it and takes the next one, which may be the same. */
function replacer(free: (cache: SlabCache, word: number) => void): (words: Int32Array) => void {
  return (words) => {
    const arena = attach(words);
    const cache = arena.cache(CACHE);
    const word = arena.root(0);
    arena.setRoot(0, 0);
    free(cache, word);
    const next = cache.alloc();
    words[next + PAYLOAD] = REUSED;
    if (next !== word) words[cache.alloc() + PAYLOAD] = REUSED;
  };
}

const model = (...threads: Model<Int32Array>["threads"]): Model<Int32Array> => ({
  setup,
  threads,
  after: (words) => Arena.attach({ buffer: privateCopy(words).buffer }).validate(),
});

/** Frees the published object, or is told that it is freed already; counts who was not. */
function freer(
  free: (cache: SlabCache, word: number, words: Int32Array) => void,
): (words: Int32Array) => void {
  return (words) => {
    const arena = attach(words);
    try {
      free(arena.cache(CACHE), arena.root(0), words);
    } catch (error) {
      if (!(error instanceof ArenaError)) throw error;
      return;
    }
    Atomics.add(words, FREES, 1);
  };
}

/** Looks at the state, then changes it, as free() would without a compareExchange. */
const looksThenFrees = (_cache: SlabCache, word: number, words: Int32Array): void => {
  const states = new Uint8Array(words.buffer);
  const state = (word & -4096) * 4 + 32 + ((word & 4095) >>> 4);
  if (Atomics.load(states, state) !== LIVE) throw new ArenaError("EINVAL", "not live");
  Atomics.store(states, state, 0);
};

export const pairs: readonly ModelPair[] = [
  {
    name: "SlabCache takes an object back once, of two that free it one is told",
    sound: {
      ...model(
        freer((cache, word) => cache.free(word)),
        freer((cache, word) => cache.free(word)),
      ),
      setup: setupAtHand,
      after: (words) => expectWord(words, FREES, 1, "frees that succeeded"),
    },
    broken: {
      ...model(freer(looksThenFrees), freer(looksThenFrees)),
      setup: setupAtHand,
      after: (words) => expectWord(words, FREES, 1, "frees that succeeded"),
    },
    finds: /frees that succeeded: 2/,
    limits: { bound: 2, full: ALL },
  },
  {
    name: "SlabCache gives an object to one",
    sound: model(owner(allocate), owner(allocate)),
    broken: model(owner(looksThenTakes), owner(looksThenTakes)),
    finds: /nothing that orders them/,
    limits: { bound: 2 },
  },
  {
    name: "SlabCache takes objects back while it gives others",
    sound: model(owner(allocate, true), owner(allocate)),
    broken: model(freesThenWrites, owner(allocate)),
    finds: /nothing that orders them/,
    limits: { bound: 2 },
  },
  {
    name: "SlabCache reuses no object that a reader may see",
    sound: model(
      reader,
      replacer((cache, word) => {
        cache.freeDeferred(word);
        cache.reclaim();
      }),
    ),
    broken: model(
      reader,
      replacer((cache, word) => cache.free(word)),
    ),
    finds: /nothing that orders them|reused/,
  },
];
