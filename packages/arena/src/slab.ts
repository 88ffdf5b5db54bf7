/*
 * A cache of objects of one size. Its state is a record in the arena's words (layout.ts); the slabs are
 * chunks of the same buffer.
 *
 *   slab (4096 words, aligned)      object, while it is …
 *   ┌──────────────────────────┐    allocated   deferred          free
 *   │ magic ^ cache, next slab │    user's      0  user's         0  undefined
 *   │ live bits                │    user's      1  next in FIFO   1  next in free list
 *   ├──────────────────────────┤    user's      2  cookie         2  undefined (debug: poison)
 *   │ object 0                 │
 *   │ object 1 …               │    live bit 1  live bit 0        live bit 0
 *   └──────────────────────────┘
 *
 * alloc() pops the free list, else splits the next object off the newest slab, else reclaims one batch of
 * deferred objects, else makes a slab. Each of these is constant time; a slab's objects are not linked up
 * when it is made. The live bit is how a double free and a wild free are found: only words which start an
 * allocated object of this cache have it.
 *
 * Lock order: the arena's lock is the innermost one; nothing is called with it held that could take another.
 * Plain accesses to cache records, slabs and free objects are enough, since all of them happen under it.
 *
 * On an unshared buffer the lock is left out: alloc + free of a 64-word object took 24 ns without it and 61 ns
 * with it (bench/alloc.ts, Node 24, Zen 4, the lock forced on for the comparison). The words themselves are
 * accessed in the same way in both cases.
 */
import type { RcuDomain } from "@faultline/sync";
import { checkPoison, poison } from "./debug.ts";
import { popElapsed, pushDeferred } from "./deferred-free.ts";
import { ArenaError, checkInteger } from "./errors.ts";
import * as L from "./layout.ts";
import { outOfMemory, type Region } from "./region.ts";

/** What {@link SlabCache.stats} returns; objects unless said otherwise. */
export interface SlabStats {
  readonly name: string;
  /** Allocated and not freed. */
  readonly live: number;
  /** Freed through `freeDeferred`, not yet reclaimed. */
  readonly deferred: number;
  /** Ready to be allocated without growth. */
  readonly free: number;
  /** Those of `free` which agents have reserved. */
  readonly reserved: number;
  /** Slabs of 16 KiB. */
  readonly slabs: number;
  readonly objectWords: number;
}

/**
 * Objects of one size in an arena; made by `Arena.cache()`.
 *
 * Any number of agents may use the cache at the same time. Source of the idea: Linux mm/slub.c.
 */
export class SlabCache {
  /** Name it is found by, 1 to 16 ASCII characters. */
  readonly name: string;
  /** Words of one object as asked for. */
  readonly objectWords: number;
  /**
   * Observation hook of this agent: called when an object that this agent freed or reclaimed has returned to
   * the free list. It runs after the lock was dropped; in a shared arena the object may already be reused.
   */
  onFree: ((word: number) => void) | undefined = undefined;

  readonly #region: Region;
  readonly #rcu: RcuDomain;
  readonly #base: number;
  readonly #index: number;
  readonly #stride: number;
  readonly #alignMask: number;
  readonly #alignShift: number;
  /** Objects promised to this agent by reserve(); its part of the word RESERVED. */
  #reserved = 0;

  /** Package-internal: use `Arena.cache()`. */
  constructor(region: Region, rcu: RcuDomain, index: number) {
    const base = L.cacheRecord(index);
    const words = region.i32;
    this.#region = region;
    this.#rcu = rcu;
    this.#base = base;
    this.#index = index;
    this.name = L.unpackName(words, base + L.NAME);
    this.objectWords = words[base + L.OBJECT_WORDS];
    this.#stride = words[base + L.STRIDE];
    this.#alignMask = words[base + L.ALIGN_WORDS] - 1;
    this.#alignShift = 31 - Math.clz32(words[base + L.ALIGN_WORDS]);
  }

  /**
   * Allocates an object.
   *
   * @param owner - if not 0, word 3 of the object holds it before anybody can see that the object is allocated:
   * {@link live} then finds what belongs to an owner, also what an agent had taken when it died
   * @returns its first word, a multiple of `alignWords`. Words 0 and 1 are zero, the others are undefined
   * @throws ArenaError `ENOMEM` if the arena is full, with everything as it was
   *
   * May grow the buffer: read `arena.i32` again afterwards. Cost: constant; see the bench.
   */
  alloc(owner = 0): number {
    const word = this.tryAlloc(owner);
    if (word === 0) throw outOfMemory(`${this.name}.alloc`, this.#region);
    return word;
  }

  /** As {@link alloc}, but returns 0 if the arena is full. */
  tryAlloc(owner = 0): number {
    const region = this.#region;
    if (region.failure.isArmed && this.#reserved === 0 && region.failure.take(this.name)) return 0;
    region.enter();
    const word = this.#take(owner);
    region.leave();
    if (word === 0) return this.#allocSlow(owner);
    if (region.debug) checkPoison(region.i32, word, this.objectWords, this.name, owner);
    return word;
  }

  /**
   * Makes the next `count` calls of alloc in this agent neither fail nor grow the buffer. A promise of which
   * a part is left over counts: after `reserve(7)` and two allocations, `reserve(7)` asks for two more.
   *
   * @param count - objects, integer `0..2^24`
   * @throws ArenaError `ENOMEM` if there is no room for all of them, with everything as it was
   *
   * Reserved allocations are not counted by `Arena.failNth` and `failRandomly`. Cost: proportional to the objects asked for.
   */
  reserve(count: number): void {
    checkInteger(`${this.name}.reserve: count`, count, 0, 2 ** 24);
    if (count <= this.#reserved) return;
    const region = this.#region;
    if (region.failure.take(this.name)) throw outOfMemory(`${this.name}.reserve`, region);
    while (!region.locked(() => this.#promise(count))) {
      if (this.#reclaimBatch() > 0) continue;
      if (!region.locked(() => this.#promise(count) || (this.#addSlabs(count) && this.#promise(count)))) {
        throw outOfMemory(`${this.name}.reserve(${count})`, region);
      }
      return;
    }
  }

  /** Gives back what is left of this agent's reservation. */
  unreserve(): void {
    this.#region.locked(() => {
      this.#region.i32[this.#base + L.RESERVED] -= this.#reserved;
      this.#reserved = 0;
    });
  }

  /**
   * Frees an object at once. No agent may still hold its word.
   *
   * @param word - what alloc returned
   * @throws ArenaError `EINVAL` if `word` is not an allocated object of this cache (double free, wild free)
   */
  free(word: number): void {
    const region = this.#region;
    region.enter();
    try {
      this.#freeNow(word);
    } finally {
      region.leave();
    }
    this.onFree?.(word);
  }

  /**
   * Frees an object once a grace period of `arena.rcu` has elapsed: every read section open now has closed.
   * Word 0 keeps its contents until then; words 1 and 2 are overwritten at once.
   *
   * @param word - what alloc returned, already unreachable for new readers
   * @throws ArenaError `EINVAL` if `word` is not an allocated object of this cache
   */
  freeDeferred(word: number): void {
    const region = this.#region;
    const cookie = this.#rcu.cookie();
    region.enter();
    try {
      this.#defer(word, cookie);
    } finally {
      region.leave();
    }
  }

  /**
   * Moves the deferred objects whose grace period has elapsed, whoever deferred them, back to the free list.
   *
   * @returns how many. Never waits. Cost: proportional to that number, in batches of 64 under the lock
   */
  reclaim(): number {
    let total = 0;
    for (;;) {
      const count = this.#reclaimBatch();
      if (count === 0) return total;
      total += count;
    }
  }

  /**
   * The first words of all objects that are allocated and not freed, in no order: what has leaked, if nothing
   * should be left. With an owner, only those allocated for it. Takes the lock for the whole walk. Cost:
   * proportional to the slabs' size; for tests and repairs.
   */
  live(owner = 0): number[] {
    return this.#region.locked(() => {
      const words = this.#region.i32;
      const found: number[] = [];
      for (let slab = words[this.#base + L.SLAB_HEAD]; slab !== 0; slab = words[slab + L.SLAB_NEXT]) {
        const first = slab + words[this.#base + L.FIRST];
        const end = first + words[this.#base + L.PER_SLAB] * this.#stride;
        for (let word = first; word < end; word += this.#stride)
          if (this.#isLive(words, word) && (owner === 0 || words[word + L.OWNER] === owner)) found.push(word);
      }
      return found;
    });
  }

  /** Counts of this cache. In a shared arena they are a consistent snapshot. */
  stats(): SlabStats {
    return this.#region.locked(() => {
      const words = this.#region.i32;
      const base = this.#base;
      const slabs = words[base + L.SLABS];
      const free = words[base + L.FREE];
      const deferred = words[base + L.DEFERRED];
      return {
        name: this.name,
        live: slabs * words[base + L.PER_SLAB] - free - deferred,
        deferred,
        free,
        reserved: words[base + L.RESERVED],
        slabs,
        objectWords: this.objectWords,
      };
    });
  }

  /** Is `word` an allocated object of this cache? Lock held, or unshared. */
  #isLive(words: Int32Array, word: number): boolean {
    const offset = word & (L.CHUNK_WORDS - 1);
    // A word beyond the view reads as undefined and so is not live; a fraction fails the first comparison.
    if ((word | 0) !== word || (word & this.#alignMask) !== 0) return false;
    if (words[word - offset] !== (L.SLAB_MAGIC_VALUE ^ this.#index)) return false;
    const bit = offset >>> this.#alignShift;
    return (words[word - offset + L.SLAB_LIVE + (bit >>> 5)] & (1 << (bit & 31))) !== 0;
  }

  #flipLive(words: Int32Array, word: number): void {
    const offset = word & (L.CHUNK_WORDS - 1);
    const bit = offset >>> this.#alignShift;
    words[word - offset + L.SLAB_LIVE + (bit >>> 5)] ^= 1 << (bit & 31);
  }

  /** Takes a free object; 0 if there is none that nobody else has reserved. Lock held. */
  #take(owner: number): number {
    const base = this.#base;
    const words = this.#region.i32;
    const free = words[base + L.FREE];
    // Not even a promise is worth anything if what it was about went with an agent that died.
    if (free === 0) return 0;
    if (this.#reserved > 0) {
      this.#reserved--;
      words[base + L.RESERVED] -= 1;
    } else if (free <= words[base + L.RESERVED]) return 0;
    words[base + L.FREE] = free - 1;
    let word = words[base + L.FREE_HEAD];
    if (word === 0) {
      word = words[base + L.BUMP];
      words[base + L.BUMP] = word + this.#stride;
    } else {
      words[base + L.FREE_HEAD] = words[word + L.LINK];
    }
    words[word] = 0;
    words[word + 1] = 0;
    if (owner !== 0) words[word + L.OWNER] = owner;
    this.#flipLive(words, word);
    return word;
  }

  /** Nothing was free: reclaim, then make a slab. In a shared arena others may win the race, hence the loop. */
  #allocSlow(owner: number): number {
    const region = this.#region;
    while (this.#reclaimBatch() > 0) {
      const word = region.locked(() => this.#take(owner));
      if (word !== 0) return word;
    }
    return region.locked(() => this.#take(owner) || (this.#addSlab() ? this.#take(owner) : 0));
  }

  /** Reserves up to `count` if enough objects are free. Lock held. */
  #promise(count: number): boolean {
    const words = this.#region.i32;
    const missing = count - this.#reserved;
    if (words[this.#base + L.FREE] - words[this.#base + L.RESERVED] < missing) return false;
    words[this.#base + L.RESERVED] += missing;
    this.#reserved = count;
    return true;
  }

  /** Makes the slabs that a reservation of `count` needs, or none. Lock held. */
  #addSlabs(count: number): boolean {
    const region = this.#region;
    const words = region.i32;
    const base = this.#base;
    const missing = count - this.#reserved - (words[base + L.FREE] - words[base + L.RESERVED]);
    const slabs = Math.ceil(missing / words[base + L.PER_SLAB]);
    const first = region.takeChunks(slabs);
    if (first === 0) return false;
    for (let i = 0; i < slabs; i++) this.#initSlab(first + i * L.CHUNK_WORDS);
    return true;
  }

  #addSlab(): boolean {
    const slab = this.#region.takeChunks(1);
    if (slab !== 0) this.#initSlab(slab);
    return slab !== 0;
  }

  /** Makes the zeroed chunk at `slab` this cache's newest slab. Lock held. */
  #initSlab(slab: number): void {
    const words = this.#region.i32;
    const base = this.#base;
    this.#linkRest(words);
    words[slab + L.SLAB_MAGIC] = L.SLAB_MAGIC_VALUE ^ this.#index;
    words[slab + L.SLAB_NEXT] = words[base + L.SLAB_HEAD];
    words[base + L.SLAB_HEAD] = slab;
    const perSlab = words[base + L.PER_SLAB];
    words[base + L.BUMP] = slab + words[base + L.FIRST];
    words[base + L.BUMP_END] = words[base + L.BUMP] + perSlab * this.#stride;
    words[base + L.SLABS] += 1;
    words[base + L.FREE] += perSlab;
    if (this.#region.debug) poison(words, words[base + L.BUMP], perSlab * this.#stride);
  }

  /** Only reserve() makes a slab while the one before still has objects that were never handed out. */
  #linkRest(words: Int32Array): void {
    const base = this.#base;
    const end = words[base + L.BUMP_END];
    for (let word = words[base + L.BUMP]; word < end; word += this.#stride) {
      words[word + L.LINK] = words[base + L.FREE_HEAD];
      words[base + L.FREE_HEAD] = word;
    }
  }

  #freeNow(word: number): void {
    const words = this.#region.i32;
    if (!this.#isLive(words, word)) throw this.#notAllocated("free", word);
    this.#flipLive(words, word);
    this.#putFree(words, word);
  }

  #putFree(words: Int32Array, word: number): void {
    const base = this.#base;
    if (this.#region.debug) poison(words, word, this.objectWords);
    words[word + L.LINK] = words[base + L.FREE_HEAD];
    words[base + L.FREE_HEAD] = word;
    words[base + L.FREE] += 1;
  }

  #defer(word: number, cookie: number): void {
    const words = this.#region.i32;
    if (!this.#isLive(words, word)) throw this.#notAllocated("freeDeferred", word);
    this.#flipLive(words, word);
    pushDeferred(words, this.#base, word, cookie);
  }

  /** Reclaims at most a batch of objects whose grace period has elapsed. */
  #reclaimBatch(): number {
    const region = this.#region;
    // A plain look before taking the lock. A stale "none" is harmless: what another agent has deferred this
    // very moment can wait for the next call.
    if (region.i32[this.#base + L.DEFERRED] === 0) return 0;
    const hook = this.onFree;
    const reclaimed: number[] = [];
    const count = region.locked(() =>
      popElapsed(region, this.#base, this.#rcu, (words, word) => {
        this.#putFree(words, word);
        if (hook !== undefined) reclaimed.push(word);
      }),
    );
    for (const word of reclaimed) hook?.(word);
    return count;
  }

  #notAllocated(call: string, word: number): ArenaError {
    return new ArenaError(
      "EINVAL",
      `${this.name}.${call}: word ${String(word)} is not an allocated object of this cache (double free or wild free)`,
    );
  }
}
