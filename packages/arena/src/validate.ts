/*
 * Checks of a whole arena, a list of small ones. They read the words alone and share no code with the
 * allocator, so a mistake there does not hide itself here.
 */
import * as L from "./layout.ts";
import { State } from "./object-state.ts";

/** State of one object while a cache is walked. */
type Place = "free list" | "deferred list" | "magazine";

const STATES: Readonly<Record<Place, State>> = {
  "free list": State.Free,
  "deferred list": State.Deferred,
  magazine: State.Magazine,
};

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
  const unsplit = checkBump(words, index, name, places);
  equal(
    `${name}: FREE against free list ${listed} + never handed out ${unsplit}`,
    words[base + L.FREE],
    listed + unsplit,
  );
  const atHand = checkMagazines(words, index, name, slabs, places);
  const deferred = walk(words, name, "deferred list", words[base + L.DEFERRED_HEAD], slabs, index, places);
  equal(`${name}: DEFERRED against deferred list`, words[base + L.DEFERRED], deferred.count);
  equal(`${name}: DEFERRED_TAIL`, words[base + L.DEFERRED_TAIL], deferred.last);
  const total = slabs.size * words[base + L.PER_SLAB];
  const live = countLive(words, base, name, slabs, places);
  equal(
    `${name}: objects live + free + at hand + deferred`,
    live + listed + unsplit + atHand + deferred.count,
    total,
  );
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
    settle(words, index, name, word, place, places);
    last = word;
    count++;
  }
  return { count, last };
}

/** Checks the magazines of all agents; returns how many objects lie in them. */
function checkMagazines(
  words: Int32Array,
  index: number,
  name: string,
  slabs: Set<number>,
  places: Map<number, Place>,
): number {
  const base = L.cacheRecord(index);
  let count = 0;
  let held = 0;
  for (let record = words[base + L.MAGAZINES]; record !== 0; record = words[record + L.MAGAZINE_NEXT]) {
    const entries = words[record + L.COUNT];
    ordered(`${name}: entries of the magazine at ${record}`, entries, words[L.MAGAZINE_OBJECTS]);
    equal(`${name}: object in hand of the magazine at ${record}, at rest`, words[record + L.IN_HAND], 0);
    if (words[record + L.OWNER] === 0) equal(`${name}: entries of ${record}, nobody's`, entries, 0);
    held += words[record + L.HELD];
    for (let i = 0; i < entries; i++) {
      const word = words[record + L.ENTRIES + i];
      if (places.has(word)) fail(`${name}: object ${word} is in a magazine and on the ${places.get(word)}`);
      if (!isStart(words, base, word, slabs)) fail(`${name}: word ${word} in a magazine starts no object`);
      settle(words, index, name, word, "magazine", places);
    }
    count += entries;
  }
  ordered(`${name}: held by magazines, reserved`, held, words[base + L.RESERVED]);
  return count;
}

/** Notes where an object was met, and compares its state with that. */
function settle(
  words: Int32Array,
  index: number,
  name: string,
  word: number,
  place: Place,
  places: Map<number, Place>,
): void {
  equal(
    `${name}: state of object ${word} on the ${place}`,
    stateOf(words, L.cacheRecord(index), word),
    STATES[place],
  );
  places.set(word, place);
}

/** Counts the objects of the newest slab that were never handed out. */
function checkBump(words: Int32Array, index: number, name: string, places: Map<number, Place>): number {
  const base = L.cacheRecord(index);
  const stride = words[base + L.STRIDE];
  const end = words[base + L.BUMP_END];
  let count = 0;
  for (let word = words[base + L.BUMP]; word < end; word += stride) {
    if (places.has(word))
      fail(`${name}: object ${word} was never handed out, but is on the ${places.get(word)}`);
    settle(words, index, name, word, "free list", places);
    count++;
  }
  return count;
}

/** Counts live objects; each must start one and be on no list. */
function countLive(
  words: Int32Array,
  base: number,
  name: string,
  slabs: Set<number>,
  places: Map<number, Place>,
): number {
  let count = 0;
  const align = words[base + L.ALIGN_WORDS];
  for (const slab of slabs) {
    for (let word = slab; word < slab + L.CHUNK_WORDS; word += align) {
      const state = stateOf(words, base, word);
      if (state === State.Free || places.has(word)) continue;
      if (!isStart(words, base, word, slabs))
        fail(`${name}: word ${word} has state ${state} but starts no object`);
      equal(`${name}: state of object ${word}, on no list`, state, State.Live);
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

function stateOf(words: Int32Array, base: number, word: number): number {
  const offset = word % L.CHUNK_WORDS;
  const states = new Uint8Array(words.buffer, (word - offset + L.SLAB_STATES) * 4, L.CHUNK_WORDS);
  return states[offset / words[base + L.ALIGN_WORDS]] & 3;
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
