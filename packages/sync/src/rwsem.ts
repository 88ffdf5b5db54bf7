/*
 * The lock behind mmap_lock: many readers or one writer, by the rules of Linux.
 *
 *   word     name     meaning
 *   0        COUNT    who holds it (rwsem/count.ts)
 *   1        OWNER    who held it last, as far as that is recorded, and whether to spin (rwsem/owner.ts)
 *   2        POLICY   0 linux | 1 fair-fifo | 2 reader-pref | 3 writer-pref (rwsem/policy.ts)
 *   3        SPINNER  1 while a writer looks at the lock instead of queueing (rwsem/spin.ts)
 *   4 … 7             zero
 *   8 … 63   queue    those who wait, in order of arrival (wait-queue.ts)
 *
 * This file has the fast paths, all on COUNT. What happens when they do not suffice is told by rwsem/: how a
 * reader waits (read-path.ts), how a writer does (write-path.ts, spin.ts), and who is woken (wake.ts).
 *
 * Lock order: the queue's spinlock is innermost; nothing is taken under it. WAITERS, HANDOFF and the list
 * change only under it, so that "the list is empty" and "WAITERS is clear" agree whenever it is free.
 *
 * Who wakes whom:
 *   - Readers are granted by the waker: counted first, then woken, so a writer cannot slip in between.
 *   - A writer is only woken; it competes with those who are running already. HANDOFF bounds how long.
 *   - A waiter that gives up and was first wakes the next one, else readers behind a writer that gave up
 *     would wait for a release although the lock admits them.
 *
 * Memory order: every access is a sequentially consistent Atomics operation; release and acquisition are
 * read-modify-writes of COUNT (or the grant through WAKE), so plain accesses under the lock are ordered.
 */
import { SyncError } from "./errors.ts";
import * as bits from "./rwsem/count.ts";
import { ownerOf, type RwSemOwner } from "./rwsem/owner.ts";
import type { RwSemOptions, RwSemPolicy } from "./rwsem/policy.ts";
import { mayJoin, readPath } from "./rwsem/read-path.ts";
import { SharedLock } from "./rwsem/shared-lock.ts";
import { RWSEM_WORDS, RwSemState } from "./rwsem/state.ts";
import { wakeAfterReaders, wakeFirst, wakeReadersBeside } from "./rwsem/wake.ts";
import { writePath } from "./rwsem/write-path.ts";
import { runAsync, runBlocking } from "./waiting.ts";
import { addressOf, type Backend, backendOf, type FastPaths, fastPathsOf } from "./wasm/backend.ts";
import {
  type AsyncWaitOptions,
  assertMayBlock,
  canBlock,
  checkWords,
  deadlineOf,
  FOREVER,
  isShared,
  type WaitOptions,
} from "./words.ts";

export { WriteGuard } from "./rwsem/guard.ts";
export type { RwSemOptions, RwSemPolicy } from "./rwsem/policy.ts";

// Copies for the fast paths: the compiler folds a constant of this module into the code, but loads an imported
// one from its module each time, which cost a read 2 ns of 17.
const { LOCK_MASK, READ_FAILED_MASK, READER, READER_MASK, WAITERS, WRITER } = bits;

/**
 * A reader-writer semaphore, by default with the policy of Linux: a queued writer stops new readers, one reader phase
 * admits every reader queued at that moment, writers among themselves are served in order of arrival, and
 * whoever is running may overtake a writer that has been woken, for at most about 4 ms.
 *
 * Zeroed words are an unlocked lock, so the constructor creates and attaches alike. Not recursive, also for
 * readers: a second `downRead` waits behind a writer that queued in between. There is no upgrade.
 *
 * Source: Linux v6.12 kernel/locking/rwsem.c.
 */
export class RwSem extends SharedLock {
  /** Number of 32-bit words a lock occupies. */
  static readonly WORDS: number = RWSEM_WORDS;

  protected override get kind(): string {
    return "RwSem";
  }
  readonly #words: Int32Array;
  readonly #count: number;
  readonly #fast: FastPaths | undefined;
  readonly #countAddress: number;
  /** Made on first contention: most locks of most threads are never contended. */
  #slowState: RwSemState | undefined;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the lock; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view, or there is no such policy; SyncError `EINVAL` if
   * the lock has another policy
   */
  constructor(words: Int32Array, word: number, options?: RwSemOptions) {
    super();
    checkWords("RwSem", words, word, RwSem.WORDS);
    this.#words = words;
    this.#count = word;
    this.#fast = fastPathsOf(words);
    this.#countAddress = addressOf(words, word);
    if (options?.policy !== undefined) this.#state.choosePolicy("RwSem", options.policy);
  }

  /** What runs the fast paths: `wasm` over a {@link SharedMemory}, else `js`. */
  get backend(): Backend {
    return backendOf(this.#fast);
  }

  /** Who is served next. */
  get policy(): RwSemPolicy {
    return this.#state.rules.name;
  }

  /** Is it held in either mode? May be out of date on return. Source: rwsem_is_locked(). */
  get isLocked(): boolean {
    return (this.#load() & LOCK_MASK) !== 0;
  }

  /** Is it held by a writer? May be out of date on return. */
  get isWriteLocked(): boolean {
    return (this.#load() & WRITER) !== 0;
  }

  /** Does anybody wait? A long holder may want to give way. Source: rwsem_is_contended(). */
  get isContended(): boolean {
    return (this.#load() & WAITERS) !== 0;
  }

  /** Readers that hold it, counting those in the middle of trying. */
  get readerCount(): number {
    return bits.readersOf(this.#load());
  }

  /**
   * Takes the lock in read mode. Cost uncontended: one Atomics add.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it must wait and the words are not shared
   *
   * Source: down_read(), rwsem_down_read_slowpath().
   */
  override downRead(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RwSem.downRead", options);
    const was =
      this.#fast === undefined
        ? Atomics.add(this.#words, this.#count, READER)
        : this.#fast.rwsemAddReader(this.#countAddress);
    const count = (was + READER) | 0;
    if ((count & READ_FAILED_MASK) === 0) return true;
    return this.#downReadSlow(count, deadline);
  }

  /**
   * As {@link downRead}, without blocking the thread, also on an `ArrayBuffer`. The holder is then the task
   * that awaits, not the thread. While a task of a thread holds or awaits the lock, that thread must not block
   * for it: the task could never go on. Nor does a pending wait keep a Node process alive by itself.
   *
   * @returns resolves to `true`, or `false` if `timeoutMs` was given and has passed; a grant that comes in
   * the same moment as a timeout or an abort wins, so look at the result
   * @throws SyncError `EINTR` if `signal` is aborted first; its `cause` is the signal's reason
   *
   * Source: down_read_interruptible(), the signal being the caller's.
   */
  override downReadAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "RwSem.downReadAsync",
      this.#words,
      options,
      () => this.tryDownRead(),
      () => readPath(this.#state, this.#state.addReader(), true),
    );
  }

  /**
   * Takes the lock in read mode if there is neither a writer nor, unless the policy prefers readers, anybody
   * waiting. Source: down_read_trylock().
   */
  override tryDownRead(): boolean {
    let count = this.#load();
    while ((count & READ_FAILED_MASK) === 0 || mayJoin(this.#state, count)) {
      const seen = Atomics.compareExchange(this.#words, this.#count, count, count + READER);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }

  /**
   * Gives a read lock back; the last reader out wakes whoever is first.
   *
   * @throws SyncError `EPERM` if no reader holds the lock
   */
  override upRead(): void {
    const was =
      this.#fast === undefined
        ? Atomics.sub(this.#words, this.#count, READER)
        : this.#fast.rwsemSubReader(this.#countAddress);
    if ((was & READER_MASK) === 0) {
      Atomics.add(this.#words, this.#count, READER);
      throw new SyncError("EPERM", "RwSem.upRead: no reader holds the lock");
    }
    if (((was - READER) & (LOCK_MASK | WAITERS)) === WAITERS) wakeAfterReaders(this.#state);
  }

  /**
   * Takes the lock in write mode. Cost uncontended: one Atomics compareExchange.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it must wait and the words are not shared
   *
   * Source: down_write(), rwsem_down_write_slowpath().
   */
  override downWrite(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RwSem.downWrite", options);
    if (this.tryDownWrite()) return true;
    return this.#downWriteSlow(deadline);
  }

  /**
   * As {@link downWrite}, without blocking the thread, also on an `ArrayBuffer`; see {@link downReadAsync} for
   * who is then the holder, and for the result.
   *
   * @throws SyncError `EINTR` if `signal` is aborted first; its `cause` is the signal's reason
   *
   * Source: down_write_killable(), the signal being the caller's.
   */
  override downWriteAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "RwSem.downWriteAsync",
      this.#words,
      options,
      () => this.tryDownWrite(),
      () => writePath(this.#state, false),
    );
  }

  /** Takes the lock in write mode if nobody holds it or waits for it. Source: down_write_trylock(). */
  override tryDownWrite(): boolean {
    if (this.#fast !== undefined) return this.#fast.rwsemSetWriter(this.#countAddress) === 0;
    return Atomics.compareExchange(this.#words, this.#count, 0, WRITER) === 0;
  }

  /**
   * Gives the write lock back, and wakes the first waiter, or all queued readers if that is a reader.
   *
   * @throws SyncError `EPERM` if no writer holds the lock
   */
  override upWrite(): void {
    const was =
      this.#fast === undefined
        ? Atomics.and(this.#words, this.#count, ~WRITER)
        : this.#fast.rwsemClearWriter(this.#countAddress);
    if ((was & WRITER) === 0) throw new SyncError("EPERM", "RwSem.upWrite: no writer holds the lock");
    if ((was & WAITERS) !== 0) wakeFirst(this.#state);
  }

  /**
   * Turns the caller's write lock into a read lock in one step: no writer gets in between. Admits the queued
   * readers if a reader is first in the queue; if a writer is, nobody is woken. Never waits.
   *
   * @throws SyncError `EPERM` if no writer holds the lock
   *
   * Source: downgrade_write(), rwsem_downgrade_wake().
   */
  override downgradeWrite(): void {
    if (!this.isWriteLocked) throw new SyncError("EPERM", "RwSem.downgradeWrite: no writer holds the lock");
    const was = Atomics.add(this.#words, this.#count, READER - WRITER);
    if ((was & WAITERS) !== 0) wakeReadersBeside(this.#state);
  }

  /** Who waits, first to last, as in `"W R R"`. May be out of date on return. */
  get waiters(): string {
    return this.#state.queue.describe();
  }

  /**
   * The last holder that had to wait, if it had an agent id; for messages and for the curious. Those who took
   * the lock without waiting leave no trace: that would cost half as much again as the lock itself.
   */
  get owner(): RwSemOwner | undefined {
    return ownerOf(this.#state);
  }

  /** Throws an `Error` naming the words and values that break an invariant; takes the queue's spinlock. */
  override validate(): void {
    const { words, queue, spinner } = this.#state;
    const waiting = queue.validate();
    this.#state.validatePolicy("RwSem");
    const spinners = Atomics.load(words, spinner);
    if (spinners !== 0 && spinners !== 1) throw new Error(`RwSem: SPINNER is ${spinners}, expected 0 or 1`);
    const count = this.#load();
    bits.validateCount(count);
    // Only when nothing moves can the two be compared; a test that calls this is such a moment.
    const hasWaiters = (count & WAITERS) !== 0;
    if (hasWaiters !== waiting > 0 && this.#load() === count) {
      throw new Error(`RwSem: WAITERS is ${hasWaiters}, but ${waiting} wait`);
    }
  }

  /** The state in words, for messages. */
  override toString(): string {
    return `RwSem(${bits.describeCount(this.#load())}, waiting: ${this.waiters || "nobody"})`;
  }

  get #state(): RwSemState {
    this.#slowState ??= new RwSemState(this.#words, this.#count);
    return this.#slowState;
  }

  #load(): number {
    return Atomics.load(this.#words, this.#count);
  }

  /** `count` has our bias in it already. */
  #downReadSlow(count: number, deadline: number): boolean {
    const path = readPath(this.#state, count, isShared(this.#words) && canBlock());
    return runBlocking(this.#words, path, deadline);
  }

  #downWriteSlow(deadline: number): boolean {
    assertMayBlock("RwSem.downWrite", this.#words, "RwSem.downWriteAsync or tryDownWrite");
    return runBlocking(this.#words, writePath(this.#state, true), deadline);
  }
}
