/*
 * Checks of a whole arena, a list of small ones. They read the words alone and share no code with the
 * allocator, so a mistake there does not hide itself here.
 */
import * as L from "./layout.ts";

/** State of one object while a cache is walked. */
type Place = "free list" | "deferred list";

/** @throws Error naming the place, the word and both values. Lock held, or unshared */
export function validateArena(words: Int32Array): void {
  checkHeader(words);
  const chunkOwner = new Map<number, string>();
  for (let index = 0; index < words[L.CACHES]; index++) checkCache(words, index, chunkOwner);
}

function checkHeader(words: Int32Array): void {
  equal("arena: magic (word 0)", words[L.MAGIC], L.MAGIC_VALUE);
  equal("arena: version (word 1)", words[L.VERSION], L.VERSION_VALUE);
  equal("arena: words (word 2)", words[L.WORDS], words.length);
  equal("arena: next chunk modulo chunk size", words[L.NEXT] % L.CHUNK_WORDS, 0);
  ordered("arena: words, words max", words[L.WORDS], words[L.WORDS_MAX]);
  ordered("arena: next chunk, words", words[L.NEXT], words[L.WORDS]);
  ordered("arena: carve, carve end", words[L.CARVE], words[L.CARVE_END]);
  ordered("arena: carve end, next chunk", words[L.CARVE_END], words[L.NEXT]);
  ordered("arena: caches", words[L.CACHES], L.CACHES_MAX);
  for (let slot = 0; slot < L.ROOT_SLOTS; slot++) {
    ordered(`arena: root ${slot}, words max`, words[L.ROOTS + slot] + 1, words[L.WORDS_MAX]);
  }
}

function checkCache(words: Int32Array, index: number, chunkOwner: Map<number, string>): void {
  const base = L.cacheRecord(index);
  const name = `cache "${L.unpackName(words, base + L.NAME)}"`;
  const slabs = checkSlabs(words, index, name, chunkOwner);
  const places = new Map<number, Place>();
  const listed = walk(words, name, "free list", words[base + L.FREE_HEAD], slabs, index, places).count;
  const unsplit = checkBump(words, base, name, places);
  equal(
    `${name}: FREE against free list ${listed} + never handed out ${unsplit}`,
    words[base + L.FREE],
    listed + unsplit,
  );
  const deferred = walk(words, name, "deferred list", words[base + L.DEFERRED_HEAD], slabs, index, places);
  equal(`${name}: DEFERRED against deferred list`, words[base + L.DEFERRED], deferred.count);
  equal(`${name}: DEFERRED_TAIL`, words[base + L.DEFERRED_TAIL], deferred.last);
  const total = slabs.size * words[base + L.PER_SLAB];
  const live = countLive(words, base, name, slabs, places);
  equal(`${name}: objects live + free + deferred`, live + listed + unsplit + deferred.count, total);
  ordered(`${name}: reserved, free`, words[base + L.RESERVED], words[base + L.FREE]);
}

/** Walks the slab list; returns the slabs' first words. */
function checkSlabs(words: Int32Array, index: number, name: string, owner: Map<number, string>): Set<number> {
  const base = L.cacheRecord(index);
  const slabs = new Set<number>();
  for (let slab = words[base + L.SLAB_HEAD]; slab !== 0; slab = words[slab + L.SLAB_NEXT]) {
    const other = owner.get(slab);
    if (other !== undefined) fail(`slab ${slab} of ${name} is on the slab list of ${other} already`);
    owner.set(slab, name);
    slabs.add(slab);
    equal(`${name}: slab ${slab} modulo chunk size`, slab % L.CHUNK_WORDS, 0);
    ordered(`${name}: end of slab ${slab}, next chunk`, slab + L.CHUNK_WORDS, words[L.NEXT]);
    equal(`${name}: magic of slab ${slab}`, words[slab + L.SLAB_MAGIC], L.SLAB_MAGIC_VALUE ^ index);
  }
  equal(`${name}: SLABS against slab list`, words[base + L.SLABS], slabs.size);
  return slabs;
}

/** Walks a list of objects: each lies in a slab of the cache, starts an object, is not live, is met once. */
function walk(
  words: Int32Array,
  name: string,
  place: Place,
  head: number,
  slabs: Set<number>,
  index: number,
  places: Map<number, Place>,
): { count: number; last: number } {
  let last = 0;
  let count = 0;
  for (let word = head; word !== 0; word = words[word + L.LINK]) {
    const before = places.get(word);
    if (before !== undefined) fail(`${name}: object ${word} is on the ${place} and already on the ${before}`);
    if (!isStart(words, L.cacheRecord(index), word, slabs)) {
      fail(`${name}: word ${word} on the ${place} (after ${last}) does not start an object`);
    }
    if (liveBit(words, L.cacheRecord(index), word))
      fail(`${name}: object ${word} on the ${place} is marked live`);
    places.set(word, place);
    last = word;
    count++;
  }
  return { count, last };
}

/** Counts the objects of the newest slab that were never handed out. */
function checkBump(words: Int32Array, base: number, name: string, places: Map<number, Place>): number {
  const stride = words[base + L.STRIDE];
  const end = words[base + L.BUMP_END];
  let count = 0;
  for (let word = words[base + L.BUMP]; word < end; word += stride) {
    if (places.has(word))
      fail(`${name}: object ${word} was never handed out, but is on the ${places.get(word)}`);
    if (liveBit(words, base, word)) fail(`${name}: object ${word} was never handed out, but is marked live`);
    places.set(word, "free list");
    count++;
  }
  return count;
}

/** Counts live marks; each must belong to an object that is on no list. */
function countLive(
  words: Int32Array,
  base: number,
  name: string,
  slabs: Set<number>,
  places: Map<number, Place>,
): number {
  let count = 0;
  for (const slab of slabs) {
    for (let bit = 0; bit < L.CHUNK_WORDS / words[base + L.ALIGN_WORDS]; bit++) {
      if ((words[slab + L.SLAB_LIVE + (bit >>> 5)] & (1 << (bit & 31))) === 0) continue;
      const word = slab + bit * words[base + L.ALIGN_WORDS];
      if (!isStart(words, base, word, slabs))
        fail(`${name}: word ${word} is marked live but starts no object`);
      if (places.has(word)) fail(`${name}: object ${word} is marked live and on the ${places.get(word)}`);
      count++;
    }
  }
  return count;
}

function isStart(words: Int32Array, base: number, word: number, slabs: Set<number>): boolean {
  const offset = word % L.CHUNK_WORDS;
  const position = (offset - words[base + L.FIRST]) / words[base + L.STRIDE];
  return (
    slabs.has(word - offset) &&
    Number.isInteger(position) &&
    position >= 0 &&
    position < words[base + L.PER_SLAB]
  );
}

function liveBit(words: Int32Array, base: number, word: number): boolean {
  const offset = word % L.CHUNK_WORDS;
  const bit = offset / words[base + L.ALIGN_WORDS];
  return (words[word - offset + L.SLAB_LIVE + (bit >>> 5)] & (1 << (bit & 31))) !== 0;
}

function equal(what: string, got: number, expected: number): void {
  if (got !== expected) fail(`${what} is ${got}, expected ${expected}`);
}

function ordered(what: string, low: number, high: number): void {
  if (!(low >= 0 && low <= high)) fail(`${what}: expected 0 <= ${low} <= ${high}`);
}

function fail(what: string): never {
  throw new Error(`Arena.validate: ${what}`);
}
