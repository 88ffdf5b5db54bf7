/*
 * A cache of objects of one size, as an agent sees it: its magazine in front (magazine.ts), the depot that all
 * agents share behind (depot.ts). The slabs are chunks of the arena's buffer:
 *
 *   slab (4096 words, aligned)      object, while it is …
 *   ┌──────────────────────────┐    allocated   deferred          free
 *   │ magic ^ cache, next slab │    user's      0  user's         0  undefined
 *   │ states, a byte each      │    user's      1  next in FIFO   1  next in free list
 *   ├──────────────────────────┤    user's      2  cookie         2  undefined (debug: poison)
 *   │ object 0                 │
 *   │ object 1 …               │
 *   └──────────────────────────┘
 *
 * alloc() pops the magazine; if that is empty it takes the lock and fills half of it from the depot, which
 * reclaims a batch of deferred objects or makes a slab when it has nothing. free() pushes to the magazine; if
 * that is full it moves half of it to the depot. The state is how a double free and a wild free are found.
 *
 * Lock order: the arena's lock is the innermost one; nothing is called with it held that could take another.
 *
 * On an unshared buffer there are no other agents: no lock, no magazine, the depot is all there is.
 */
import type { RcuDomain } from "@faultline/sync";
import { checkPoison, poison } from "./debug.ts";
import { Depot } from "./depot.ts";
import { ArenaError, checkInteger } from "./errors.ts";
import * as L from "./layout.ts";
import { claimMagazine, Magazine } from "./magazine.ts";
import { endLife, generationAt, placeAt, State, setPlace, stateIndex } from "./object-state.ts";
import { outOfMemory, type Region } from "./region.ts";

/** What {@link SlabCache.stats} returns; objects unless said otherwise. */
export interface SlabStats {
  readonly name: string;
  /** Allocated and not freed. */
  readonly live: number;
  /** Freed through `freeDeferred`, not yet reclaimed. */
  readonly deferred: number;
  /** Ready to be allocated without growth, those at hand included. */
  readonly free: number;
  /** Those of `free` which lie in agents' magazines, where only their owners can take them. */
  readonly atHand: number;
  /** Those of `free` which agents have been promised. */
  readonly reserved: number;
  /** Slabs of 16 KiB. */
  readonly slabs: number;
  readonly objectWords: number;
}

/** Bits of a handle: what a word has, 30, and those which a generation can use. */
const HANDLE_BITS = 32;
const WORD_BITS = 30;

/**
 * Objects of one size in an arena; made by `Arena.cache()`.
 *
 * Any number of agents may use the cache at the same time. Sources of the idea: Linux mm/slub.c; Bonwick and
 * Adams, "Magazines and Vmem" (2001).
 */
export class SlabCache {
  /** Name it is found by, 1 to 16 ASCII characters. */
  readonly name: string;
  /** Words of one object as asked for. */
  readonly objectWords: number;
  /**
   * Observation hook of this agent: called when an object that this agent freed or reclaimed is free. It runs
   * after the lock was dropped; in a shared arena the object may already be reused.
   */
  onFree: ((word: number) => void) | undefined = undefined;

  readonly #region: Region;
  readonly #rcu: RcuDomain;
  readonly #depot: Depot;
  readonly #base: number;
  readonly #index: number;
  readonly #alignMask: number;
  readonly #alignShift: number;
  readonly #isShared: boolean;
  /** Absent until the first call that takes the lock, where there is no room for one, and on unshared buffers. */
  #magazine: Magazine | undefined = undefined;
  /** Allocations promised to this agent by reserve(): at hand, and if these are not enough held in the depot. */
  #promised = 0;
  /** This agent's part of the word RESERVED. */
  #held = 0;

  /** Package-internal: use `Arena.cache()`. */
  constructor(region: Region, rcu: RcuDomain, index: number) {
    const base = L.cacheRecord(index);
    const words = region.i32;
    this.#region = region;
    this.#rcu = rcu;
    this.#depot = new Depot(region, rcu, index);
    this.#base = base;
    this.#index = index;
    this.#isShared = region.lock !== undefined;
    this.name = L.unpackName(words, base + L.NAME);
    this.objectWords = words[base + L.OBJECT_WORDS];
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
    if (region.failure.isArmed && this.#promised === 0 && region.failure.take(this.name)) return 0;
    const magazine = this.#magazine;
    let word = magazine === undefined ? 0 : magazine.pop();
    if (word === 0) {
      word = this.#allocFromDepot(owner);
      if (word === 0) return 0;
    } else this.#enliven(word, owner);
    if (this.#promised > 0) this.#setPromised(this.#promised - 1);
    this.#magazine?.layDown();
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
   * Reserved allocations are not counted by `Arena.failNth` and `failRandomly`. Cost: constant if enough
   * objects are at hand, else proportional to the objects asked for.
   */
  reserve(count: number): void {
    checkInteger(`${this.name}.reserve: count`, count, 0, 2 ** 24);
    if (count <= this.#promised) return;
    const region = this.#region;
    if (region.failure.take(this.name)) throw outOfMemory(`${this.name}.reserve`, region);
    if (this.#missing(count) <= 0) {
      this.#setPromised(count);
      return;
    }
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
    this.#setPromised(0);
    if (this.#held > 0) this.#region.locked(() => this.#hold(-this.#held));
  }

  /**
   * Frees an object at once. No agent may still hold its word.
   *
   * @param word - what alloc returned
   * @throws ArenaError `EINVAL` if `word` is not an allocated object of this cache (double free, wild free)
   */
  free(word: number): void {
    const magazine = this.#magazine;
    if (magazine === undefined || magazine.room === 0) this.#freeToDepot(word);
    else this.#freeToMagazine(magazine, word);
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
      this.#endLife("freeDeferred", word, State.Deferred);
      this.#depot.defer(word, cookie);
    } finally {
      region.leave();
    }
  }

  /**
   * Moves the deferred objects whose grace period has elapsed, whoever deferred them, back to the depot.
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
   * A 32-bit name of an allocated object to keep in shared words. In debug mode it holds the object's
   * generation, so that {@link wordOf} can tell when the object has been freed since, even if it is allocated
   * again; otherwise it is the word itself and costs nothing.
   *
   * @param word - what alloc returned
   * @returns an Int32, never 0
   * @throws ArenaError `EINVAL`, in debug mode, if `word` is not an allocated object of this cache
   */
  handleOf(word: number): number {
    const region = this.#region;
    if (!region.debug) return word;
    region.ensure(word);
    if (!this.#isLive(word)) throw this.#notAllocated("handleOf", word);
    const generation = generationAt(region.u8, stateIndex(word, this.#alignShift));
    const unitBits = WORD_BITS - this.#alignShift;
    return (word >>> this.#alignShift) | (generation << unitBits);
  }

  /**
   * The first word of the object that a handle names.
   *
   * @param handle - from {@link handleOf} of this cache, in any agent
   * @throws ArenaError `ESTALE`, in debug mode, if the object has been freed since. With an alignment of 4
   * words a generation has 4 bits and comes again after 16 frees, with 16 and more it has all 6
   */
  wordOf(handle: number): number {
    const region = this.#region;
    if (!region.debug) return handle;
    const unitBits = WORD_BITS - this.#alignShift;
    const word = (handle & ((1 << unitBits) - 1)) << this.#alignShift;
    region.ensure(word);
    const generation = this.#isLive(word) ? generationAt(region.u8, stateIndex(word, this.#alignShift)) : -1;
    const mask = (1 << Math.min(HANDLE_BITS - unitBits, 6)) - 1;
    if (generation >= 0 && ((handle >>> unitBits) & mask) === (generation & mask)) return word;
    throw new ArenaError(
      "ESTALE",
      `${this.name}.wordOf: handle ${handle} names object ${word}, which has been freed since (use after free)`,
    );
  }

  /**
   * The first words of all objects that are allocated and not freed, in no order: what has leaked, if nothing
   * should be left. With an owner, only those allocated for it. Takes the lock for the whole walk. Cost:
   * proportional to the slabs' size; for tests and repairs.
   */
  live(owner = 0): number[] {
    return this.#region.locked(() => {
      const found: number[] = [];
      this.#depot.forEachObject((word, state) => {
        const isOwned = owner === 0 || this.#region.i32[word + L.OWNER_MARK] === owner;
        if (isOwned && placeAt(this.#region.u8, state) === State.Live) found.push(word);
      });
      return found;
    });
  }

  /**
   * Counts of this cache. Exact when no other agent allocates or frees at the same time; otherwise `free`,
   * `atHand` and `live` may be out by what these have under way.
   */
  stats(): SlabStats {
    return this.#region.locked(() => {
      const words = this.#region.i32;
      const base = this.#base;
      const slabs = words[base + L.SLABS];
      const atHand = this.#sum(L.COUNT);
      const free = words[base + L.FREE] + atHand;
      const deferred = words[base + L.DEFERRED];
      return {
        name: this.name,
        live: slabs * words[base + L.PER_SLAB] - free - deferred,
        deferred,
        free,
        atHand,
        reserved: words[base + L.RESERVED] - this.#sum(L.HELD) + this.#sum(L.PROMISED),
        slabs,
        objectWords: this.objectWords,
      };
    });
  }

  /** Package-internal: this agent is done; its objects at hand and its reservation go back to the depot. */
  close(): void {
    this.unreserve();
    const magazine = this.#magazine;
    if (magazine === undefined) return;
    this.#region.locked(() => {
      this.#flush(magazine, magazine.count);
      magazine.release();
    });
    this.#magazine = undefined;
  }

  /** Nothing was at hand. @returns a live object, 0 if there is none */
  #allocFromDepot(owner: number): number {
    const region = this.#region;
    region.enter();
    const word = this.#take(owner);
    region.leave();
    return word === 0 ? this.#allocSlow(owner) : word;
  }

  /** The depot had nothing: reclaim, then make a slab. In a shared arena others may win the race, hence the loop. */
  #allocSlow(owner: number): number {
    const region = this.#region;
    while (this.#reclaimBatch() > 0) {
      const reclaimed = region.locked(() => this.#take(owner));
      if (reclaimed !== 0) return reclaimed;
    }
    return region.locked(() => this.#take(owner) || (this.#depot.addSlabs(1) ? this.#take(owner) : 0));
  }

  /** Takes a free object that nobody else has reserved, and fills half of the magazine; 0 if there is none. Lock held. */
  #take(owner: number): number {
    const isHeld = this.#held > 0;
    const word = this.#depot.take(isHeld);
    if (isHeld) this.#setHeld(this.#held - 1);
    if (word === 0) return 0;
    if (this.#isShared) this.#fillAfter(word, owner);
    else this.#enliven(word, owner);
    return word;
  }

  /** The object is the caller's; `owner` is noted before its state says so. */
  #enliven(word: number, owner: number): void {
    const { i32, u8 } = this.#region;
    i32[word] = 0;
    i32[word + 1] = 0;
    if (owner !== 0) i32[word + L.OWNER_MARK] = owner;
    setPlace(u8, stateIndex(word, this.#alignShift), State.Live);
  }

  /** `word` goes out to the caller, half a magazine comes in with it. Lock held. */
  #fillAfter(word: number, owner: number): void {
    // What has been promised does not grow the buffer.
    const magazine = this.#adopt(this.#promised === 0);
    magazine?.takeInHand(word);
    this.#enliven(word, owner);
    if (magazine !== undefined) this.#fill(magazine, magazine.half - 1);
  }

  /** Moves up to `count` unreserved objects from the depot to the magazine. Lock held. */
  #fill(magazine: Magazine, count: number): void {
    const moved = Math.min(count, this.#depot.available);
    for (let i = 0; i < moved; i++) {
      const word = this.#depot.take(false);
      magazine.push(word);
      setPlace(this.#region.u8, stateIndex(word, this.#alignShift), State.Magazine);
    }
  }

  /** Moves `count` objects from the magazine to the depot. Lock held. */
  #flush(magazine: Magazine, count: number): void {
    for (let i = 0; i < count; i++) {
      const word = magazine.pop();
      this.#depot.takeBack(word);
      magazine.layDown();
    }
  }

  #freeToMagazine(magazine: Magazine, word: number): void {
    const region = this.#region;
    region.ensure(word);
    if (!this.#isObject(word)) throw this.#notAllocated("free", word);
    magazine.takeInHand(word);
    if (!endLife(region.u8, stateIndex(word, this.#alignShift), State.Magazine, true, region.debug)) {
      magazine.layDown();
      throw this.#notAllocated("free", word);
    }
    if (region.debug) poison(region.i32, word, this.objectWords);
    magazine.push(word);
    magazine.layDown();
  }

  #freeToDepot(word: number): void {
    const region = this.#region;
    region.enter();
    try {
      this.#endLife("free", word, State.Free);
      this.#depot.put(word);
      if (this.#isShared) this.#makeRoom();
    } finally {
      region.leave();
    }
  }

  /** Moves half of a full magazine to the depot; what is promised stays at hand. Lock held. */
  #makeRoom(): void {
    const magazine = this.#adopt(false);
    if (magazine === undefined || magazine.room > 0) return;
    const spare = magazine.count - Math.max(0, this.#promised - this.#held);
    this.#flush(magazine, Math.min(magazine.half, spare));
  }

  /** Objects that a reservation of `count` has to get from the depot. */
  #missing(count: number): number {
    return count - this.#held - (this.#magazine?.count ?? 0);
  }

  /** Reserves up to `count` if enough objects are free. Lock held. */
  #promise(count: number): boolean {
    const missing = this.#missing(count);
    if (this.#depot.available < missing) return false;
    const magazine = this.#adopt(true);
    if (magazine !== undefined)
      this.#fill(magazine, Math.min(magazine.room, Math.max(missing, magazine.half)));
    const rest = this.#missing(count);
    if (rest > 0) this.#hold(rest);
    this.#setPromised(count);
    return true;
  }

  /** Makes the slabs that a reservation of `count` needs, or none. Lock held. */
  #addSlabs(count: number): boolean {
    return this.#depot.addSlabs(this.#missing(count) - this.#depot.available);
  }

  /** Adds `count`, which may be negative, to this agent's part of the reserved objects. Lock held. */
  #hold(count: number): void {
    this.#depot.reserve(count);
    this.#setHeld(this.#held + count);
  }

  #setHeld(count: number): void {
    this.#held = count;
    this.#magazine?.note(count, this.#promised);
  }

  #setPromised(count: number): void {
    this.#promised = count;
    this.#magazine?.note(this.#held, count);
  }

  /** This agent's magazine; claims one if there is none yet. Lock held. */
  #adopt(mayGrow: boolean): Magazine | undefined {
    if (!this.#isShared) return undefined;
    const region = this.#region;
    const owner = region.self || L.OWNER_UNKNOWN;
    if (this.#magazine === undefined) {
      if (region.i32[L.MAGAZINE_OBJECTS] === 0) return undefined;
      const record = claimMagazine(region, this.#base, owner, mayGrow);
      if (record === 0) return undefined;
      this.#magazine = new Magazine(region, record);
      this.#magazine.note(this.#held, this.#promised);
    } else {
      this.#magazine.setOwner(owner); // the thread may have joined a registry since
    }
    return this.#magazine;
  }

  /** Sum of a word of all magazines of this cache. Lock held. */
  #sum(which: number): number {
    const words = this.#region.i32;
    let sum = 0;
    for (let at = words[this.#base + L.MAGAZINES]; at !== 0; at = words[at + L.MAGAZINE_NEXT]) {
      sum += words[at + which];
    }
    return sum;
  }

  /** Does `word` start an object of this cache, or lie where one could start? */
  #isObject(word: number): boolean {
    // A word beyond the view reads as undefined; a fraction fails the first comparison.
    if ((word | 0) !== word || (word & this.#alignMask) !== 0) return false;
    return this.#region.i32[word & -L.CHUNK_WORDS] === (L.SLAB_MAGIC_VALUE ^ this.#index);
  }

  #isLive(word: number): boolean {
    return (
      this.#isObject(word) && placeAt(this.#region.u8, stateIndex(word, this.#alignShift)) === State.Live
    );
  }

  /** @throws ArenaError `EINVAL` if it does not live */
  #endLife(call: string, word: number, to: State): void {
    const region = this.#region;
    const isEnded =
      this.#isObject(word) &&
      endLife(region.u8, stateIndex(word, this.#alignShift), to, this.#isShared, region.debug);
    if (!isEnded) throw this.#notAllocated(call, word);
  }

  /** Reclaims at most a batch of objects whose grace period has elapsed. */
  #reclaimBatch(): number {
    const region = this.#region;
    // A plain look before taking the lock: what another agent has deferred this very moment can wait for the
    // next call.
    // interleave: intended race - a stale "none" is harmless, and any other answer is looked at under the lock
    if (region.i32[this.#base + L.DEFERRED] === 0) return 0;
    const reclaimed: number[] | undefined = this.onFree === undefined ? undefined : [];
    const count = region.locked(() => this.#depot.reclaimBatch(reclaimed));
    if (reclaimed !== undefined) for (const word of reclaimed) this.onFree?.(word);
    return count;
  }

  #notAllocated(call: string, word: number): ArenaError {
    return new ArenaError(
      "EINVAL",
      `${this.name}.${call}: word ${String(word)} is not an allocated object of this cache (double free or wild free)`,
    );
  }
}
