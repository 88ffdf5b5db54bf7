/*
 * An arena: one buffer of 32-bit words which locks, trees and objects of every size share.
 *
 *   word
 *      0  magic | version | words | words max | next chunk | carve | carve end | carved | flags | …   header
 *     16  spinlock, alone in its cache line
 *     32  roots 0 … 7: well-known words for attaching structures
 *     64  cache table: 32 records of 32 words (name and sizes, then the changing counts and list heads)
 *   1088  RCU domain, 16 + 16 * agentsMax words
 *   1616  first carve-outs of allocWords (with agentsMax 32), up to the end of the chunk
 *   4096  chunks of 4096 words each: a slab of one cache, or more carve-outs
 *     …   words (grows in chunks, see region.ts, up to words max)
 *
 * Promises. A word index never changes its meaning while it is allocated: growth does not move words, it
 * only makes views out of date. A chunk that has become a slab or a carve-out stays that for good, so memory
 * is bounded by the greatest number of objects each cache has had at one time. A refusal changes nothing.
 *
 * An unshared arena belongs to one thread. When its buffer is replaced by a larger one, the RCU domain goes on
 * in the copy, so a read section may stay open across an allocation.
 *
 * Lock order: the arena's spinlock is innermost, and most calls do not take it (magazine.ts). It is held for a
 * constant number of steps, or one batch of reclaimed objects, or while the buffer grows; never while callbacks
 * or hooks run.
 */
import { type Agents, RcuDomain, type RcuFlavour, RobustSpinLock, SharedMemory } from "@faultline/sync";
import { ArenaError, checkInteger } from "./errors.ts";
import type { FailureScope } from "./failure.ts";
import * as L from "./layout.ts";
import { rebuildAll, takeBack } from "./recovery.ts";
import { isSharedBuffer, outOfMemory, Region } from "./region.ts";
import { SlabCache, type SlabStats } from "./slab.ts";
import { validateArena } from "./validate.ts";

/** Options of {@link Arena.create}. */
export interface ArenaOptions {
  /** First size in bytes, rounded up to 16 KiB. Default 1 MiB, or `bytesMax` if that is less. */
  readonly bytes?: number;
  /** Size the arena may grow to, at most 2^32, rounded down to 16 KiB. Default 256 MiB, or `bytes` if more. */
  readonly bytesMax?: number;
  /** In a `SharedArrayBuffer`, for several agents. Default `false`: one thread, no lock taken. */
  readonly shared?: boolean;
  /**
   * Put a shared arena into memory that WebAssembly can use, where the engine has it: locks and read sections of the
   * arena take about half the time, and structures in it may read in WebAssembly. Sizes are then multiples of 64 KiB,
   * and every arena takes some gigabytes of the process's address space, of which there are enough for thousands.
   * Default `false`.
   */
  readonly wasm?: boolean;
  /** Agents that may use `arena.rcu` at the same time, `1..4096`. Default 32. */
  readonly agentsMax?: number;
  /**
   * Objects which each agent keeps at hand per cache of a shared arena, to allocate and free without the lock,
   * `0..56`. What one agent has at hand no other can allocate. Default 56; 0: every call takes the lock.
   */
  readonly magazineObjects?: number;
  /**
   * Registry of the agents that will use a shared arena, each of which has joined it. The arena then survives
   * the death of an agent at any instruction: see {@link Arena.agentDied}. Costs nothing where nobody dies.
   */
  readonly agents?: Agents;
  /**
   * How this agent's read sections of {@link Arena.rcu} are announced. `qsbr`: they cost no atomic operation, and
   * grace periods wait until this agent returns to its event loop, blocks, or calls `arena.rcu.quiescentState()`. Each agent
   * chooses for itself. Default `mb`.
   */
  readonly flavour?: RcuFlavour;
  /** Poison free objects and check the poison on alloc, to find writes after free. Default `false`. */
  readonly debug?: boolean;
}

/** What {@link SlabCache} objects look like. */
export interface CacheOptions {
  /** 1 to 16 printable ASCII characters. */
  readonly name: string;
  /** Words of one object, `4..2032`. */
  readonly objectWords: number;
  /**
   * Objects start at a multiple of this many words: a power of two, `4..1024`. Default: the smallest power of
   * two that holds the object, at most 16 (a cache line).
   */
  readonly alignWords?: number;
}

/** Names an arena; can be sent to a worker with `postMessage`. A clone of an unshared buffer is a copy. */
export interface ArenaHandle {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** What the buffer is of, for an arena made with `wasm`. */
  readonly memory?: object;
}

/** What {@link Arena.stats} returns. */
export interface ArenaStats {
  readonly bytes: number;
  readonly bytesMax: number;
  /** Bytes of header, slabs and carve-out chunks: what can never be used for anything else. */
  readonly bytesUsed: number;
  /** Words given out by `allocWords`, each request rounded up to 16. */
  readonly carvedWords: number;
  /** How often the buffer has grown. */
  readonly grown: number;
  readonly caches: readonly SlabStats[];
}

/** An object that nobody has freed. */
export interface Leak {
  /** Name of its cache. */
  readonly cache: string;
  /** Its first word. */
  readonly word: number;
}

const BYTES_LIMIT = L.WORDS_LIMIT * 4;
const BYTES_DEFAULT = 2 ** 20;
const BYTES_MAX_DEFAULT = 2 ** 28;
const AGENTS_MAX_DEFAULT = 32;
const AGENTS_MAX_LIMIT = 4096;

/** Unshared arenas by their buffer, outgrown ones included: attaching in the same thread finds the arena. */
const unshared = new WeakMap<ArrayBuffer, Arena>();

/**
 * Slab caches and carve-outs in one `ArrayBuffer` or `SharedArrayBuffer`.
 *
 * Objects are named by their first word, an index into {@link i32}. Any agent that has the handle sees the
 * same caches, roots and objects.
 */
export class Arena {
  /**
   * RCU domain whose grace periods {@link SlabCache.freeDeferred} waits for. Readers of objects that are
   * freed so open their sections here.
   */
  readonly rcu: RcuDomain;
  readonly #region: Region;
  readonly #caches = new Map<string, SlabCache>();

  private constructor(region: Region, flavour: RcuFlavour | undefined) {
    this.#region = region;
    this.rcu = new RcuDomain(region.i32, L.RCU, { ...(flavour && { flavour }) });
    region.onRepair = () => rebuildAll(region, this.rcu);
    if (isSharedBuffer(region.buffer)) return;
    unshared.set(region.buffer, this);
    region.onReplace = (buffer) => {
      unshared.set(buffer, this);
      this.rcu.rebind(region.i32);
    };
  }

  /**
   * Creates an arena in a new buffer.
   *
   * @throws RangeError if `bytes`, `bytesMax` or `agentsMax` is not an integer in range, or `bytes` exceeds
   * `bytesMax`
   * @throws ArenaError `ENOMEM` if the host has no buffer of that size
   */
  static create(options: ArenaOptions = {}): Arena {
    const { shared = false, debug = false, agentsMax = AGENTS_MAX_DEFAULT, agents } = options;
    const { magazineObjects = L.MAGAZINE_OBJECTS_MAX, wasm = false, flavour } = options;
    checkInteger("Arena.create: agentsMax", agentsMax, 1, AGENTS_MAX_LIMIT);
    checkInteger("Arena.create: magazineObjects", magazineObjects, 0, L.MAGAZINE_OBJECTS_MAX);
    if (agents !== undefined && !shared) {
      throw new ArenaError("EINVAL", "Arena.create: agents are for a shared arena");
    }
    if (wasm && !shared) throw new ArenaError("EINVAL", "Arena.create: wasm is for a shared arena");
    const carve = L.RCU + L.roundUp(RcuDomain.words(agentsMax), 16);
    const headerBytes = L.roundUp(carve * 4, L.CHUNK_BYTES);
    const { bytes, bytesMax } = checkSizes(options, headerBytes);
    const memory = wasm ? newMemory(bytes, bytesMax) : undefined;
    const buffer = memory?.buffer ?? newBuffer(bytes, bytesMax, shared);
    const words = new Int32Array(buffer, 0, bytes / 4);
    words[L.VERSION] = L.VERSION_VALUE;
    words[L.WORDS] = bytes / 4;
    words[L.WORDS_MAX] = bytesMax / 4;
    words[L.NEXT] = headerBytes / 4;
    words[L.CARVE] = carve;
    words[L.CARVE_END] = headerBytes / 4;
    words[L.MAGAZINE_OBJECTS] = magazineObjects;
    words[L.FLAGS] = (debug ? L.FLAG_DEBUG : 0) | (agents === undefined ? 0 : L.FLAG_ROBUST);
    words[L.MAGIC] = L.MAGIC_VALUE;
    new RcuDomain(words, L.RCU, { agentsMax }).close();
    return new Arena(new Region(buffer, agents, memory), flavour);
  }

  /**
   * Opens the arena in a buffer, usually in another worker. For the handle of an unshared arena in its own
   * thread this is the arena itself; elsewhere it is a copy made by structured cloning.
   *
   * @param agents - the registry, if the arena was created with it
   * @param flavour - of this agent's read sections; see {@link ArenaOptions.flavour}
   * @throws ArenaError `EINVAL` if the buffer holds no arena, or one of another version, or `agents` are missing
   */
  static attach(handle: ArenaHandle, agents?: Agents, flavour?: RcuFlavour): Arena {
    const memory = handle?.memory === undefined ? undefined : SharedMemory.attach({ memory: handle.memory });
    const buffer: unknown = memory?.buffer ?? handle?.buffer;
    if (!isSharedBuffer(buffer) && !(buffer instanceof ArrayBuffer)) {
      throw new ArenaError(
        "EINVAL",
        "Arena.attach: handle.buffer is neither ArrayBuffer nor SharedArrayBuffer",
      );
    }
    const known = isSharedBuffer(buffer) ? undefined : unshared.get(buffer);
    if (known !== undefined) return known;
    checkHeader(buffer);
    if (!isSharedBuffer(buffer)) forgetReaders(buffer);
    const isRobust = (new Int32Array(buffer, 0, L.CHUNK_WORDS)[L.FLAGS] & L.FLAG_ROBUST) !== 0;
    if (isRobust !== (agents !== undefined)) {
      const what = isRobust ? "was created with agents, attach needs them" : "was created without agents";
      throw new ArenaError("EINVAL", `Arena.attach: this arena ${what}`);
    }
    return new Arena(new Region(buffer, agents, memory), flavour);
  }

  /** A structured-cloneable name of this arena for {@link attach}. */
  handle(): ArenaHandle {
    const { buffer, memory } = this.#region;
    return { buffer, ...memory?.handle() };
  }

  /** What the arena is in, if it was made with `wasm`. */
  get memory(): SharedMemory | undefined {
    return this.#region.memory;
  }

  /** Current view of all words. Read it again after anything that may allocate. */
  get i32(): Int32Array {
    return this.#region.i32;
  }

  /** The same bytes as 64-bit floats; `f64[word / 2]` starts at word `word`, which must be even. */
  get f64(): Float64Array {
    return this.#region.f64;
  }

  /** Is the buffer one that several agents can use? */
  get isShared(): boolean {
    return this.#region.lock !== undefined;
  }

  /** Does it check what it can: poison, generations? Structures built on it check more, too. */
  get isDebug(): boolean {
    return this.#region.debug;
  }

  /** Re-creates the views if another agent has grown the buffer. Cost: one Atomics load if not. */
  refresh(): void {
    this.#region.refresh();
  }

  /**
   * Makes sure that the views cover `word`, for readers that meet a word published by another agent. They then
   * cover the whole object, and a whole carve-out of up to 4096 words. Cost: one comparison if they do.
   */
  ensure(word: number): void {
    this.#region.ensure(word);
  }

  /**
   * Carves out words for good, for a lock, a table, the header of a structure.
   *
   * @param count - words, integer `1..2^30`
   * @returns the first word, a multiple of 16. The words are zero
   * @throws ArenaError `ENOMEM` if there is no room, with everything as it was
   */
  allocWords(count: number): number {
    checkInteger("Arena.allocWords: count", count, 1, L.WORDS_LIMIT);
    const region = this.#region;
    const word = region.failure.take(undefined) ? 0 : region.locked(() => region.carve(count));
    if (word === 0) throw outOfMemory(`Arena.allocWords(${count})`, region);
    return word;
  }

  /**
   * Finds the cache of that name, or creates it. The same name is the same cache, in every agent.
   *
   * @throws RangeError if a name or size is out of range
   * @throws ArenaError `EINVAL` if the cache exists with other sizes; `ENOMEM` if there are 32 caches already
   */
  cache(options: CacheOptions): SlabCache {
    const { name, objectWords } = options;
    const alignWords = checkCache(options);
    const known = this.#caches.get(name);
    const index = this.#region.locked(() => findOrAddCache(this.#region.i32, name, objectWords, alignWords));
    if (known !== undefined) return known;
    const cache = new SlabCache(this.#region, this.rcu, index);
    this.#caches.set(name, cache);
    return cache;
  }

  /** The word stored at `slot` (`0..7`) by {@link setRoot}, 0 if none. One Atomics load. */
  root(slot: number): number {
    checkInteger("Arena.root: slot", slot, 0, L.ROOT_SLOTS - 1);
    return Atomics.load(this.#region.i32, L.ROOTS + slot);
  }

  /** Publishes a word for others to find; what was written before is visible to who reads it there. */
  setRoot(slot: number, word: number): void {
    checkInteger("Arena.setRoot: slot", slot, 0, L.ROOT_SLOTS - 1);
    checkInteger("Arena.setRoot: word", word, 0, L.WORDS_LIMIT - 1);
    Atomics.store(this.#region.i32, L.ROOTS + slot, word);
  }

  /**
   * Makes the `n`-th allocation of this agent from now fail with `ENOMEM`, once: `1` is the next one. An
   * allocation is a call of alloc, tryAlloc, reserve or allocWords; allocations out of a reservation do not
   * count, because they cannot fail. `0` disarms.
   *
   * @param scope - only those of one cache
   * @throws RangeError unless `n` is an integer in `0..2^30`
   */
  failNth(n: number, scope: FailureScope = {}): void {
    checkInteger("Arena.failNth: n", n, 0, 2 ** 30);
    this.#region.failure.failNth(n, scope);
  }

  /**
   * Makes every allocation of this agent fail with this probability, counted as by {@link failNth}. `0` disarms.
   *
   * @param probability - `0..1`
   * @param options - only those of one cache; `seed`, a 32-bit integer, default 1: equal seeds, equal failures
   * @throws RangeError if `probability` or `seed` is out of range
   */
  failRandomly(probability: number, options: FailureScope & { readonly seed?: number } = {}): void {
    if (!(probability >= 0 && probability <= 1)) {
      throw new RangeError(`Arena.failRandomly: probability must be in 0..1, got ${String(probability)}`);
    }
    const { seed = 1 } = options;
    checkInteger("Arena.failRandomly: seed", seed, -(2 ** 31), 2 ** 32 - 1);
    this.#region.failure.failRandomly(probability, seed, options);
  }

  /**
   * Every object that is allocated and not freed: a leak report, when nothing should be left. Deferred objects
   * are none. Cost: proportional to the size of all slabs; for tests and for the end of a program.
   */
  leaks(): Leak[] {
    const count = Atomics.load(this.#region.refresh(), L.CACHES);
    const caches = Array.from({ length: count }, (_, index) => new SlabCache(this.#region, this.rcu, index));
    return caches.flatMap((cache) => cache.live().map((word) => ({ cache: cache.name, word })));
  }

  /**
   * Checks every header word, cache record, slab, free list and deferred list.
   *
   * @throws Error naming the cache, the word and both values at the first thing that is wrong
   *
   * Takes the lock for the whole walk. Cost: proportional to the number of objects; for tests.
   */
  validate(): void {
    this.#region.locked(() => validateArena(this.#region.i32));
  }

  /** Sizes and the counts of all caches. */
  stats(): ArenaStats {
    const words = this.#region.refresh();
    const count = Atomics.load(words, L.CACHES);
    const caches = Array.from({ length: count }, (_, i) => new SlabCache(this.#region, this.rcu, i).stats());
    return this.#region.locked(() => {
      const now = this.#region.i32;
      return {
        bytes: now.length * 4,
        bytesMax: now[L.WORDS_MAX] * 4,
        bytesUsed: now[L.NEXT] * 4,
        carvedWords: now[L.CARVED],
        grown: now[L.GROWN],
        caches,
      };
    });
  }

  /** Who lives, if the arena was created and attached with it. */
  get agents(): Agents | undefined {
    return this.#region.agents;
  }

  /**
   * Cleans up after an agent that has died: ends its read section, takes back the objects in its magazines and
   * the one that it was allocating or freeing. What it had allocated stays live, since only its user knows who
   * still reaches it. If it died under the arena's lock, the next that takes the lock makes all lists anew, from
   * the objects' states; that needs {@link ArenaOptions.agents}, else the arena stays locked. A slab or a
   * carve-out that it was just making is lost, which `stats()` shows as used. `registry.protect(arena)` calls it.
   *
   * @param id - of the agent in its `ThreadRegistry`
   * @returns whether it had left anything behind
   */
  agentDied(id: number): boolean {
    checkInteger("Arena.agentDied: id", id, 1, 2 ** 30 - 1);
    const region = this.#region;
    const hadLock = region.lock instanceof RobustSpinLock && region.lock.agentDied(id);
    const hadSection = this.rcu.agentDied(id);
    const objects = region.locked(() => takeBack(region, this.rcu, (owner) => owner === id));
    return hadLock || hadSection || objects > 0;
  }

  /**
   * {@link agentDied} for whoever has died and not been reported yet, as far as magazines go. Structures that
   * free what a dead agent had allocated call it first: else the object in its hand would be freed twice.
   * Does nothing in an arena without `agents`.
   *
   * @returns how many objects are free again
   */
  takeBackFromDead(): number {
    const { agents } = this;
    if (agents === undefined) return 0;
    const isDead = (owner: number): boolean => owner !== agents.self && !agents.isAlive(owner);
    return this.#region.locked(() => takeBack(this.#region, this.rcu, isDead));
  }

  /** Gives back this agent's objects at hand, its reservations and its RCU slot; the buffer stays usable for the others. */
  close(): void {
    for (const cache of this.#caches.values()) cache.close();
    this.rcu.close();
  }

  /** {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function checkSizes(options: ArenaOptions, headerBytes: number): { bytes: number; bytesMax: number } {
  const asked = options.bytes ?? Math.min(BYTES_DEFAULT, options.bytesMax ?? BYTES_DEFAULT);
  checkInteger("Arena.create: bytes", asked, 1, BYTES_LIMIT);
  const askedMax = options.bytesMax ?? Math.max(BYTES_MAX_DEFAULT, asked);
  checkInteger("Arena.create: bytesMax", askedMax, headerBytes, BYTES_LIMIT);
  if (asked > askedMax) throw new RangeError(`Arena.create: bytes ${asked} is above bytesMax ${askedMax}`);
  const unit = options.wasm === true ? L.PAGE_BYTES : L.CHUNK_BYTES;
  const bytesMax = Math.max(Math.floor(askedMax / unit) * unit, L.roundUp(headerBytes, unit));
  const bytes = Math.min(bytesMax, L.roundUp(Math.max(headerBytes, asked), unit));
  return { bytes, bytesMax };
}

function newMemory(bytes: number, bytesMax: number): SharedMemory {
  try {
    return SharedMemory.create({ bytes, bytesMax });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw noBuffer(bytes, bytesMax);
  }
}

function newBuffer(bytes: number, bytesMax: number, shared: boolean): ArrayBuffer | SharedArrayBuffer {
  try {
    return shared ? new SharedArrayBuffer(bytes, { maxByteLength: bytesMax }) : new ArrayBuffer(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw noBuffer(bytes, bytesMax);
  }
}

function noBuffer(bytes: number, bytesMax: number): ArenaError {
  return new ArenaError(
    "ENOMEM",
    `Arena.create: the host has no buffer of ${bytes} (at most ${bytesMax}) bytes`,
  );
}

function checkHeader(buffer: ArrayBuffer | SharedArrayBuffer): void {
  if (buffer.byteLength < L.CHUNK_BYTES || buffer.byteLength % L.CHUNK_BYTES !== 0) {
    throw new ArenaError("EINVAL", `Arena.attach: a buffer of ${buffer.byteLength} bytes holds no arena`);
  }
  const words = new Int32Array(buffer, 0, 16);
  if (words[L.MAGIC] !== L.MAGIC_VALUE) {
    throw new ArenaError(
      "EINVAL",
      `Arena.attach: no arena, word 0 is ${words[L.MAGIC]}, expected ${L.MAGIC_VALUE}`,
    );
  }
  if (words[L.VERSION] !== L.VERSION_VALUE) {
    throw new ArenaError(
      "EINVAL",
      `Arena.attach: arena of version ${words[L.VERSION]}, expected ${L.VERSION_VALUE}`,
    );
  }
}

/** The readers of the arena that was cloned are no readers of the clone, and would hold up its grace periods. */
function forgetReaders(buffer: ArrayBuffer): void {
  const words = new Int32Array(buffer);
  const agentsMax = words[L.RCU];
  words.fill(0, L.RCU, L.RCU + RcuDomain.words(agentsMax));
  words[L.RCU] = agentsMax;
}

/** Checks the options and returns the alignment. */
function checkCache(options: CacheOptions): number {
  const { name, objectWords } = options;
  if (typeof name !== "string" || !/^[\x20-\x7e]{1,16}$/.test(name)) {
    throw new RangeError(
      `Arena.cache: name must be 1 to 16 printable ASCII characters, got "${String(name)}"`,
    );
  }
  checkInteger("Arena.cache: objectWords", objectWords, L.OBJECT_WORDS_MIN, L.OBJECT_WORDS_MAX);
  const alignWords = options.alignWords ?? Math.min(16, 2 ** Math.ceil(Math.log2(objectWords)));
  checkInteger("Arena.cache: alignWords", alignWords, L.OBJECT_WORDS_MIN, L.ALIGN_WORDS_MAX);
  if ((alignWords & (alignWords - 1)) !== 0) {
    throw new RangeError(`Arena.cache: alignWords must be a power of two, got ${alignWords}`);
  }
  return alignWords;
}

/** Index of the cache. Lock held. */
function findOrAddCache(words: Int32Array, name: string, objectWords: number, alignWords: number): number {
  const count = words[L.CACHES];
  for (let index = 0; index < count; index++) {
    const base = L.cacheRecord(index);
    if (L.unpackName(words, base + L.NAME) !== name) continue;
    const hasObject = words[base + L.OBJECT_WORDS];
    const hasAlign = words[base + L.ALIGN_WORDS];
    if (hasObject === objectWords && hasAlign === alignWords) return index;
    const has = `objectWords ${hasObject}, alignWords ${hasAlign}`;
    const asked = `objectWords ${objectWords}, alignWords ${alignWords}`;
    throw new ArenaError("EINVAL", `Arena.cache: "${name}" exists with ${has}, asked for ${asked}`);
  }
  if (count === L.CACHES_MAX) {
    throw new ArenaError(
      "ENOMEM",
      `Arena.cache: no room for "${name}", there are ${L.CACHES_MAX} caches already`,
    );
  }
  const base = L.cacheRecord(count);
  words.set(L.packName(name), base + L.NAME);
  const stride = L.roundUp(objectWords, alignWords);
  const first = L.firstObject(alignWords);
  words[base + L.OBJECT_WORDS] = objectWords;
  words[base + L.ALIGN_WORDS] = alignWords;
  words[base + L.STRIDE] = stride;
  words[base + L.FIRST] = first;
  words[base + L.PER_SLAB] = Math.floor((L.CHUNK_WORDS - first) / stride);
  Atomics.store(words, L.CACHES, count + 1);
  return count;
}
