/*
 * A number of permits, and a queue of those who want one.
 *
 *   word     name    meaning
 *   0        STATE   bit 0: WAITERS, the queue is not empty | bits 1 … 30: permits
 *   1 … 7            zero
 *   8 … 63   queue   those who wait, in order of arrival (wait-queue.ts)
 *
 * A permit that is given back while somebody waits goes to the first in the queue and never passes through
 * STATE. So there are permits only while nobody is queued, newcomers cannot overtake, and WAITERS alone tells
 * the fast paths to stay away. WAITERS and the queue change under the queue's spinlock, which is innermost;
 * a waiter sets WAITERS before it enters the queue, under the lock, so an up() that comes in between goes
 * the slow way and finds it there.
 *
 * Memory order: every access is a sequentially consistent Atomics operation; what was done before up() is
 * seen by whoever gets that permit, plain accesses too.
 */
import { SyncError } from "./errors.ts";
import { Guard } from "./guard.ts";
import { Kind, QUEUE_WORDS, WaitQueue, Wake } from "./wait-queue.ts";
import { runAsync, runBlocking, type SlowPath } from "./waiting.ts";
import {
  type AsyncWaitOptions,
  assertMayBlock,
  checkWords,
  deadlineOf,
  FOREVER,
  type WaitOptions,
} from "./words.ts";

const QUEUE = 8;

const WAITERS = 1 << 0;
const PERMIT = 1 << 1;
const PERMITS_MAX = (1 << 30) - 1;

/** How {@link Semaphore} tells that a permit was to be had on the way into the queue. */
const TAKEN = -1;

/**
 * A counting semaphore, first come first served.
 *
 * Zeroed words are a semaphore without permits: give it its first ones with `up(count)`. No owner is
 * recorded, so one thread may take a permit and another give it back; and what a dead one had is lost, in
 * `RobustSemaphore` it comes back.
 * Fairness: permits go to waiters in order of arrival, 16 of them; further ones sleep until there is room in
 * the queue, in no order. Cost uncontended: one load and one compareExchange each way.
 *
 * Source: Linux kernel/locking/semaphore.c.
 */
export class Semaphore {
  /** Number of 32-bit words a semaphore occupies. */
  static readonly WORDS: number = QUEUE + QUEUE_WORDS;
  /** Most permits there can be. */
  static readonly MAX: number = PERMITS_MAX;

  readonly #words: Int32Array;
  readonly #state: number;
  readonly #queue: WaitQueue;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the semaphore; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view
   */
  constructor(words: Int32Array, word: number) {
    checkWords("Semaphore", words, word, Semaphore.WORDS);
    this.#words = words;
    this.#state = word;
    this.#queue = new WaitQueue(words, word + QUEUE);
  }

  /** Permits to be had at once. May be out of date on return. */
  get available(): number {
    return this.#load() >> 1;
  }

  /** Does anybody wait? May be out of date on return. */
  get isContended(): boolean {
    return (this.#load() & WAITERS) !== 0;
  }

  /** How many wait in the queue. May be out of date on return. */
  get waiterCount(): number {
    const waiters = this.#queue.describe();
    return waiters === "" ? 0 : waiters.split(" ").length;
  }

  /** Takes a permit if that needs no waiting. */
  tryDown(): boolean {
    for (;;) {
      const state = this.#load();
      if (state < PERMIT) return false;
      if (this.#replace(state, state - PERMIT)) return true;
    }
  }

  /**
   * Takes a permit, waiting for one if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if there is none and the words are not shared
   */
  down(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("Semaphore.down", options);
    if (this.tryDown()) return true;
    assertMayBlock("Semaphore.down", this.#words, "Semaphore.downAsync or tryDown");
    return runBlocking(this.#words, this.#slowPath(), deadline);
  }

  /**
   * The same without blocking the thread, on an `ArrayBuffer` too. Rejects with `EINTR` when
   * it is aborted, unless a permit has arrived before.
   */
  downAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "Semaphore.downAsync",
      this.#words,
      options,
      () => this.tryDown(),
      () => this.#slowPath(),
    );
  }

  /**
   * Gives permits back, or gives the semaphore its first ones. Never waits for a permit.
   *
   * @param count - integer `1..MAX`
   * @throws SyncError `EINVAL` if there would be more than `MAX` permits; then none is given
   */
  up(count: number = 1): void {
    if (!Number.isInteger(count) || count < 1 || count > PERMITS_MAX) {
      throw new RangeError(`Semaphore.up: count must be an integer in 1..${PERMITS_MAX}, got ${count}`);
    }
    for (;;) {
      const state = this.#load();
      if ((state & WAITERS) !== 0) return this.#upSlow(count);
      if (this.#replace(state, plus(state, count))) return;
    }
  }

  /**
   * Takes a permit and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  acquire(options?: WaitOptions): Guard {
    if (!this.down(options)) throw new SyncError("ETIMEDOUT", "Semaphore.acquire: timed out");
    return new Guard(() => this.up());
  }

  /** The same without blocking the thread. */
  async acquireAsync(options?: AsyncWaitOptions): Promise<Guard> {
    if (!(await this.downAsync(options))) {
      throw new SyncError("ETIMEDOUT", "Semaphore.acquireAsync: timed out");
    }
    return new Guard(() => this.up());
  }

  /** Throws an `Error` naming the words and values that break an invariant; takes the queue's spinlock. */
  validate(): void {
    const waiting = this.#queue.validate();
    const state = this.#load();
    if (state < 0) throw new Error(`Semaphore: STATE at word ${this.#state} is ${state}`);
    if (state > PERMIT && (state & WAITERS) !== 0) {
      throw new Error(`Semaphore: ${state >> 1} permits, and somebody waits`);
    }
    const hasWaiters = (state & WAITERS) !== 0;
    if (hasWaiters !== waiting > 0 && this.#load() === state && this.#queue.validate() === waiting) {
      throw new Error(`Semaphore: WAITERS is ${hasWaiters}, but ${waiting} wait`);
    }
  }

  /** The state in words, for messages. */
  toString(): string {
    return `Semaphore(${this.available} available, waiting: ${this.waiterCount})`;
  }

  *#slowPath(): SlowPath {
    const queue = this.#queue;
    for (let slot = this.#enqueue(); slot !== TAKEN; slot = this.#enqueue()) {
      if (slot !== 0) {
        yield queue.napOf(slot);
        return this.#leave(slot);
      }
      if (!(yield* queue.waitForSlot())) return false;
    }
    return true;
  }

  /** Enters the queue. @returns the slot, 0 if the queue is full, or TAKEN if there was a permit after all */
  #enqueue(): number {
    const queue = this.#queue;
    queue.lock();
    for (;;) {
      const state = this.#load();
      if (state >= PERMIT) {
        if (!this.#replace(state, state - PERMIT)) continue;
        queue.unlock();
        return TAKEN;
      }
      if (state === WAITERS || this.#replace(0, WAITERS)) break;
    }
    const slot = queue.enqueue(Kind.Write);
    // Slots can all be taken by waiters that have their permits but have not run yet.
    if (queue.head === 0) this.#clearWaiters();
    queue.unlock();
    return slot;
  }

  /** Gives the slot back after sleeping. @returns whether it has been given a permit */
  #leave(slot: number): boolean {
    const queue = this.#queue;
    let isGranted = queue.wakeOf(slot) === Wake.Granted;
    if (!isGranted) {
      queue.lock();
      isGranted = queue.wakeOf(slot) === Wake.Granted;
      if (!isGranted) queue.remove(slot);
      if (!isGranted && queue.head === 0) this.#clearWaiters();
      queue.unlock();
    }
    queue.free(slot);
    return isGranted;
  }

  #upSlow(count: number): void {
    const queue = this.#queue;
    queue.lock();
    let left = count;
    for (let first = queue.head; first !== 0 && left > 0; first = queue.head) {
      queue.remove(first);
      queue.wake(first, Wake.Granted);
      left--;
    }
    if (queue.head === 0) this.#clearWaiters();
    queue.unlock();
    // Only now, since the waiters who could have taken these may have left before we had the lock.
    if (left > 0) this.up(left);
  }

  /** Under the queue's lock, with the queue empty. */
  #clearWaiters(): void {
    Atomics.and(this.#words, this.#state, ~WAITERS);
  }

  #load(): number {
    return Atomics.load(this.#words, this.#state);
  }

  #replace(old: number, state: number): boolean {
    return Atomics.compareExchange(this.#words, this.#state, old, state) === old;
  }
}

function plus(state: number, count: number): number {
  if ((state >> 1) + count > PERMITS_MAX) {
    throw new SyncError("EINVAL", `Semaphore.up: ${state >> 1} permits, ${count} more are too many`);
  }
  return state + count * PERMIT;
}
