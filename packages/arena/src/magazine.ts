/*
 * One agent's objects at hand: what alloc() takes and free() puts without the arena's lock.
 *
 *   word            meaning
 *   0  OWNER        agent id | -1 a thread without one | 0 nobody's, may be taken over
 *   1  NEXT         next record of the same cache
 *   2  COUNT        entries in use
 *   3  IN_HAND      object on its way in or out, 0 at rest
 *   4  HELD         the owner's part of the cache's RESERVED
 *   5  PROMISED     allocations that the owner has been promised
 *   8  … 63         entries: first words of objects
 *
 * Only the owner touches a magazine, with plain accesses, and others once it is dead. Records are linked and
 * taken over under the arena's lock.
 *
 * A death. An agent can be terminated between any two stores. IN_HAND names the object before it leaves or
 * enters, and is cleared after its state has changed: an object in hand belongs to nobody else, whether its
 * caller was about to get it or has just given it up, so it goes back to the depot.
 *
 * Source of the idea: Bonwick and Adams, "Magazines and Vmem" (2001); one magazine with a half-way refill and
 * flush instead of two, so that neither a run of allocs nor a run of frees takes the lock each time.
 */
import * as L from "./layout.ts";
import type { Region } from "./region.ts";

/** A magazine record, owned by this agent. */
export class Magazine {
  readonly #region: Region;
  readonly #word: number;
  readonly #capacity: number;

  /** @param word - of the record, which is the caller's */
  constructor(region: Region, word: number) {
    this.#region = region;
    this.#word = word;
    this.#capacity = region.i32[L.MAGAZINE_OBJECTS];
  }

  get count(): number {
    return this.#region.i32[this.#word + L.COUNT];
  }

  get room(): number {
    return this.#capacity - this.count;
  }

  /** How many a refill or a flush moves: at least one, so that a magazine of one object works. */
  get half(): number {
    return (this.#capacity + 1) >> 1;
  }

  /** Notes what the owner holds in the depot and has been promised, for others to see. */
  note(held: number, promised: number): void {
    this.#region.i32[this.#word + L.HELD] = held;
    this.#region.i32[this.#word + L.PROMISED] = promised;
  }

  /** Takes an object in hand; 0 if there is none. {@link layDown} comes after its state has changed. */
  pop(): number {
    const words = this.#region.i32;
    const record = this.#word;
    const count = words[record + L.COUNT];
    if (count === 0) return 0;
    const word = words[record + L.ENTRIES + count - 1];
    words[record + L.IN_HAND] = word;
    words[record + L.COUNT] = count - 1;
    return word;
  }

  /** Says that `word` is about to come in. */
  takeInHand(word: number): void {
    this.#region.i32[this.#word + L.IN_HAND] = word;
  }

  /** Nothing is on its way any more. */
  layDown(): void {
    this.#region.i32[this.#word + L.IN_HAND] = 0;
  }

  /** Puts an object in. @returns `false` if the magazine is full */
  push(word: number): boolean {
    const words = this.#region.i32;
    const record = this.#word;
    const count = words[record + L.COUNT];
    if (count === this.#capacity) return false;
    words[record + L.ENTRIES + count] = word;
    words[record + L.COUNT] = count + 1;
    return true;
  }

  /** Makes it nobody's, empty. Lock held. */
  release(): void {
    this.#region.i32[this.#word + L.OWNER] = 0;
  }

  /** The thread may have joined a registry since. Lock held. */
  setOwner(id: number): void {
    this.#region.i32[this.#word + L.OWNER] = id;
  }
}

/**
 * A magazine of the cache at `base` that is nobody's, or a new one. Lock held.
 *
 * @param mayGrow - may a new one cost a chunk?
 * @returns its record, 0 if there is no room
 */
export function claimMagazine(region: Region, base: number, owner: number, mayGrow: boolean): number {
  for (let record = region.i32[base + L.MAGAZINES]; record !== 0; ) {
    if (region.i32[record + L.OWNER] === 0) {
      region.i32[record + L.OWNER] = owner;
      return record;
    }
    record = region.i32[record + L.MAGAZINE_NEXT];
  }
  if (!mayGrow && !region.canCarve(L.MAGAZINE_WORDS)) return 0;
  const record = region.carve(L.MAGAZINE_WORDS);
  if (record === 0) return 0;
  const words = region.i32; // carve may have grown the buffer
  words[record + L.OWNER] = owner;
  words[record + L.MAGAZINE_NEXT] = words[base + L.MAGAZINES];
  words[base + L.MAGAZINES] = record;
  return record;
}
