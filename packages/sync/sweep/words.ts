/*
 * The words the threads of a termination sweep share.
 *
 *   word      meaning
 *   0         STOP: 1 when the sweep is over
 *   1         HALT: 1 while nobody begins a turn
 *   16 …      FAULTS: one counter per kind of fault
 *   64 …      thread registry
 *   then      one line per lane: TURNS, which shows that it is not stuck, and KIND, which it is busy with
 *   then      one area per kind of lock: GENERATION, the counters of TALLY, and its stations
 *
 * A lane is a place for a worker; when its worker dies, the next one takes it. A station is a lock and what it
 * guards. When a lock has become unusable, its kind moves on to the next station, GENERATION + 1: nobody may
 * zero a lock that others may still be leaving.
 */
import { ThreadRegistry } from "../src/index.ts";

const LINE = 16;
const roundUp = (words: number): number => Math.ceil(words / LINE) * LINE;

export const STOP = 0;
export const HALT = 1;
export const FAULTS = 16;
export const REGISTRY = 64;
/** Most workers at the same time. */
export const WORKERS_MAX = 32;
const AGENTS_MAX = WORKERS_MAX + 8;
const LANES: number = roundUp(REGISTRY + ThreadRegistry.words(AGENTS_MAX));
const KINDS: number = LANES + WORKERS_MAX * LINE;

/** Attaches to the registry of the sweep. */
export function registryOf(words: Int32Array): ThreadRegistry {
  return new ThreadRegistry(words, REGISTRY, AGENTS_MAX);
}

/** Word of a lane that counts its turns. */
export function turnsWord(lane: number): number {
  return LANES + lane * LINE;
}

/** In place of a kind: the worker is between two turns because of HALT. */
export const RESTING = -1;

/** Word of a lane that says which kind its worker is busy with. */
export function kindWord(lane: number): number {
  return turnsWord(lane) + 1;
}

/** What can go wrong; the number is the place in FAULTS. */
export const FAULT_NAMES = [
  "two inside at once",
  "half a change, and nobody said that an owner died",
  "a reader saw half a change",
  "a reader beside a writer",
  "a lock threw what it should not",
  "told of a death that did not happen",
  "more inside than there are permits",
] as const;
export type Fault = (typeof FAULT_NAMES)[number];

/** Counts a broken promise. */
export function countFault(words: Int32Array, fault: Fault): void {
  Atomics.add(words, FAULTS + FAULT_NAMES.indexOf(fault), 1);
}

/** What is counted of each kind. */
export const TALLY = [
  "turns",
  "timeouts",
  /** Somebody got the lock of an owner that had died. */
  "told",
  "repaired",
  /** Given back unrepaired, on purpose. */
  "given up",
  /** Refusals by an unusable lock. */
  "refused",
] as const;
export type Count = (typeof TALLY)[number];

/** Stations of a kind; the last is never made unusable. */
export const STATIONS = 64;
const TALLY_AT = 1;
const STATIONS_AT = LINE;
/** A word may hold flags beside an agent's id. */
const ID_MASK = 0x3fffffff;
/** Room for a lock. */
const LOCK_WORDS = 512;
const STATION: number = LOCK_WORDS + 2 * LINE;
const KIND_WORDS: number = STATIONS_AT + STATIONS * STATION;

/** A lock, and what it guards. */
export interface Station {
  readonly lock: number;
  /** Agent inside, kept with Atomics: it says who is there even if the lock fails. */
  readonly inside: number;
  /** Agents inside, where several may be; a word for each, kept with Atomics. */
  readonly seats: number;
  /** Two counters that agree whenever nobody is inside; changed one before and one after the hold. */
  readonly before: number;
  readonly after: number;
}

/** The area of one kind of lock. */
export class KindWords {
  readonly #words: Int32Array;
  readonly #base: number;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#base = KINDS + index * KIND_WORDS;
  }

  /** Number of the station in use. */
  get generation(): number {
    return Atomics.load(this.#words, this.#base);
  }

  /** The lock of station `generation` is unusable: on to the next one. */
  moveOn(generation: number): void {
    Atomics.compareExchange(this.#words, this.#base, generation, generation + 1);
  }

  count(what: Count): void {
    Atomics.add(this.#words, this.#base + TALLY_AT + TALLY.indexOf(what), 1);
  }

  tally(): Record<Count, number> {
    const counts = TALLY.map((what, index) => [what, this.#words[this.#base + TALLY_AT + index]]);
    return Object.fromEntries(counts) as Record<Count, number>;
  }

  /** Does a word of the lock name this agent? */
  hasTraces(generation: number, id: number): boolean {
    const { lock } = this.station(generation);
    for (let word = lock; word < lock + LOCK_WORDS; word++) {
      if ((Atomics.load(this.#words, word) & ID_MASK) === id) return true;
    }
    return false;
  }

  station(generation: number): Station {
    const lock = this.#base + STATIONS_AT + generation * STATION;
    const data = lock + LOCK_WORDS;
    return { lock, inside: data, seats: data + 1, before: data + LINE, after: data + LINE + 1 };
  }
}

/** Words of a sweep over so many kinds. */
export function sweepWords(kinds: number): number {
  return KINDS + kinds * KIND_WORDS;
}
