/*
 * A reader-writer semaphore whose readers write only to words of their own worker.
 *
 * The words are laid out in per-worker-rwsem/layout.ts. How readers come and go is told in readers.ts, how a
 * writer gets them out of the way in phases.ts, and what is different if workers may die in robust.ts.
 */

import { SyncError } from "./errors.ts";
import { awaitEvent, awaitEventAsync, sleepersOf, validateEvent } from "./event-count.ts";
import { Guard } from "./guard.ts";
import {
  BLOCK,
  CLAIMED,
  DRAIN,
  EXITING,
  FAST,
  layOut,
  MODE,
  READERS,
  WRITERS,
  wordsFor,
} from "./per-worker-rwsem/layout.ts";
import { leftOf, WriterPhases } from "./per-worker-rwsem/phases.ts";
import { claimSlot, countFast, enterSlow, leaveSlow, readersOf } from "./per-worker-rwsem/readers.ts";
import type { RcuDomain } from "./rcu.ts";
import { type AsyncWaitOptions, deadlineOf, type WaitOptions } from "./words.ts";

/** In CLAIMED and BLOCK: somebody. Who, only a robust semaphore wants to know. */
const SOMEBODY = 1;

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
  readonly #writers: WriterPhases;

  /** Words a semaphore with `workersMax` slots occupies. */
  static words(workersMax?: number): number {
    return wordsFor("PerWorkerRwSem", workersMax);
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the semaphore; a multiple of 16 keeps workers on separate cache lines
   * @param rcu - the same domain in every worker
   * @throws RangeError if the words lie outside the view or `workersMax` outside `1..4096`
   * @throws SyncError `EINVAL` if it exists with another `workersMax`
   */
  constructor(words: Int32Array, word: number, rcu: RcuDomain, options?: PerWorkerRwSemOptions) {
    layOut("PerWorkerRwSem", words, word, options?.workersMax);
    this.#words = words;
    this.#base = word;
    this.#rcu = rcu;
    this.#writers = new WriterPhases(words, word, rcu, () => sleepersOf(words, word + READERS));
  }

  /** Does a writer hold it, or wait for readers to leave? May be out of date on return. */
  get isWriteLocked(): boolean {
    return this.#load(BLOCK) !== 0;
  }

  /** How many read. May be out of date on return; counts fast readers of other workers late. */
  get readerCount(): number {
    return readersOf(this.#words, this.#base);
  }

  /**
   * Takes it for reading if no writer is about; never waits.
   *
   * @throws SyncError `ENOSPC` if this is the object's first read and all slots are taken
   */
  tryDownRead(): boolean {
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
    if (countFast(this.#words, this.#base, this.#rcu, slot, 1)) return true;
    return enterSlow(this.#words, this.#base, this.#rcu, slot);
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
      this.#writers.endTurn();
    }
  }

  /** The same without blocking the thread. Rejects with `EINTR` when it is aborted. */
  async downReadAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const what = "PerWorkerRwSem.downReadAsync";
    const attempt = (): boolean => this.tryDownRead();
    try {
      return await awaitEventAsync(what, this.#words, this.#base + READERS, attempt, options);
    } finally {
      this.#writers.endTurn();
    }
  }

  /** Ends a read, begun by this or another worker. Nobody can check that there was one. */
  upRead(): void {
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
    if (countFast(this.#words, this.#base, this.#rcu, slot, -1)) return;
    leaveSlow(this.#words, this.#base, slot);
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
    if (!awaitEvent(what, words, base + WRITERS, () => this.#writers.tryBlock(SOMEBODY), options))
      return false;
    try {
      const isSlow = this.#writers.makeSlow(deadline);
      const left = { timeoutMs: leftOf(deadline) };
      if (
        isSlow &&
        awaitEvent(what, words, base + DRAIN, () => readersOf(this.#words, this.#base) === 0, left)
      )
        return true;
    } catch (error) {
      this.#writers.unblock();
      throw error;
    }
    this.#writers.unblock();
    return false;
  }

  /** The same without blocking the thread. Rejects with `EINTR` when it is aborted. */
  async downWriteAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const what = "PerWorkerRwSem.downWriteAsync";
    const deadline = deadlineOf(what, options);
    const [words, base] = [this.#words, this.#base];
    this.#assertNotReading(what);
    if (
      !(await awaitEventAsync(what, words, base + WRITERS, () => this.#writers.tryBlock(SOMEBODY), options))
    )
      return false;
    try {
      const signal = options?.signal;
      const isSlow = await this.#writers.makeSlowAsync(deadline, signal);
      const left = { timeoutMs: leftOf(deadline), signal };
      if (
        isSlow &&
        (await awaitEventAsync(
          what,
          words,
          base + DRAIN,
          () => readersOf(this.#words, this.#base) === 0,
          left,
        ))
      )
        return true;
    } catch (error) {
      this.#writers.unblock();
      throw error;
    }
    this.#writers.unblock();
    return false;
  }

  /**
   * Gives it back after writing; wakes the readers that wait and one writer.
   *
   * @throws SyncError `EPERM` if no writer holds it
   */
  upWrite(): void {
    if (this.#load(BLOCK) === 0) throw new SyncError("EPERM", "PerWorkerRwSem.upWrite: no writer holds it");
    this.#writers.unblock();
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
    const [mode, block, readers] = [this.#load(MODE), this.#load(BLOCK), readersOf(this.#words, this.#base)];
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
    return `PerWorkerRwSem(${state}, reading: ${readersOf(this.#words, this.#base)}, waiting: ${waiting[0]} R ${waiting[1]} W)`;
  }

  #claim(): number {
    this.#slot = claimSlot("PerWorkerRwSem", this.#words, this.#base, SOMEBODY);
    return this.#slot;
  }

  #assertNotReading(what: string): void {
    if (!this.#rcu.isReading) return;
    throw new SyncError("EDEADLK", `${what}: called in an RCU read section of the same agent`);
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#base + word);
  }
}
