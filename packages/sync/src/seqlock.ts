/*
 * A sequence counter with the lock that its writers need.
 *
 *   word      name   meaning
 *   0 … 2     seq    the counter (seqcount.ts)
 *   16        lock   held by a writer or by an exclusive reader (spinlock.ts)
 *
 * The lock has its own cache line: writers that wait for it do not disturb readers, who look at SEQ only.
 * Order: the lock, then the counter. An exclusive reader takes the lock and leaves the counter alone, so it
 * keeps writers out without making other readers repeat.
 *
 * A writer that dies leaves an odd counter, and readers waiting for it. On a robust seqlock the next to notice,
 * be it a writer or a lockless reader that finds the counter odd, takes the lock, repairs the data while the
 * counter is still odd, and makes it even. If the counter was even, no data was half written, and there is
 * nothing to repair.
 *
 * Memory order, and why the data must be accessed through Atomics: at the top of seqcount.ts. Exclusive
 * readers and writers are ordered by the lock; it is the lockless readers for whose sake writers use Atomics.
 */
import { SyncError } from "./errors.ts";
import { Guard } from "./guard.ts";
import { type Agents, RECHECK_MS, type Recoverable } from "./robust/recovery.ts";
import { RobustSpinLock } from "./robust/spin-lock.ts";
import { SeqCount } from "./seqcount.ts";
import { SpinLock } from "./spinlock.ts";
import { checkWords, deadlineOf, nowMs, type WaitOptions } from "./words.ts";

const LOCK = 16;
/** What {@link SeqLock.readSeqBeginOrLock} takes to mean "under the lock". */
const LOCKED_SEQ = 1;

/** Makes a {@link SeqLock} robust; each thread gives its own. */
export interface RobustSeqLockOptions {
  /** Who lives; a `ThreadRegistry`. */
  readonly agents: Agents;
  /**
   * Repairs the data of a writer that died, with Atomics, as a writer; runs in the next writer or reader. If it
   * throws, the lock is unusable.
   */
  readonly repair: () => void;
}

/**
 * For data that is read often, written seldom, and small enough to read twice.
 *
 * Zeroed words are an unlocked seqlock. Not recursive. Fairness: writers never wait for lockless readers;
 * such a reader may have to repeat without bound, {@link SeqLock.readOrLock} repeats once, then takes the lock.
 *
 * Deaths: with the options of a robust one, see {@link RobustSeqLockOptions}, a dead writer or exclusive reader
 * is noticed by whoever comes next, and calls that would wait for it throw `ENOTRECOVERABLE` once it is
 * unusable. Without them a writer's death leaves writers and readers waiting for ever.
 *
 * Cost: a read is two Atomics loads besides the data's. Source: Linux include/linux/seqlock.h, seqlock_t.
 */
export class SeqLock implements Recoverable {
  /** Number of 32-bit words a seqlock occupies. */
  static readonly WORDS: number = LOCK + SpinLock.WORDS;

  readonly #count: SeqCount;
  readonly #lock: SpinLock | RobustSpinLock;
  /** The same lock if it is robust. */
  readonly #robust: RobustSpinLock | undefined;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the seqlock; a multiple of 16 keeps counter and lock on lines of their own
   * @param robust - lets it survive the death of threads, which have all joined the registry; for all or for none
   * @throws RangeError if the words lie outside the view; TypeError if an option is missing
   */
  constructor(words: Int32Array, word: number, robust?: RobustSeqLockOptions) {
    checkWords("SeqLock", words, word, SeqLock.WORDS);
    this.#count = new SeqCount(words, word);
    this.#robust = robust && this.#robustLock(words, word, robust);
    this.#lock = this.#robust ?? new SpinLock(words, word + LOCK);
  }

  /** Is it held by a writer or an exclusive reader? May be out of date on return. */
  get isLocked(): boolean {
    return this.#lock.isLocked;
  }

  /** Is a write in progress? May be out of date on return. */
  get isWriting(): boolean {
    return this.#count.isWriting;
  }

  /** Begins a lockless read, waiting for a write in progress. @returns what {@link readRetry} wants to know */
  readBegin(options?: WaitOptions): number {
    const seq = this.#count.tryBegin();
    if (seq !== undefined) return seq;
    if (this.#robust === undefined) return this.#count.begin(options);
    return this.#beginRobust(this.#robust, options);
  }

  /** Must what was read since `seq` was returned be thrown away? */
  readRetry(seq: number): boolean {
    return this.#count.retry(seq);
  }

  /** Runs `fn` without the lock until no writer came by; see {@link SeqCount.read}. */
  read<T>(fn: () => T): T {
    for (;;) {
      const seq = this.readBegin();
      try {
        const result = fn();
        if (!this.readRetry(seq)) return result;
      } catch (error) {
        if (!this.readRetry(seq)) throw error;
      }
    }
  }

  /** Takes the lock as a writer if that needs no waiting. */
  tryWriteLock(): boolean {
    if (!this.#lock.tryLock()) return false;
    this.#count.writeBegin();
    return true;
  }

  /** Takes the lock as a writer. @returns `false` if `timeoutMs` was given and has passed */
  writeLock(options?: WaitOptions): boolean {
    if (!this.#lock.lock(options)) return false;
    this.#count.writeBegin();
    return true;
  }

  /**
   * Ends the write and gives the lock back.
   *
   * @throws SyncError `EPERM` if no write is in progress, or on a robust seqlock another agent's
   */
  writeUnlock(): void {
    this.#robust?.assertHeld("writeUnlock");
    this.#count.writeEnd();
    this.#lock.unlock();
  }

  /** Runs `fn` as a writer and returns its result; the lock is given back also if `fn` throws. */
  write<T>(fn: () => T): T {
    this.writeLock();
    try {
      return fn();
    } finally {
      this.writeUnlock();
    }
  }

  /**
   * Takes the lock as a writer and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  acquireWrite(options?: WaitOptions): Guard {
    if (!this.writeLock(options)) throw new SyncError("ETIMEDOUT", "SeqLock.acquireWrite: timed out");
    return new Guard(() => this.writeUnlock());
  }

  /** Takes the lock as a reader: keeps writers and other exclusive readers out, not lockless ones. */
  readExclLock(options?: WaitOptions): boolean {
    return this.#lock.lock(options);
  }

  /**
   * Gives the lock back that {@link readExclLock} took.
   *
   * @throws SyncError `EPERM` if nobody holds it, or a writer does
   */
  readExclUnlock(): void {
    if (this.isWriting) throw new SyncError("EPERM", "SeqLock.readExclUnlock: a writer holds the lock");
    this.#lock.unlock();
  }

  /**
   * Takes the lock as a reader and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  readExcl(options?: WaitOptions): Guard {
    if (!this.readExclLock(options)) throw new SyncError("ETIMEDOUT", "SeqLock.readExcl: timed out");
    return new Guard(() => this.readExclUnlock());
  }

  /**
   * Begins a read: lockless if `seq` is even, under the lock if it is odd. Start with 0; if
   * {@link needSeqRetry} then says `true`, begin again with 1; at the end call {@link doneSeqRetry}.
   *
   * @returns what the other two want to know
   */
  readSeqBeginOrLock(seq: number): number {
    if ((seq & 1) === 0) return this.readBegin();
    this.#lock.lock();
    return LOCKED_SEQ;
  }

  /** Must the read be repeated? Never, if it was made under the lock. */
  needSeqRetry(seq: number): boolean {
    return (seq & 1) === 0 && this.#count.retry(seq);
  }

  /** Gives the lock back if the read was made under it. */
  doneSeqRetry(seq: number): void {
    if ((seq & 1) !== 0) this.readExclUnlock();
  }

  /** Runs `fn` without the lock; if a writer came by, once more with it. `fn` must not be async. */
  readOrLock<T>(fn: () => T): T {
    const seq = this.readSeqBeginOrLock(0);
    try {
      const result = fn();
      if (!this.needSeqRetry(seq)) return result;
    } catch (error) {
      if (!this.needSeqRetry(seq)) throw error;
    }
    const guard = this.readExcl();
    try {
      return fn();
    } finally {
      guard.release();
    }
  }

  /**
   * Recovers a robust seqlock from an agent's death, and has those who wait look again; they do so by themselves
   * within 100 ms. Without the options of a robust one it can do nothing.
   */
  agentDied(id: number): boolean {
    const wasHeld = this.#robust?.agentDied(id) === true;
    this.#count.agentDied();
    return wasHeld;
  }

  /** Was a dead writer's data found beyond repair? Then every call that needs the lock or waits throws. */
  get isUnusable(): boolean {
    return this.#robust?.isUnusable === true;
  }

  /** Throws an `Error` naming the words and values that break an invariant. */
  validate(): void {
    this.#count.validate();
    this.#lock.validate();
    // Asked twice: a writer that ends between the first two questions has broken nothing.
    if (this.isWriting && !this.isLocked && this.isWriting && !this.#isWithoutOwner) {
      throw new Error(`SeqLock: ${this.#count}, but nobody holds the lock`);
    }
  }

  /** The state in words, for messages. */
  toString(): string {
    const state = this.isWriting ? "writing" : this.isLocked ? "read exclusively" : "free";
    return `SeqLock(${state}, ${this.#count.sequence >>> 0})`;
  }

  /** After a death the counter stays odd while nobody holds the lock. */
  get #isWithoutOwner(): boolean {
    return this.#robust !== undefined && (this.#robust.ownerDied || this.#robust.isUnusable);
  }

  #robustLock(words: Int32Array, word: number, { agents, repair }: RobustSeqLockOptions): RobustSpinLock {
    if (typeof repair !== "function") throw new TypeError("SeqLock: repair must be a function");
    const finishWrite = (): void => {
      if (!this.isWriting) return;
      repair();
      this.#count.writeEnd();
    };
    return new RobustSpinLock(words, word + LOCK, { agents, repair: finishWrite });
  }

  /** Waits for a write to end; if that cannot be, because the writer died, ends it as the next owner. */
  #beginRobust(lock: RobustSpinLock, options: WaitOptions | undefined): number {
    const deadline = deadlineOf("SeqLock.readBegin", options);
    for (;;) {
      const seq = this.#count.tryBegin();
      if (seq !== undefined) return seq;
      if (lock.tryLock()) {
        lock.unlock();
        continue;
      }
      const timeoutMs = Math.max(0, Math.min(RECHECK_MS, deadline - nowMs()));
      if (this.#count.waitEven(timeoutMs)) continue;
      if (nowMs() >= deadline) throw new SyncError("ETIMEDOUT", "SeqLock.readBegin: timed out");
    }
  }
}
