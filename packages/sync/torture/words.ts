/*
 * The words the threads of a torture run share.
 *
 *   word         meaning
 *   0, 16        start gate (litmus/barrier.ts)
 *   32           STOP: 1 when the run is over
 *   48           HALT: 1 while all threads rest between two bursts
 *   64           FAULTS: how many broken promises were seen, so that a run can end at the first
 *   80           STALLER: lane + 1 of the thread that shall stall in its read sections, 0 when it has
 *   96           NAMED: 1 when a stall report has named the staller
 *   128 …        one station per kind of lock, STATION words each: the lock, then what it guards
 *   then         RING mutexes, taken nested and only in ascending order, and further stations
 *   then         the nodes of the QSpinLock, and the PerWorkerRwSem
 *   then         the domains; for each the published element and the elements (one generation word each, on its
 *                own line)
 *   then         the registry of all threads
 *   then         one line per thread: TURNS, which shows that it is not stuck
 *
 * Mortals, threads that die, touch only what survives a death: the domains and the robust locks.
 */
import {
  McsLock,
  Mutex,
  PerWorkerRwSem,
  QSpinLock,
  RcuDomain,
  RobustMutex,
  RwSem,
  Semaphore,
  SpinLock,
  ThreadRegistry,
} from "../src/index.ts";

export const STOP = 32;
export const HALT = 48;
export const FAULTS = 64;
export const STALLER = 80;
export const NAMED = 96;

const LINE = 16;
const roundUp = (words: number): number => Math.ceil(words / LINE) * LINE;

/** Room for a lock, and for what it guards after it. */
const LOCK_WORDS: number = roundUp(
  Math.max(McsLock.WORDS, Mutex.WORDS, RwSem.WORDS, RobustMutex.WORDS, Semaphore.WORDS, SpinLock.WORDS),
);
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

function stationAt(index: number): Station {
  const lock = 128 + index * STATION;
  const data = lock + LOCK_WORDS;
  return { lock, owner: data, readers: data + 1, before: data + LINE, after: data + LINE + 1 };
}

export const SPIN: Station = stationAt(0);
export const MUTEX: Station = stationAt(1);
export const SEM: Station = stationAt(2);
export const ROBUST_SPIN: Station = stationAt(3);
export const ROBUST_MUTEX: Station = stationAt(4);

/** How deep locks are nested; locktorture's limit. */
export const RING_SIZE = 8;
/** The mutexes that are taken nested. */
export const RING_STATIONS: readonly Station[] = Array.from({ length: RING_SIZE }, (_, index) =>
  stationAt(5 + index),
);

/** Further locks with one holder, taken like the spinlock. A Semaphore with one permit is one of them. */
export const EXTRA_NAMES = ["TestAndSetLock", "TicketLock", "McsLock", "QSpinLock", "Semaphore"] as const;
export type ExtraName = (typeof EXTRA_NAMES)[number];

export function extraStation(name: ExtraName): Station {
  return stationAt(5 + RING_SIZE + EXTRA_NAMES.indexOf(name));
}

const STATIONS = 5 + RING_SIZE + EXTRA_NAMES.length + 1;
/** What the PerWorkerRwSem guards; the lock itself is too large for a station. */
export const PER_WORKER: Station = stationAt(STATIONS - 1);

/** Most lanes, threads that live as long as the run. */
export const WORKERS_MAX = 64;
/** Agent slots of the domains: lanes, mortals and the main thread. */
export const AGENTS_MAX = 96;
/** Elements that belong to each lane at the start. */
export const ELEMENTS_EACH = 8;
const ELEMENTS_MAX = WORKERS_MAX * ELEMENTS_EACH + 1;

/** The domains: all agents announce every section; every other one is quiescent now and then; sleepable. */
export const DOMAIN_KINDS = ["mb", "qsbr", "srcu"] as const;
export type DomainKind = (typeof DOMAIN_KINDS)[number];

/** Where a domain is, and what it protects. */
export interface DomainPlace {
  readonly domain: number;
  /** Word that holds the number of the published element. */
  readonly current: number;
  readonly elements: number;
}

/** Nodes of the QSpinLock: few enough for lanes to find none now and then. */
export const NODES_MAX = 4;
export const NODES: number = 128 + STATIONS * STATION;
export const PER_WORKER_LOCK: number = NODES + roundUp(NODES_MAX * QSpinLock.NODE_WORDS);
const DOMAINS: number = PER_WORKER_LOCK + roundUp(PerWorkerRwSem.words(WORKERS_MAX));
const DOMAIN_SIZE: number = roundUp(RcuDomain.words(AGENTS_MAX)) + LINE + ELEMENTS_MAX * LINE;

export function placeOf(kind: DomainKind): DomainPlace {
  const domain = DOMAINS + DOMAIN_KINDS.indexOf(kind) * DOMAIN_SIZE;
  const current = domain + roundUp(RcuDomain.words(AGENTS_MAX));
  return { domain, current, elements: current + LINE };
}

/** Generation word of an element: even while it may be read, odd from the end of its grace period to its reuse. */
export function elementWord({ elements }: DomainPlace, element: number): number {
  return elements + element * LINE;
}

export const REGISTRY: number = DOMAINS + DOMAIN_KINDS.length * DOMAIN_SIZE;
const TURNS: number = REGISTRY + roundUp(ThreadRegistry.words(AGENTS_MAX));

/** Word in which lane `index` counts its turns. */
export function turnsWord(index: number): number {
  return TURNS + index * LINE;
}

export const WORDS: number = TURNS + WORKERS_MAX * LINE;
