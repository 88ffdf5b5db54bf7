/*
 * What a cache has that no agent holds: its slabs, the free objects in them, and those that wait for a grace
 * period. All of it lives in the cache's record and in the objects (layout.ts), and all of it belongs to the
 * arena's lock: every method here wants it held. Plain accesses are enough under it.
 *
 * take() pops the free list, else splits the next object off the newest slab. A slab's objects are not linked
 * up when it is made, so both are constant time.
 *
 * Death under the lock leaves a list half changed. rebuild() makes the lists anew from the states, which is
 * why the order of stores matters: an object's state leaves FREE only after the object has got another home
 * (a magazine's entry or its owner's hand), and becomes FREE before it is linked.
 */
import type { RcuDomain } from "@faultline/sync";
import { poison } from "./debug.ts";
import { popElapsed, pushDeferred } from "./deferred-free.ts";
import * as L from "./layout.ts";
import { placeAt, State, setPlace, stateIndex } from "./object-state.ts";
import type { Region } from "./region.ts";

/** The shared half of a cache. */
export class Depot {
  readonly #region: Region;
  readonly #rcu: RcuDomain;
  readonly #base: number;
  readonly #index: number;
  readonly #objectWords: number;
  readonly #stride: number;
  readonly #perSlab: number;
  readonly #alignShift: number;

  constructor(region: Region, rcu: RcuDomain, index: number) {
    const words = region.i32;
    const base = L.cacheRecord(index);
    this.#region = region;
    this.#rcu = rcu;
    this.#base = base;
    this.#index = index;
    this.#objectWords = words[base + L.OBJECT_WORDS];
    this.#stride = words[base + L.STRIDE];
    this.#perSlab = words[base + L.PER_SLAB];
    this.#alignShift = 31 - Math.clz32(words[base + L.ALIGN_WORDS]);
  }

  /** Free objects that nobody has reserved. */
  get available(): number {
    const words = this.#region.i32;
    return words[this.#base + L.FREE] - words[this.#base + L.RESERVED];
  }

  /** Adds `count`, which may be negative, to the reserved objects. */
  reserve(count: number): void {
    this.#region.i32[this.#base + L.RESERVED] += count;
  }

  /**
   * Takes a free object. Its state is still FREE: the caller gives it a home, then a state.
   *
   * @param held - does the caller take what it has reserved? Otherwise it may be refused
   * @returns 0 if there is none
   */
  take(held: boolean): number {
    const base = this.#base;
    const words = this.#region.i32;
    const free = words[base + L.FREE];
    if (held) words[base + L.RESERVED] -= 1;
    else if (free <= words[base + L.RESERVED]) return 0;
    words[base + L.FREE] = free - 1;
    let word = words[base + L.FREE_HEAD];
    if (word === 0) {
      word = words[base + L.BUMP];
      words[base + L.BUMP] = word + this.#stride;
    } else {
      words[base + L.FREE_HEAD] = words[word + L.LINK];
    }
    return word;
  }

  /** Makes an object of no other home FREE and puts it on the free list. */
  takeBack(word: number): void {
    setPlace(this.#region.u8, stateIndex(word, this.#alignShift), State.Free);
    this.put(word);
  }

  /** Puts an object in state FREE on the free list. */
  put(word: number): void {
    const region = this.#region;
    const words = region.i32;
    const base = this.#base;
    if (region.debug) poison(words, word, this.#objectWords);
    words[word + L.LINK] = words[base + L.FREE_HEAD];
    words[base + L.FREE_HEAD] = word;
    words[base + L.FREE] += 1;
  }

  /** Appends an object in state DEFERRED to those that wait for the grace period `cookie`. */
  defer(word: number, cookie: number): void {
    pushDeferred(this.#region.i32, this.#base, word, cookie);
  }

  /** Frees at most a batch of objects whose grace period has elapsed. @returns how many */
  reclaimBatch(reclaimed: number[] | undefined): number {
    return popElapsed(this.#region, this.#base, this.#rcu, (word) => {
      this.takeBack(word);
      reclaimed?.push(word);
    });
  }

  /** Makes as many slabs as `missing` objects need, or none. */
  addSlabs(missing: number): boolean {
    const slabs = Math.ceil(missing / this.#perSlab);
    const first = this.#region.takeChunks(slabs);
    if (first === 0) return false;
    for (let i = 0; i < slabs; i++) this.#initSlab(first + i * L.CHUNK_WORDS);
    return true;
  }

  /** Calls `visit` with every object of every slab and the index of its state. */
  forEachObject(visit: (word: number, state: number) => void): void {
    const words = this.#region.i32;
    for (let slab = words[this.#base + L.SLAB_HEAD]; slab !== 0; slab = words[slab + L.SLAB_NEXT]) {
      const first = slab + words[this.#base + L.FIRST];
      for (let i = 0, word = first; i < this.#perSlab; i++, word += this.#stride) {
        visit(word, stateIndex(word, this.#alignShift));
      }
    }
  }

  /**
   * Makes all lists and counts anew from the objects' states. Deferred objects begin a new wait, since their
   * cookies may be half written. Cost: proportional to the slabs.
   *
   * @param reserved - what the agents hold reserved together
   */
  rebuild(reserved: number): void {
    const { i32: words, u8 } = this.#region;
    const base = this.#base;
    for (const word of [L.FREE, L.FREE_HEAD, L.BUMP, L.BUMP_END, L.SLABS]) words[base + word] = 0;
    for (const word of [L.DEFERRED, L.DEFERRED_HEAD, L.DEFERRED_TAIL]) words[base + word] = 0;
    words[base + L.RESERVED] = reserved;
    for (let slab = words[base + L.SLAB_HEAD]; slab !== 0; slab = words[slab + L.SLAB_NEXT]) {
      words[base + L.SLABS] += 1;
    }
    const cookie = this.#rcu.cookie();
    this.forEachObject((word, state) => {
      if (placeAt(u8, state) === State.Free) this.put(word);
      else if (placeAt(u8, state) === State.Deferred) this.defer(word, cookie);
    });
  }

  /** Makes the zeroed chunk at `slab` this cache's newest slab. */
  #initSlab(slab: number): void {
    const words = this.#region.i32;
    const base = this.#base;
    this.#linkRest(words);
    words[slab + L.SLAB_MAGIC] = L.SLAB_MAGIC_VALUE ^ this.#index;
    words[slab + L.SLAB_NEXT] = words[base + L.SLAB_HEAD];
    words[base + L.SLAB_HEAD] = slab;
    words[base + L.BUMP] = slab + words[base + L.FIRST];
    words[base + L.BUMP_END] = words[base + L.BUMP] + this.#perSlab * this.#stride;
    words[base + L.SLABS] += 1;
    words[base + L.FREE] += this.#perSlab;
    if (this.#region.debug) poison(words, words[base + L.BUMP], this.#perSlab * this.#stride);
  }

  /** Only a large reservation makes a slab while the one before has objects that were never handed out. */
  #linkRest(words: Int32Array): void {
    const base = this.#base;
    const end = words[base + L.BUMP_END];
    for (let word = words[base + L.BUMP]; word < end; word += this.#stride) {
      words[word + L.LINK] = words[base + L.FREE_HEAD];
      words[base + L.FREE_HEAD] = word;
    }
    words[base + L.BUMP] = end;
  }
}
