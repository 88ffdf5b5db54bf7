/*
 * Where an object is, in one byte of its slab's header:
 *
 *   bits 0-1   0 FREE       in the depot: on the free list, or not yet split off the newest slab
 *              1 MAGAZINE   at hand for one agent
 *              2 LIVE       allocated
 *              3 DEFERRED   freed, waits for a grace period
 *   bits 2-7   generation, in debug mode: goes up with every free
 *
 *                    lock                 owner alone
 *            FREE ───────────▶ MAGAZINE ─────────────▶ LIVE
 *             ▲  ◀───────────           ◀─────────────  │
 *             │      lock              compareExchange  │
 *             └──────────────── DEFERRED ◀──────────────┘
 *                   lock                 compareExchange, under the lock
 *
 * Memory order. Whoever changes FREE or DEFERRED holds the arena's lock. An object in a magazine is its owner's
 * alone, so the store that makes it LIVE may be plain: another agent that frees it has got its word from the
 * owner through a synchronising access. LIVE ends with a compareExchange, so that of two agents which free the
 * same object at the same moment one is told.
 *
 * So the states alone tell which objects the depot owns. That is what it is rebuilt from when an agent has died
 * in the middle of changing it.
 */
import * as L from "./layout.ts";

/** Bits 0-1 of a state. */
export const State = {
  Free: 0,
  Magazine: 1,
  Live: 2,
  Deferred: 3,
} as const;
export type State = (typeof State)[keyof typeof State];

const PLACE_MASK = 3;
const GENERATION_SHIFT = 2;
/** Generations before they repeat; a handle holds as many bits of one as its cache's alignment leaves free. */
const GENERATION_STEP = 1 << GENERATION_SHIFT;

/** Index of the state of the object at `word`, in bytes from the start of the buffer. */
export function stateIndex(word: number, alignShift: number): number {
  const offset = word & (L.CHUNK_WORDS - 1);
  return (word - offset + L.SLAB_STATES) * 4 + (offset >>> alignShift);
}

/** Where the object is whose state has this index. */
export function placeAt(bytes: Uint8Array, index: number): State {
  return (bytes[index] & PLACE_MASK) as State;
}

/** Generation of the object whose state has this index. */
export function generationAt(bytes: Uint8Array, index: number): number {
  return bytes[index] >>> GENERATION_SHIFT;
}

/** Moves an object that is the caller's alone, or under the lock. */
export function setPlace(bytes: Uint8Array, index: number, place: State): void {
  bytes[index] = (bytes[index] & ~PLACE_MASK) | place;
}

/**
 * Ends the life of an object.
 *
 * @param ages - give it a new generation?
 * @returns `false` if it is not live, or somebody else has freed it this moment
 */
export function endLife(
  bytes: Uint8Array,
  index: number,
  to: State,
  isShared: boolean,
  ages: boolean,
): boolean {
  const was = bytes[index];
  if ((was & PLACE_MASK) !== State.Live) return false;
  const next = ((was & ~PLACE_MASK) + (ages ? GENERATION_STEP : 0)) | to;
  if (!isShared) {
    bytes[index] = next;
    return true;
  }
  return Atomics.compareExchange(bytes, index, was, next & 0xff) === was;
}
