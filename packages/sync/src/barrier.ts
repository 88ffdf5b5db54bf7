/*
 * A place where threads wait for each other.
 *
 *   word    name      meaning
 *   0       PARTIES   how many must arrive; 0 until the first constructor wrote it
 *   1       STATE     bits 0 … 11: how many have arrived | bits 12 … 31: generation, wraps
 *   2 … 3   events    those who wait (event-count.ts)
 *
 * Arrivals and generation share a word so that they change together: the last arrival starts the next
 * generation with nobody arrived, in one compareExchange, and the barrier can be used again at once. Somebody
 * who gives up takes back its arrival in the same way, and finds out in the same instant if it was too late
 * because the generation has changed.
 *
 * Memory order: every access is a sequentially consistent Atomics operation. Each arrival is a
 * read-modify-write of STATE and each waiter loads what the last one wrote, so what any party did before the
 * barrier is seen by all of them after it, plain accesses too.
 */

import { SyncError } from "./errors.ts";
import {
  awaitEvent,
  awaitEventAsync,
  EVENT_WORDS,
  sleepersOf,
  validateEvent,
  wakeEvent,
} from "./event-count.ts";
import type { Recoverable } from "./robust/recovery.ts";
import { interrupted, isAborted } from "./wait-async.ts";
import { type AsyncWaitOptions, checkWords, type WaitOptions } from "./words.ts";

const PARTIES = 0;
const STATE = 1;
const EVENTS = 2;

const GENERATION_SHIFT = 12;
const ARRIVED_MASK = (1 << GENERATION_SHIFT) - 1;
/** Looks before sleeping: the others are usually close behind. */
const SPINS = 200;

/**
 * How a wait at a {@link Barrier} ended. Exactly one party of each generation is `"last"`: it may do what has
 * to be done once.
 */
export type BarrierOutcome = "last" | "passed" | "timed-out";

/**
 * A reusable barrier: nobody passes until `parties` have arrived, then all do.
 *
 * Who constructs it on zeroed words decides how many parties it has; who attaches may leave that out.
 * Limit: if more threads use it than it has parties, one that sleeps through exactly a multiple of 2^20
 * generations does not notice. Cost: one Atomics read-modify-write per arrival, one store and at most one
 * notify per generation. Source: POSIX pthread_barrier_wait(), with timeouts that take the arrival back.
 */
export class Barrier implements Recoverable {
  /** Number of 32-bit words a barrier occupies. */
  static readonly WORDS: number = EVENTS + EVENT_WORDS;
  /** Most parties a barrier can have. */
  static readonly PARTIES_MAX: number = ARRIVED_MASK;

  readonly #words: Int32Array;
  readonly #base: number;
  /** How many must arrive. */
  readonly parties: number;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the barrier
   * @param parties - how many must arrive, `1..4095`
   * @throws RangeError if the words lie outside the view or `parties` outside its range
   * @throws SyncError `EINVAL` if the barrier exists with other `parties`, or does not exist and none are given
   */
  constructor(words: Int32Array, word: number, parties?: number) {
    checkWords("Barrier", words, word, Barrier.WORDS);
    if (parties !== undefined) checkParties(parties);
    const existing = Atomics.compareExchange(words, word + PARTIES, 0, parties ?? 0);
    const agreed = existing === 0 ? parties : existing;
    if (agreed === undefined || (parties ?? agreed) !== agreed) {
      throw new SyncError("EINVAL", `Barrier: parties is ${existing} in the words, got ${parties}`);
    }
    this.#words = words;
    this.#base = word;
    this.parties = agreed;
  }

  /** How many have arrived and wait for the others. May be out of date on return. */
  get arrived(): number {
    return this.#load() & ARRIVED_MASK;
  }

  /** How often everybody has passed, modulo 2^20. */
  get generation(): number {
    return this.#load() >>> GENERATION_SHIFT;
  }

  /**
   * Arrives, and blocks until everybody has.
   *
   * @returns `"timed-out"` if `timeoutMs` was given and has passed: the arrival has been taken back
   * @throws SyncError `EDEADLK` if others are missing and the words are not shared
   */
  wait(options?: WaitOptions): BarrierOutcome {
    const generation = this.#arrive();
    if (generation === undefined) return "last";
    try {
      const attempt = (): boolean => this.generation !== generation;
      awaitEvent("Barrier.wait", this.#words, this.#base + EVENTS, attempt, options, SPINS);
    } catch (error) {
      if (this.#withdraw(generation)) throw error;
    }
    return this.#withdraw(generation) ? "timed-out" : "passed";
  }

  /**
   * The same without blocking the thread: parties can be tasks of one thread. When the signal is aborted the
   * arrival is taken back and the promise rejects with `EINTR`, unless everybody had arrived.
   */
  async waitAsync(options?: AsyncWaitOptions): Promise<BarrierOutcome> {
    if (isAborted(options?.signal)) throw interrupted("Barrier.waitAsync", options?.signal);
    const generation = this.#arrive();
    if (generation === undefined) return "last";
    try {
      const attempt = (): boolean => this.generation !== generation;
      await awaitEventAsync("Barrier.waitAsync", this.#words, this.#base + EVENTS, attempt, options);
    } catch (error) {
      if (this.#withdraw(generation)) throw error;
    }
    return this.#withdraw(generation) ? "timed-out" : "passed";
  }

  /**
   * Has everybody who waits look again, in case the last to arrive died before it woke them. Register it with
   * `registry.protect(barrier)`. It is not known who is a party: one that dies before it arrives is missed,
   * and the others wait for it, so let them wait with a timeout; one that dies waiting has arrived.
   */
  agentDied(): boolean {
    wakeEvent(this.#words, this.#base + EVENTS);
    return false;
  }

  /** Throws an `Error` naming the words and values that break an invariant. */
  validate(): void {
    if (this.arrived >= this.parties) {
      throw new Error(`Barrier: ${this.arrived} have arrived and wait, of ${this.parties}`);
    }
    validateEvent("Barrier", this.#words, this.#base + EVENTS);
  }

  /** The state in words, for messages. */
  toString(): string {
    const sleepers = sleepersOf(this.#words, this.#base + EVENTS);
    return `Barrier(${this.arrived} of ${this.parties} arrived, ${sleepers} asleep, generation ${this.generation})`;
  }

  /** @returns the generation to wait for the end of; `undefined` if this arrival has ended it */
  #arrive(): number | undefined {
    for (;;) {
      const state = this.#load();
      const generation = state >>> GENERATION_SHIFT;
      const isLast = (state & ARRIVED_MASK) + 1 === this.parties;
      const next = isLast ? ((generation + 1) << GENERATION_SHIFT) | 0 : state + 1;
      if (!this.#replace(state, next)) continue;
      if (isLast) wakeEvent(this.#words, this.#base + EVENTS);
      return isLast ? undefined : generation;
    }
  }

  /** Takes an arrival back. @returns `false` if everybody has arrived, so that it counts */
  #withdraw(generation: number): boolean {
    for (;;) {
      const state = this.#load();
      if (state >>> GENERATION_SHIFT !== generation) return false;
      if (this.#replace(state, state - 1)) return true;
    }
  }

  #load(): number {
    return Atomics.load(this.#words, this.#base + STATE);
  }

  #replace(old: number, state: number): boolean {
    return Atomics.compareExchange(this.#words, this.#base + STATE, old, state) === old;
  }
}

function checkParties(parties: number): void {
  if (!Number.isInteger(parties) || parties < 1 || parties > Barrier.PARTIES_MAX) {
    throw new RangeError(`Barrier: parties must be an integer in 1..${Barrier.PARTIES_MAX}, got ${parties}`);
  }
}
