// Slab caches in an arena: what several agents reclaim, promise and leave behind when they die.
import { Arena, ArenaError, type SlabCache } from "@faultline/arena";
import type { Model } from "@faultline/interleave";
import { throughAtomics } from "./own-memory.ts";
import type { ModelPair } from "./support.ts";
import { privateCopy, sharedCopy } from "./unseen.ts";

const CACHE = { name: "object", objectWords: 16 };
/** Two of these are a slab. */
const LARGE = { name: "large", objectWords: 1920 };
/** A word of the object that the arena does not use. */
const PAYLOAD = 5;

/** Of full size from the start: the checker does not follow a buffer that grows. */
function create(chunks: number): Arena {
  const bytes = chunks * 16384;
  return Arena.create({ shared: true, bytes, bytesMax: bytes, magazineObjects: 0 });
}

const attach = (words: Int32Array): Arena => Arena.attach({ buffer: words.buffer as SharedArrayBuffer });

/** Two objects that were deferred, with no reader that could see them. */
function deferred(): Int32Array {
  const arena = create(2);
  const cache = arena.cache(CACHE);
  const both = [cache.alloc(), cache.alloc()];
  for (const word of both) cache.freeDeferred(word);
  return arena.i32;
}

/** Reclaims what it can, whoever has deferred it, and takes an object. */
function reclaimer(words: Int32Array): void {
  const cache = attach(words).cache(CACHE);
  cache.reclaim();
  words[cache.alloc() + PAYLOAD] = 1;
}

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

function twoLeft(): Int32Array {
  const arena = create(2);
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

const model = (words: Int32Array, ...threads: Model<Int32Array>["threads"]): Model<Int32Array> => ({
  setup: () => sharedCopy(words),
  threads,
  after: (words) => Arena.attach({ buffer: privateCopy(words).buffer }).validate(),
});

const DEFERRED = deferred();
const TWO_LEFT = twoLeft();

export const pairs: readonly ModelPair[] = [
  {
    name: "SlabCache: two that reclaim get different objects",
    sound: model(DEFERRED, reclaimer, reclaimer),
    broken: model(DEFERRED, withoutLock(reclaimer), withoutLock(reclaimer)),
    finds: /nothing that orders them|EPERM/,
    limits: { bound: 1 },
  },
  {
    name: "SlabCache keeps what it has promised",
    sound: model(TWO_LEFT, taker(reserves), other),
    broken: model(
      TWO_LEFT,
      taker((cache) => cache.stats().free >= 2),
      other,
    ),
    finds: /arena is full/,
    limits: { bound: 1 },
  },
];
