/*
 * The words of an arena, by name. The picture is at the top of arena.ts; this file is its legend.
 */

/** "FLar" read as four bytes: the first word of every arena. */
export const MAGIC_VALUE = 0x464c6172;
/** Changes whenever the meaning of a word changes. */
export const VERSION_VALUE = 2;

// Header: one word each, indices from the start of the buffer.
export const MAGIC = 0;
export const VERSION = 1;
/** Words in the buffer. Stored with Atomics after the buffer has grown; other agents poll it. */
export const WORDS = 2;
/** Words the buffer may grow to. */
export const WORDS_MAX = 3;
/** First chunk that has not been given to a slab or a carve-out. */
export const NEXT = 4;
/** Next free word of the chunk that `allocWords` carves from, and the end of that chunk. */
export const CARVE = 5;
export const CARVE_END = 6;
/** Words given out by `allocWords`. */
export const CARVED = 7;
/** Bit 0: debug; bit 1: the lock survives deaths. */
export const FLAGS = 8;
/** Caches created so far. */
export const CACHES = 9;
/** How often the buffer has grown. */
export const GROWN = 10;
/** Objects an agent may keep at hand per cache, 0: no magazines. */
export const MAGAZINE_OBJECTS = 11;

/** The arena's spinlock, alone in its cache line. */
export const LOCK = 16;
export const ROOTS = 32;
/** Well-known words for attaching structures. */
export const ROOT_SLOTS = 8;
export const CACHE_TABLE = 64;
/** Most caches an arena can have. */
export const CACHES_MAX = 32;
export const CACHE_WORDS = 32;
/** The RCU domain, behind the cache table. Its first word is the number of agent slots. */
export const RCU: number = CACHE_TABLE + CACHES_MAX * CACHE_WORDS;

export const FLAG_DEBUG = 1;
export const FLAG_ROBUST = 2;

// A cache's record in the table. The first 16 words never change once the cache exists.
/** Four words: up to 16 ASCII bytes, zero padded. */
export const NAME = 0;
export const NAME_BYTES_MAX = 16;
export const OBJECT_WORDS = 4;
/** Objects start at multiples of this many words; a power of two, at least 4. */
export const ALIGN_WORDS = 5;
/** Words from one object to the next. */
export const STRIDE = 6;
/** Objects in one slab. */
export const PER_SLAB = 7;
/** Offset of the first object in a slab. */
export const FIRST = 8;
/** Free objects in the depot, those not yet split off the newest slab included. */
export const FREE = 16;
/** Free objects that agents have reserved. */
export const RESERVED = 17;
export const FREE_HEAD = 18;
/** Next object of the newest slab that was never handed out, and the end of that slab's objects. */
export const BUMP = 19;
export const BUMP_END = 20;
export const SLABS = 21;
export const SLAB_HEAD = 22;
export const DEFERRED = 24;
export const DEFERRED_HEAD = 25;
export const DEFERRED_TAIL = 26;
/** First magazine record of the cache, 0 if there is none. */
export const MAGAZINES = 27;

// A magazine: one agent's objects at hand.
export const MAGAZINE_WORDS = 64;
/** Whose it is: an agent's id, OWNER_UNKNOWN for a thread without one, 0 for nobody's. */
export const OWNER = 0;
export const OWNER_UNKNOWN: number = -1;
/** Next magazine record of the cache. Records are never given back, but used again. */
export const MAGAZINE_NEXT = 1;
/** Entries in use. */
export const COUNT = 2;
/** The object that is on its way in or out, 0 at rest. */
export const IN_HAND = 3;
/** The owner's part of RESERVED. */
export const HELD = 4;
/** Allocations that the owner has been promised: out of the entries, and if these are not enough out of HELD. */
export const PROMISED = 5;
/** First words of objects, the last one in is the first out. */
export const ENTRIES = 8;
export const MAGAZINE_OBJECTS_MAX: number = MAGAZINE_WORDS - ENTRIES;

/** Slabs and carve-outs are made of chunks: 4096 words, 16 KiB, aligned to their size. */
export const CHUNK_WORDS = 4096;
export const CHUNK_BYTES: number = CHUNK_WORDS * 4;
/** Bytes of a page of WebAssembly memory: four chunks. */
export const PAGE_BYTES = 65_536;

// The first words of a slab.
/** SLAB_MAGIC_VALUE ^ index of the cache. */
export const SLAB_MAGIC = 0;
/** The slab made before this one, 0 at the end. */
export const SLAB_NEXT = 1;
/** First word of the states: one byte per possible start of an object (object-state.ts). */
export const SLAB_STATES = 8;
export const SLAB_MAGIC_VALUE = 0x51ab0000;

export const OBJECT_WORDS_MIN = 4;
/** Two objects of this size fit a slab. */
export const OBJECT_WORDS_MAX = 2032;
export const ALIGN_WORDS_MAX = 1024;

/** Word of an object that links it into the free list or the deferred FIFO. Word 0 is never used for that. */
export const LINK = 1;
/** Word of an object in which `alloc(owner)` notes who it is for. */
export const OWNER_MARK = 3;
/** Word of a deferred object that holds its grace-period cookie. */
export const COOKIE = 2;

/** Words reachable by a 30-bit handle. */
export const WORDS_LIMIT: number = 2 ** 30;

/** Smallest multiple of `unit` which is not below `value`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** First word of the record of cache `index`. */
export function cacheRecord(index: number): number {
  return CACHE_TABLE + index * CACHE_WORDS;
}

/** Offset of the first object in a slab of objects aligned to `alignWords`. */
export function firstObject(alignWords: number): number {
  return roundUp(SLAB_STATES + CHUNK_WORDS / alignWords / 4, alignWords);
}

/** Packs an ASCII name into four words. */
export function packName(name: string): number[] {
  const packed = [0, 0, 0, 0];
  for (let i = 0; i < name.length; i++) packed[i >> 2] |= name.charCodeAt(i) << ((i & 3) * 8);
  return packed;
}

/** Reads a name written by {@link packName}. */
export function unpackName(words: Int32Array, at: number): string {
  let name = "";
  for (let i = 0; i < NAME_BYTES_MAX; i++) {
    const code = (words[at + (i >> 2)] >>> ((i & 3) * 8)) & 0xff;
    if (code === 0) break;
    name += String.fromCharCode(code);
  }
  return name;
}
