/*
 * Permits that come back when their holder dies.
 *
 *   word      name     meaning
 *   0         PERMITS  how many there are; 0 until the first constructor wrote it
 *   1         WAITERS  1: somebody may be in the queue
 *   2 … 7              zero
 *   8 … 59    slots    those who wait, in order of arrival (wait-slots.ts)
 *   60 … 63            zero
 *   64 + i    PERMIT   agent id of the holder of permit i, 0 free
 *
 * A count does not know who has lowered it. So each permit is a word, taken by a compareExchange from 0 to the
 * holder's id: taking and writing down who took it are one operation, as with the robust locks.
 *
 * The rules are those of semaphore.ts, without handing permits over: only the first waiter takes one, and
 * nobody overtakes while somebody alive waits. Why no wake-up is lost among the living:
 *
 *     waiter                                     who gives back
 *     A: enter the queue, WAITERS := 1           C: PERMIT := 0
 *     B: the first: look for a free permit       D: WAITERS is 0: done. Else wake the first; if there is
 *        sleep while WAKE is 0                      none, WAITERS := 0 and look for the first once more; if
 *                                                   there is one now, WAITERS := 1, then look for a permit
 *
 *   One of B and D sees the other, and a woken waiter starts again at A. A first waiter that leaves, with a
 *   permit or without, looks whether there is one more, and wakes the next first for it.
 *
 * And if somebody dies: with permits, they are freed by whoever finds none free, or is told; waiting, or between
 * C and D: as in robust/mutex.ts. Memory order: every access is a sequentially consistent Atomics operation.
 */
import { SyncError } from "../errors.ts";
import { Guard } from "../guard.ts";
import { runAsync, runBlocking, type SlowPath } from "../waiting.ts";
import {
  type AsyncWaitOptions,
  assertMayBlock,
  checkWords,
  deadlineOf,
  FOREVER,
  type WaitOptions,
} from "../words.ts";
import { type Agents, checkRecheck, type Recoverable, type RobustOptions } from "./recovery.ts";
import { WaitSlots } from "./wait-slots.ts";

const PERMITS = 0;
const WAITERS = 1;
const QUEUE = 8;
const PERMIT = 64;
const PERMITS_MAX = 1024;

/** Options of {@link RobustSemaphore}. */
export interface RobustSemaphoreOptions {
  /** Who lives; a `ThreadRegistry`. */
  readonly agents: Agents;
  /** How many permits there are, `1..1024`; who attaches may leave it out. */
  readonly permits?: number;
  /** As in {@link RobustOptions}. */
  readonly recheckMs?: number;
}

/**
 * The robust form of `Semaphore`: a fixed number of permits, each with a holder, and first come, first served.
 *
 * Every thread that uses it has joined the registry. A thread gives back what it has taken itself, and what it
 * holds when it dies comes back by itself; what the permits stood for, the others look after. Fairness: 16
 * waiters in order of arrival, further ones in no order. Cost: a look per permit, some 7 ns each, both ways.
 *
 * Source: Linux kernel/locking/semaphore.c; SEM_UNDO of semop(2) for what a death gives back.
 */
export class RobustSemaphore implements Recoverable {
  /** Most permits there can be. */
  static readonly PERMITS_MAX: number = PERMITS_MAX;

  readonly #words: Int32Array;
  readonly #base: number;
  readonly #agents: Agents;
  readonly #slots: WaitSlots;
  /** How many permits there are. */
  readonly permits: number;

  /** Words of a semaphore with so many permits, `1..1024`. */
  static words(permits: number): number {
    checkPermits("RobustSemaphore.words", permits);
    return PERMIT + permits;
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the semaphore; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view or `permits` outside its range
   * @throws SyncError `EINVAL` if it exists with other `permits`, or does not exist and none are given
   */
  constructor(words: Int32Array, word: number, options: RobustSemaphoreOptions) {
    const { agents, permits } = options;
    checkWords("RobustSemaphore", words, word, PERMIT);
    if (permits !== undefined) {
      checkPermits("RobustSemaphore", permits);
      checkWords("RobustSemaphore", words, word, RobustSemaphore.words(permits));
    }
    const existing = Atomics.compareExchange(words, word + PERMITS, 0, permits ?? 0);
    const agreed = existing === 0 ? permits : existing;
    if (agreed === undefined || (permits ?? agreed) !== agreed) {
      throw new SyncError("EINVAL", `RobustSemaphore: permits is ${existing} in the words, got ${permits}`);
    }
    checkWords("RobustSemaphore", words, word, RobustSemaphore.words(agreed));
    this.#words = words;
    this.#base = word;
    this.#agents = agents;
    this.#slots = new WaitSlots(
      words,
      word + QUEUE,
      agents,
      checkRecheck("RobustSemaphore", options.recheckMs),
    );
    this.permits = agreed;
  }

  /** Permits nobody holds. May be out of date on return. */
  get available(): number {
    return this.#countOf(0);
  }

  /** How many wait in the queue. May be out of date on return. */
  get waiterCount(): number {
    return this.#slots.count;
  }

  /** Permits the agent holds. */
  heldBy(id: number): number {
    return id === 0 ? 0 : this.#countOf(id);
  }

  /** Takes a permit if that needs no waiting. */
  tryDown(): boolean {
    return this.#mayOvertake() && this.#take();
  }

  /**
   * Takes a permit, waiting for one if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if there is none and the words are not shared; `EINVAL` if this thread has not joined
   */
  down(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RobustSemaphore.down", options);
    if (this.tryDown()) return true;
    assertMayBlock("RobustSemaphore.down", this.#words, "RobustSemaphore.downAsync or tryDown");
    return runBlocking(this.#words, this.#slowPath(), deadline);
  }

  /** The same without blocking the thread, on an `ArrayBuffer` too. Rejects with `EINTR` when it is aborted. */
  downAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "RobustSemaphore.downAsync",
      this.#words,
      options,
      () => this.tryDown(),
      () => this.#slowPath(),
    );
  }

  /**
   * Gives a permit back that this agent has taken.
   *
   * @throws SyncError `EPERM` if it holds none
   */
  up(): void {
    const self = this.#self();
    for (let permit = this.#permit(0); permit < this.#permit(this.permits); permit++) {
      if (Atomics.load(this.#words, permit) !== self) continue;
      Atomics.store(this.#words, permit, 0); // Nobody else takes away what a living agent holds.
      this.#wakeFirst();
      return;
    }
    throw new SyncError("EPERM", "RobustSemaphore.up: this agent holds no permit");
  }

  /**
   * Takes a permit and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  acquire(options?: WaitOptions): Guard {
    if (!this.down(options)) throw new SyncError("ETIMEDOUT", "RobustSemaphore.acquire: timed out");
    return new Guard(() => this.up());
  }

  /** The same without blocking the thread. */
  async acquireAsync(options?: AsyncWaitOptions): Promise<Guard> {
    if (!(await this.downAsync(options))) {
      throw new SyncError("ETIMEDOUT", "RobustSemaphore.acquireAsync: timed out");
    }
    return new Guard(() => this.up());
  }

  /**
   * Gives back what the agent, which never runs again, holds, and wakes everybody who waits. Waiters do that by
   * themselves within 100 ms; for a prompt recovery `registry.protect(semaphore)`.
   *
   * @throws SyncError `EINVAL` for the id of this very agent
   */
  agentDied(id: number): boolean {
    if (id === this.#agents.self) {
      throw new SyncError("EINVAL", `RobustSemaphore.agentDied: ${id} is the calling agent`);
    }
    let wasHere = this.#slots.agentDied(id);
    for (let permit = this.#permit(0); id !== 0 && permit < this.#permit(this.permits); permit++) {
      if (Atomics.compareExchange(this.#words, permit, id, 0) === id) wasHere = true;
    }
    this.#slots.wakeAll();
    return wasHere;
  }

  /** Throws an `Error` naming the words and values that break an invariant. */
  validate(): void {
    this.#slots.validate("RobustSemaphore");
    for (let index = 0; index < this.permits; index++) {
      const holder = Atomics.load(this.#words, this.#permit(index));
      if (holder < 0 || (holder > 0 && holder < 1024)) {
        throw new Error(`RobustSemaphore: permit ${index} is held by ${holder}`);
      }
    }
  }

  /** The state in words, for messages. */
  toString(): string {
    return `RobustSemaphore(${this.available} of ${this.permits} available, waiting: ${this.waiterCount})`;
  }

  *#slowPath(): SlowPath {
    const self = this.#self();
    for (;;) {
      const slot = this.#slots.claim(self);
      if (slot !== 0) return yield* this.#waitInQueue(slot);
      if (!(yield* this.#slots.waitForSlot())) return false;
      if (this.tryDown()) return true;
    }
  }

  *#waitInQueue(slot: number): SlowPath {
    const slots = this.#slots;
    slots.enter(slot);
    try {
      for (;;) {
        slots.prepareSleep(slot);
        Atomics.store(this.#words, this.#base + WAITERS, 1);
        if (slots.head() === slot && this.#take()) return true;
        if (!(yield slots.napOf(slot))) return false;
      }
    } finally {
      slots.leave(slot);
      // There may be one more permit, or a wake-up for it may have come to this one, which leaves.
      this.#passOn();
    }
  }

  /** May somebody who is not in the queue take one? */
  #mayOvertake(): boolean {
    return Atomics.load(this.#words, this.#base + WAITERS) === 0 || this.#slots.head() === 0;
  }

  #take(): boolean {
    const self = this.#self();
    for (let permit = this.#permit(0); permit < this.#permit(this.permits); permit++) {
      let holder = Atomics.load(this.#words, permit);
      if (holder !== 0 && !this.#agents.isAlive(holder)) {
        this.agentDied(holder);
        holder = 0;
      }
      if (holder === 0 && Atomics.compareExchange(this.#words, permit, 0, self) === 0) return true;
    }
    return false;
  }

  #wakeFirst(): void {
    if (Atomics.load(this.#words, this.#base + WAITERS) !== 0) this.#passOn();
  }

  /** Wakes the first waiter if there is a permit for it; WAITERS goes if there is none. */
  #passOn(): void {
    let first = this.#slots.head();
    if (first === 0) {
      Atomics.store(this.#words, this.#base + WAITERS, 0);
      first = this.#slots.head();
      if (first === 0) return;
      Atomics.store(this.#words, this.#base + WAITERS, 1);
    }
    if (this.available > 0) this.#slots.wake(first);
  }

  #countOf(holder: number): number {
    let count = 0;
    for (let index = 0; index < this.permits; index++) {
      if (Atomics.load(this.#words, this.#permit(index)) === holder) count++;
    }
    return count;
  }

  #permit(index: number): number {
    return this.#base + PERMIT + index;
  }

  #self(): number {
    const id = this.#agents.self;
    if (id === 0) throw new SyncError("EINVAL", "RobustSemaphore: this thread has not joined the registry");
    return id;
  }
}

function checkPermits(what: string, permits: number): void {
  if (!Number.isInteger(permits) || permits < 1 || permits > PERMITS_MAX) {
    throw new RangeError(`${what}: permits must be an integer in 1..${PERMITS_MAX}, got ${permits}`);
  }
}
