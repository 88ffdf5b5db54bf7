/*
 * A reader-writer semaphore whose readers write only to words of their own worker.
 *
 *   word            name      meaning
 *   0               WORKERS   slots laid out behind the header; 0 until the first constructor wrote it
 *   1               MODE      1 FAST | 2 SLOW: a writer has been about | 3 EXITING, see below
 *   2               BLOCK     1 while a writer holds the semaphore, or waits for readers to leave
 *   3               COOKIE    of the grace period that ends EXITING
 *   4 … 5           readers   readers asleep until BLOCK is 0 (event-count.ts)
 *   6 … 7           writers   writers asleep until BLOCK is 0
 *   8 … 9           drain     the writer that has set BLOCK, asleep until the readers' sum is 0
 *   10              TURN      1 from the end of a write until the readers that slept through it are in
 *   16 + 16 i       COUNT     worker i: reads it began minus reads it ended; may be negative
 *   16 + 16 i + 1   CLAIMED   1 while an object owns the slot
 *
 * A read may end in another worker than it began in, so no COUNT means anything alone; their sum is the number
 * of readers. Two ways in:
 *
 *     fast: in an RCU section, while MODE is FAST: COUNT += 1 by plain accesses. BLOCK is not looked at.
 *     slow: COUNT += 1 by Atomics, then look at BLOCK; if it is set, take the 1 back, poke the writer, sleep.
 *
 * Why a writer is alone. It makes MODE SLOW and lets a grace period pass: after that every fast entry and exit
 * that had seen FAST is over, and what they did plainly to their COUNT happens before the end of the grace
 * period. From then on counts change by Atomics only. The writer sets BLOCK and then adds the counts up; a
 * reader adds its 1 and then looks at BLOCK. In the total order of Atomics operations one of the two sees the
 * other (store buffering cannot happen). While BLOCK is set counts change by reads that end and by newcomers
 * that add 1 and take it back in the same slot, so a sum made one word after the other is never below the
 * number of readers at its end: when it is 0 there are none.
 *
 * Why a reader sees what the writer wrote. It finds BLOCK 0, or MODE FAST, and both were stored after the
 * writer's section; no grace period is needed for that. EXITING still lasts for one, so that writers which
 * come close together share their price: who finds MODE other than FAST need not wait for a grace period. A
 * slow reader that finds it over makes MODE FAST again.
 *
 * Why neither side starves. Once BLOCK is set no reader gets in, so a writer waits for those who are. When it
 * leaves while readers sleep, it makes it their TURN before it clears BLOCK: no writer sets BLOCK until all of
 * them have got in or given up. The last of them ends the TURN and wakes a writer. Readers do not go to sleep
 * while it is their TURN, so it ends.
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
import { Guard } from "./guard.ts";
import type { RcuDomain } from "./rcu.ts";
import { type AsyncWaitOptions, checkWords, deadlineOf, FOREVER, nowMs, type WaitOptions } from "./words.ts";

const WORKERS = 0;
const MODE = 1;
const BLOCK = 2;
const COOKIE = 3;
const READERS = 4;
const WRITERS = READERS + EVENT_WORDS;
const DRAIN = WRITERS + EVENT_WORDS;
const TURN = DRAIN + EVENT_WORDS;
const HEADER_WORDS = 16;

const SLOT_WORDS = 16;
const COUNT = 0;
const CLAIMED = 1;

const FAST = 1;
const SLOW = 2;
const EXITING = 3;

const WORKERS_DEFAULT = 32;
const WORKERS_MAX = 4096;

/** Options of {@link PerWorkerRwSem}. */
export interface PerWorkerRwSemOptions {
  /**
   * Slots, `1..4096`: how many objects in all workers can read at the same time. Who constructs it on zeroed
   * words decides; who attaches may leave it out. Default 32.
   */
  readonly workersMax?: number;
}

/**
 * For data that is read all the time by many workers and written once in a while: readers share no cache
 * line, writers pay for it with a grace period and a look at every slot.
 *
 * Constructing on zeroed words creates it, constructing in another worker attaches. Not recursive: a second
 * read of a holder deadlocks if a writer came in between. Fairness: readers that come after a writer wait for
 * it, and are let in before the next writer; writers are woken in order of arrival.
 *
 * Cost of a read, uncontended: eight Atomics operations, all on lines of this worker or on ones nobody writes.
 * Source: Linux kernel/locking/percpu-rwsem.c and kernel/rcu/sync.c.
 */
export class PerWorkerRwSem {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #rcu: RcuDomain;
  /** First word of the slot, 0 until claimed. */
  #slot = 0;

  /** Words a semaphore with `workersMax` slots occupies. */
  static words(workersMax: number = WORKERS_DEFAULT): number {
    checkWorkers("PerWorkerRwSem.words", workersMax);
    return HEADER_WORDS + SLOT_WORDS * workersMax;
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the semaphore; a multiple of 16 keeps workers on separate cache lines
   * @param rcu - the same domain in every worker
   * @throws RangeError if the words lie outside the view or `workersMax` outside `1..4096`
   * @throws SyncError `EINVAL` if it exists with another `workersMax`
   */
  constructor(words: Int32Array, word: number, rcu: RcuDomain, options?: PerWorkerRwSemOptions) {
    checkWords("PerWorkerRwSem", words, word, HEADER_WORDS);
    const asked = options?.workersMax;
    if (asked !== undefined) checkWorkers("PerWorkerRwSem", asked);
    const workersMax = asked ?? (Atomics.load(words, word + WORKERS) || WORKERS_DEFAULT);
    checkWords("PerWorkerRwSem", words, word, HEADER_WORDS + SLOT_WORDS * workersMax);
    const existing = Atomics.compareExchange(words, word + WORKERS, 0, workersMax);
    if (existing !== 0 && existing !== workersMax) {
      throw new SyncError(
        "EINVAL",
        `PerWorkerRwSem: workersMax is ${existing} in the words, got ${workersMax}`,
      );
    }
    Atomics.compareExchange(words, word + MODE, 0, FAST);
    this.#words = words;
    this.#base = word;
    this.#rcu = rcu;
  }

  /** Does a writer hold it, or wait for readers to leave? May be out of date on return. */
  get isWriteLocked(): boolean {
    return this.#load(BLOCK) !== 0;
  }

  /** How many read. May be out of date on return; counts fast readers of other workers late. */
  get readerCount(): number {
    return this.#sum();
  }

  /**
   * Takes it for reading if no writer is about; never waits.
   *
   * @throws SyncError `ENOSPC` if this is the object's first read and all slots are taken
   */
  tryDownRead(): boolean {
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
    if (this.#changeFast(slot, 1)) return true;
    Atomics.add(this.#words, slot + COUNT, 1);
    if (this.#load(BLOCK) === 0) {
      this.#tryMakeFast();
      return true;
    }
    this.#subtract(slot);
    return false;
  }

  /**
   * Takes it for reading, waiting for a writer to leave if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if a writer holds it and the words are not shared, or the caller is in a read
   * section of the domain, which the writer may be waiting for
   */
  downRead(options?: WaitOptions): boolean {
    if (this.tryDownRead()) return true;
    this.#assertNotReading("PerWorkerRwSem.downRead");
    const attempt = (): boolean => this.tryDownRead();
    try {
      return awaitEvent("PerWorkerRwSem.downRead", this.#words, this.#base + READERS, attempt, options);
    } finally {
      this.#endTurn();
    }
  }

  /** The same without blocking the thread. Rejects with `EINTR` when it is aborted. */
  async downReadAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const what = "PerWorkerRwSem.downReadAsync";
    const attempt = (): boolean => this.tryDownRead();
    try {
      return await awaitEventAsync(what, this.#words, this.#base + READERS, attempt, options);
    } finally {
      this.#endTurn();
    }
  }

  /** Ends a read, begun by this or another worker. Nobody can check that there was one. */
  upRead(): void {
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
    if (!this.#changeFast(slot, -1)) this.#subtract(slot);
  }

  /**
   * Takes it for writing: waits for other writers, for a grace period if none has been about lately, and for
   * the readers.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` in a read section of the domain, or if it would have to wait on an `ArrayBuffer`
   */
  downWrite(options?: WaitOptions): boolean {
    const what = "PerWorkerRwSem.downWrite";
    const deadline = deadlineOf(what, options);
    const [words, base] = [this.#words, this.#base];
    this.#assertNotReading(what);
    if (!awaitEvent(what, words, base + WRITERS, () => this.#tryBlock(), options)) return false;
    try {
      const isSlow = this.#makeSlow({ timeoutMs: leftOf(deadline) });
      const left = { timeoutMs: leftOf(deadline) };
      if (isSlow && awaitEvent(what, words, base + DRAIN, () => this.#sum() === 0, left)) return true;
    } catch (error) {
      this.#unblock();
      throw error;
    }
    this.#unblock();
    return false;
  }

  /** The same without blocking the thread. Rejects with `EINTR` when it is aborted. */
  async downWriteAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const what = "PerWorkerRwSem.downWriteAsync";
    const deadline = deadlineOf(what, options);
    const [words, base] = [this.#words, this.#base];
    this.#assertNotReading(what);
    if (!(await awaitEventAsync(what, words, base + WRITERS, () => this.#tryBlock(), options))) return false;
    try {
      const signal = options?.signal;
      const isSlow = await this.#makeSlowAsync({ timeoutMs: leftOf(deadline), signal });
      const left = { timeoutMs: leftOf(deadline), signal };
      if (isSlow && (await awaitEventAsync(what, words, base + DRAIN, () => this.#sum() === 0, left)))
        return true;
    } catch (error) {
      this.#unblock();
      throw error;
    }
    this.#unblock();
    return false;
  }

  /**
   * Gives it back after writing; wakes the readers that wait and one writer.
   *
   * @throws SyncError `EPERM` if no writer holds it
   */
  upWrite(): void {
    if (this.#load(BLOCK) === 0) throw new SyncError("EPERM", "PerWorkerRwSem.upWrite: no writer holds it");
    this.#unblock();
  }

  /**
   * Takes it for reading and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  read(options?: WaitOptions): Guard {
    if (!this.downRead(options)) throw new SyncError("ETIMEDOUT", "PerWorkerRwSem.read: timed out");
    return new Guard(() => this.upRead());
  }

  /**
   * Takes it for writing and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  write(options?: WaitOptions): Guard {
    if (!this.downWrite(options)) throw new SyncError("ETIMEDOUT", "PerWorkerRwSem.write: timed out");
    return new Guard(() => this.upWrite());
  }

  /**
   * Gives the slot back, for another object to claim. A worker calls it before it ends; what it still holds
   * others can release. The object claims a slot again if it is used again.
   */
  close(): void {
    if (this.#slot !== 0) Atomics.store(this.#words, this.#slot + CLAIMED, 0);
    this.#slot = 0;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws an `Error` naming the words and values that break an invariant; exact only while nobody is at work. */
  validate(): void {
    const [mode, block, readers] = [this.#load(MODE), this.#load(BLOCK), this.#sum()];
    if (mode < FAST || mode > EXITING) throw new Error(`PerWorkerRwSem: MODE is ${mode}`);
    if (block !== 0 && block !== 1) throw new Error(`PerWorkerRwSem: BLOCK is ${block}`);
    if (readers < 0) throw new Error(`PerWorkerRwSem: the readers' sum is ${readers}`);
    for (const events of [READERS, WRITERS, DRAIN]) {
      validateEvent("PerWorkerRwSem", this.#words, this.#base + events);
    }
  }

  /** The state in words, for messages. */
  toString(): string {
    const mode = ["new", "fast", "slow", "exiting"][this.#load(MODE)];
    const state = this.isWriteLocked ? "blocked by a writer" : `${mode}`;
    const waiting = [READERS, WRITERS].map((events) => sleepersOf(this.#words, this.#base + events));
    return `PerWorkerRwSem(${state}, reading: ${this.#sum()}, waiting: ${waiting[0]} R ${waiting[1]} W)`;
  }

  /** Changes the own COUNT without Atomics if no writer has been about. */
  #changeFast(slot: number, by: 1 | -1): boolean {
    const words = this.#words;
    this.#rcu.readLock();
    const isFast = Atomics.load(words, this.#base + MODE) === FAST;
    // Plain: only this object touches its COUNT, and whoever adds counts up lets a grace period pass first.
    if (isFast) words[slot + COUNT] += by;
    this.#rcu.readUnlock();
    return isFast;
  }

  /** Ends a read, or takes an attempt back; a writer that waits for the sum looks again. */
  #subtract(slot: number): void {
    Atomics.sub(this.#words, slot + COUNT, 1);
    wakeEvent(this.#words, this.#base + DRAIN);
  }

  #sum(): number {
    let sum = 0;
    for (let index = 0; index < this.#load(WORKERS); index++) {
      sum = (sum + Atomics.load(this.#words, this.#base + HEADER_WORDS + SLOT_WORDS * index + COUNT)) | 0;
    }
    return sum;
  }

  #tryBlock(): boolean {
    if (this.#load(TURN) !== 0 && sleepersOf(this.#words, this.#base + READERS) > 0) return false;
    return Atomics.compareExchange(this.#words, this.#base + BLOCK, 0, 1) === 0;
  }

  /** Returns when no fast reader is left. If the wait was given up some may be, and MODE says so. */
  #makeSlow(options: WaitOptions): boolean {
    if (Atomics.exchange(this.#words, this.#base + MODE, SLOW) !== FAST) return true;
    let isSlow = false;
    try {
      isSlow = this.#rcu.waitCookie(this.#rcu.cookie(), options);
    } finally {
      if (!isSlow) Atomics.store(this.#words, this.#base + MODE, FAST);
    }
    return isSlow;
  }

  async #makeSlowAsync(options: AsyncWaitOptions): Promise<boolean> {
    if (Atomics.exchange(this.#words, this.#base + MODE, SLOW) !== FAST) return true;
    let isSlow = false;
    try {
      isSlow = await this.#rcu.waitCookieAsync(this.#rcu.cookie(), options);
    } finally {
      if (!isSlow) Atomics.store(this.#words, this.#base + MODE, FAST);
    }
    return isSlow;
  }

  #unblock(): void {
    const [words, base] = [this.#words, this.#base];
    Atomics.store(words, base + COOKIE, this.#rcu.cookie());
    Atomics.compareExchange(words, base + MODE, SLOW, EXITING);
    const isTurnOfReaders = sleepersOf(words, base + READERS) > 0;
    Atomics.store(words, base + TURN, isTurnOfReaders ? 1 : 0);
    Atomics.store(words, base + BLOCK, 0);
    wakeEvent(words, base + READERS);
    if (!isTurnOfReaders) wakeEvent(words, base + WRITERS, 1);
    // The sleeper that was counted may have given up, and looked at TURN, before it was stored.
    else this.#endTurn();
  }

  /** Called by a reader that has slept, in or not: the last one lets a writer try. And by the writer before. */
  #endTurn(): void {
    const [words, base] = [this.#words, this.#base];
    if (this.#load(TURN) === 0 || sleepersOf(words, base + READERS) > 0) return;
    if (Atomics.compareExchange(words, base + TURN, 1, 0) === 1) wakeEvent(words, base + WRITERS, 1);
  }

  /** Called by a reader that is in, hence with no writer past its wait for the sum. */
  #tryMakeFast(): void {
    if (this.#load(MODE) !== EXITING || !this.#rcu.poll(this.#load(COOKIE))) return;
    Atomics.compareExchange(this.#words, this.#base + MODE, EXITING, FAST);
  }

  #claim(): number {
    const words = this.#words;
    const workers = this.#load(WORKERS);
    for (let index = 0; index < workers; index++) {
      const slot = this.#base + HEADER_WORDS + SLOT_WORDS * index;
      if (Atomics.compareExchange(words, slot + CLAIMED, 0, 1) !== 0) continue;
      this.#slot = slot;
      return slot;
    }
    throw new SyncError(
      "ENOSPC",
      `PerWorkerRwSem: all ${workers} slots are taken; close() those of workers that end`,
    );
  }

  #assertNotReading(what: string): void {
    if (!this.#rcu.isReading) return;
    throw new SyncError("EDEADLK", `${what}: called in an RCU read section of the same agent`);
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#base + word);
  }
}

function leftOf(deadline: number): number {
  return deadline === FOREVER ? FOREVER : Math.max(0, deadline - nowMs());
}

function checkWorkers(what: string, workersMax: number): void {
  if (!Number.isInteger(workersMax) || workersMax < 1 || workersMax > WORKERS_MAX) {
    throw new RangeError(`${what}: workersMax must be an integer in 1..${WORKERS_MAX}, got ${workersMax}`);
  }
}
