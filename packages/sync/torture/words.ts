/*
 * The words the threads of a torture run share.
 *
 *   word         meaning
 *   0, 16        start gate (litmus/barrier.ts)
 *   32           STOP: 1 when the run is over
 *   48           HALT: 1 while all threads rest between two bursts
 *   64           FAULTS: how many broken promises were seen, so that a run can end at the first
 *   128 …        one station per kind of lock, STATION words each: the lock, then what it guards
 *   then         RING mutexes, taken nested and only in ascending order
 *   then         RcuDomain, the published element, the elements (one generation word each, on its own line)
 *   then         one line per thread: TURNS, which shows that it is not stuck
 */
import { Mutex, RcuDomain, RwSem, SpinLock } from "../src/index.ts";

export const STOP = 32;
export const HALT = 48;
export const FAULTS = 64;

const LINE = 16;
const roundUp = (words: number): number => Math.ceil(words / LINE) * LINE;

/** Room for a lock, and for what it guards after it. */
const LOCK_WORDS: number = roundUp(Math.max(SpinLock.WORDS, Mutex.WORDS, RwSem.WORDS));
const STATION: number = LOCK_WORDS + 2 * LINE;

/** Where a lock is and what it guards. */
export interface Station {
  readonly lock: number;
  /** Thread number + 1 of the writer inside, kept with Atomics: it says who is there even if the lock fails. */
  readonly owner: number;
  /** How many readers are inside, kept with Atomics. */
  readonly readers: number;
  /** Two plain counters that only the writer changes, one before and one after the hold. */
  readonly before: number;
  readonly after: number;
}

function stationAt(lock: number): Station {
  const data = lock + LOCK_WORDS;
  return { lock, owner: data, readers: data + 1, before: data + LINE, after: data + LINE + 1 };
}

export const SPIN: Station = stationAt(128);
export const MUTEX: Station = stationAt(128 + STATION);
export const SEM: Station = stationAt(128 + 2 * STATION);

/** How deep locks are nested; locktorture's limit. */
export const RING_SIZE = 8;
const RING = 128 + 3 * STATION;
/** The mutexes that are taken nested. */
export const RING_STATIONS: readonly Station[] = Array.from({ length: RING_SIZE }, (_, index) =>
  stationAt(RING + index * STATION),
);

/** Most threads a run can have, and agent slots of the domain. */
export const WORKERS_MAX = 64;
export const DOMAIN: number = RING + RING_SIZE * STATION;

/** Word that holds the number of the published element. */
export const CURRENT: number = DOMAIN + roundUp(RcuDomain.words(WORKERS_MAX));
/** Elements that belong to each thread at the start. */
export const ELEMENTS_EACH = 8;
const ELEMENTS: number = CURRENT + LINE;

/** Generation word of an element: even while it may be read, odd from the end of its grace period to its reuse. */
export function elementWord(element: number): number {
  return ELEMENTS + element * LINE;
}

const TURNS: number = elementWord(WORKERS_MAX * ELEMENTS_EACH + 1);

/** Word in which thread `index` counts its turns. */
export function turnsWord(index: number): number {
  return TURNS + index * LINE;
}

export const WORDS: number = TURNS + WORKERS_MAX * LINE;
