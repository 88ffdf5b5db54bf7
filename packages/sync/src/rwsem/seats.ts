/*
 * Which seat of a robust lock is mine, and what do I hold? Each seat is a word with the agent id of who has it.
 * A seat is taken on first use by one compareExchange from 0 to the id, and given back on close() or by who
 * cleans up after a death.
 *
 * What an agent holds is in COUNT. How many of its tasks share its read lock only the agent itself needs to
 * know: it is in no shared word, and dies with it. All objects of one agent over the same words share the record.
 */
import { SyncError } from "../errors.ts";
import type { Agents } from "../robust/recovery.ts";
import { SEATS } from "./robust-count.ts";

/** What one agent keeps about one robust lock. */
export interface Sitter {
  readonly id: number;
  /** Its seat, -1 if it has none. */
  seat: number;
  /** Read locks its tasks hold; its bit is in COUNT if there are any. */
  reads: number;
  /** Its tasks that are in the queue as readers. */
  waiting: number;
  /** Does it hold the lock in write mode? */
  isWriter: boolean;
  /** Has it inherited the lock from a dead writer, and not repaired yet? */
  mustRepair: boolean;
}

const sitters = new WeakMap<ArrayBufferLike, Map<string, Sitter>>();

/** A record that holds nothing, on no seat. */
export function newSitter(id: number): Sitter {
  return { id, seat: -1, reads: 0, waiting: 0, isWriter: false, mustRepair: false };
}

/** The record of this agent for the lock at `base`. */
export function sitterFor(words: Int32Array, base: number, id: number): Sitter {
  const byPlace = sitters.get(words.buffer) ?? new Map<string, Sitter>();
  sitters.set(words.buffer, byPlace);
  const place = `${base} ${id}`;
  const sitter = byPlace.get(place) ?? newSitter(id);
  byPlace.set(place, sitter);
  return sitter;
}

/** The seats of one lock. */
export class Seats {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #agents: Agents;

  constructor(words: Int32Array, base: number, agents: Agents) {
    this.#words = words;
    this.#base = base;
    this.#agents = agents;
  }

  /** Agent on a seat, 0 if there is none. */
  at(seat: number): number {
    return Atomics.load(this.#words, this.#base + seat);
  }

  /** Seat of an agent, -1 if it has none. */
  seatOf(id: number): number {
    for (let seat = 0; seat < SEATS; seat++) if (this.at(seat) === id) return seat;
    return -1;
  }

  /** Takes a free seat. @returns which, -1 if there is none */
  take(id: number): number {
    for (let seat = 0; seat < SEATS; seat++) {
      if (Atomics.compareExchange(this.#words, this.#base + seat, 0, id) === 0) return seat;
    }
    return -1;
  }

  /** Frees the seat of `id`, if it has it still. */
  free(seat: number, id: number): void {
    Atomics.compareExchange(this.#words, this.#base + seat, id, 0);
  }

  /** Seats of agents that do not live. */
  dead(): number[] {
    const dead: number[] = [];
    for (let seat = 0; seat < SEATS; seat++) {
      const id = this.at(seat);
      if (id !== 0 && !this.#agents.isAlive(id)) dead.push(seat);
    }
    return dead;
  }

  /** Throws if a seat has an impossible agent, or one agent two seats. */
  validate(): void {
    const ids = new Set<number>();
    for (let seat = 0; seat < SEATS; seat++) {
      const id = this.at(seat);
      if (id === 0) continue;
      if (id < 0 || ids.has(id)) throw new Error(`RobustRwSem: seat ${seat} has agent ${id}`);
      ids.add(id);
    }
  }
}

/** @throws SyncError `EINVAL` if the thread has not joined a registry */
export function selfOf(agents: Agents): number {
  if (agents.self !== 0) return agents.self;
  throw new SyncError("EINVAL", "RobustRwSem: this thread has not joined the registry");
}
