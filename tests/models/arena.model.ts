// Slab caches in an arena: an object has one owner, and is not reused while a reader may still see it.
import { Arena, ArenaError, type SlabCache } from "@faultline/arena";
import type { Model } from "@faultline/interleave";
import { RcuDomain } from "@faultline/sync/rcu";
import { throughAtomics } from "./own-memory.ts";
import type { ModelPair } from "./support.ts";

const CACHE = { name: "object", objectWords: 16 };
/** Of full size from the start: the checker does not follow a buffer that grows. */
const BYTES = 3 * 16384;
/** Where an arena has its RCU domain (packages/arena/src/arena.ts, the picture at the top). */
const RCU = 1088;
/** A word of the object that neither the free list nor the deferred list uses. */
const PAYLOAD = 5;
const ALIVE = 7;
const REUSED = -1;

function setup(): Int32Array {
  const arena = Arena.create({ shared: true, bytes: BYTES, bytesMax: BYTES });
  const cache = arena.cache(CACHE);
  const word = cache.alloc();
  arena.i32[word + PAYLOAD] = ALIVE;
  arena.setRoot(0, word);
  // The first of the free list, so that threads meet there as well as at the slab's end.
  cache.free(cache.alloc());
  return arena.i32;
}

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
  after: (words) => attach(words).validate(),
});

/** Where an arena has its lock. */
const LOCK = 16;

/** The thread with a lock that is never held. */
function withoutLock(thread: (words: Int32Array) => unknown): (words: Int32Array) => unknown {
  return (words) =>
    throughAtomics(
      (operation, given) => (given[1] === LOCK ? 0 : operation(...given)),
      () => thread(words),
    );
}

/** Two objects that were deferred, with no reader that could see them. */
function deferred(): Int32Array {
  const words = setup();
  const cache = attach(words).cache(CACHE);
  const both = [cache.alloc(), cache.alloc()];
  for (const word of both) cache.freeDeferred(word);
  return words;
}

/** Reclaims what it can, whoever has deferred it, and takes an object. */
function reclaimer(words: Int32Array): void {
  const cache = attach(words).cache(CACHE);
  cache.reclaim();
  words[cache.alloc() + PAYLOAD] = ALIVE;
}

/** Two of these fill an arena. */
const LARGE = { name: "large", objectWords: 2032 };

function twoLeft(): Int32Array {
  const arena = Arena.create({ shared: true, bytes: 2 * 16384, bytesMax: 2 * 16384 });
  const cache = arena.cache(LARGE);
  cache.free(cache.alloc());
  return arena.i32;
}

/** Makes sure of two objects, and then takes them. */
function taker(ensure: (cache: SlabCache) => boolean): (words: Int32Array) => void {
  return (words) => {
    const cache = attach(words).cache(LARGE);
    if (!ensure(cache)) return;
    cache.alloc();
    cache.alloc();
  };
}

function reserves(cache: SlabCache): boolean {
  try {
    cache.reserve(2);
    return true;
  } catch (error) {
    if (error instanceof ArenaError) return false;
    throw error;
  }
}

const other = (words: Int32Array): number => attach(words).cache(LARGE).tryAlloc();

export const pairs: readonly ModelPair[] = [
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
    limits: { bound: 2 },
  },
  {
    name: "SlabCache: two that reclaim get different objects",
    sound: { ...model(reclaimer, reclaimer), setup: deferred },
    broken: { ...model(withoutLock(reclaimer), withoutLock(reclaimer)), setup: deferred },
    finds: /nothing that orders them/,
    limits: { bound: 1 },
  },
  {
    name: "SlabCache keeps what it has promised",
    sound: { ...model(taker(reserves), other), setup: twoLeft },
    broken: {
      ...model(
        taker((cache) => cache.stats().free >= 2),
        other,
      ),
      setup: twoLeft,
    },
    finds: /ENOMEM/,
    limits: { bound: 2 },
  },
];
