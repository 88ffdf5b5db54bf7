/*
 * A counter that tells a reader whether a writer was at work while it read.
 *
 *   word    name     meaning
 *   0       SEQ      even: stable | odd: a write is in progress; wraps at 2^32
 *   1 … 2   events   readers asleep until a write is over (event-count.ts)
 *
 * Why the data must be read and written through Atomics. SEQ and the data form one protocol:
 *
 *     writer                       reader
 *     W1: SEQ becomes odd          R1: load SEQ, even
 *     D:  store the data           D': load the data
 *     W2: SEQ becomes even         R2: load SEQ, unchanged
 *
 * If all of these are Atomics operations, they have one total order that agrees with both columns, and R1, R2
 * seeing the same even value leaves no place for any D between them. The kernel gets the same from barriers
 * around plain accesses. ECMAScript has no barrier: a plain load D' races with the store D, and the memory
 * model orders a racing plain access with nothing. It may be satisfied before R1 or after R2, by the engine
 * or by the processor, and the reader would believe what it should have thrown away. A load of 64 bits may
 * in addition be torn. So: 32-bit words, Atomics.load, Atomics.store.
 *
 * Even so a reader sees inconsistent data before it finds out that it has to retry: it must not follow
 * handles, divide or loop on what it has read until retry() has said false.
 */

import { SyncError } from "./errors.ts";
import { awaitEvent, awaitEventAsync, EVENT_WORDS, validateEvent, wakeEvent } from "./event-count.ts";
import type { Recoverable } from "./robust/recovery.ts";
import { type AsyncWaitOptions, checkWords, type WaitOptions } from "./words.ts";

const EVENTS = 1;
/** Looks at an odd counter before sleeping: a write section is a few stores. */
const SPINS = 100;

/**
 * A sequence counter: readers run without writing anything, and repeat what they read if a writer came by.
 *
 * Zeroed words are a stable counter. Writers exclude each other by a lock of the caller's ({@link SeqLock}
 * brings its own). Fairness: writers never wait for readers; a reader may have to repeat without bound.
 * A reader is deceived if exactly a multiple of 2^31 writes happened while it read.
 *
 * Cost: a read is two Atomics loads besides the data's; a write four operations.
 * Source: Linux include/linux/seqlock.h, seqcount_t.
 */
export class SeqCount implements Recoverable {
  /** Number of 32-bit words a counter occupies. */
  static readonly WORDS: number = EVENTS + EVENT_WORDS;

  readonly #words: Int32Array;
  readonly #seq: number;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the counter
   * @throws RangeError if the words lie outside the view
   */
  constructor(words: Int32Array, word: number) {
    checkWords("SeqCount", words, word, SeqCount.WORDS);
    this.#words = words;
    this.#seq = word;
  }

  /** The counter as it is, odd or even. */
  get sequence(): number {
    return Atomics.load(this.#words, this.#seq);
  }

  /** Is a write in progress? May be out of date on return. */
  get isWriting(): boolean {
    return (this.sequence & 1) !== 0;
  }

  /**
   * Begins a read, waiting for a write in progress to end.
   *
   * @returns what {@link retry} wants to know
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` has passed; `EDEADLK` if a write is in progress and the
   * words are not shared
   */
  begin(options?: WaitOptions): number {
    const seq = this.sequence;
    return (seq & 1) === 0 ? seq : this.#beginSlow(options);
  }

  /** The same without blocking the thread. Rejects with `EINTR`, or `ETIMEDOUT`. */
  async beginAsync(options?: AsyncWaitOptions): Promise<number> {
    const isEven = (): boolean => !this.isWriting;
    for (;;) {
      const seq = this.sequence;
      if ((seq & 1) === 0) return seq;
      const isOver = await awaitEventAsync("SeqCount", this.#words, this.#seq + EVENTS, isEven, options);
      if (!isOver) throw timedOut("beginAsync");
    }
  }

  /** Begins a read if no write is in progress. @returns what {@link retry} wants to know, or `undefined` */
  tryBegin(): number | undefined {
    const seq = this.sequence;
    return (seq & 1) === 0 ? seq : undefined;
  }

  /** Begins a read at once; if a write is in progress, {@link retry} will say `true`. Never waits. */
  rawBegin(): number {
    return this.sequence & ~1;
  }

  /** Must what was read since `seq` was returned be thrown away? */
  retry(seq: number): boolean {
    return this.sequence !== seq;
  }

  /**
   * Runs `fn`, again and again until no writer came by, and returns its last result. An error that `fn`
   * throws counts only if what it had read was consistent. `fn` must have no effects and not be async.
   */
  read<T>(fn: () => T): T {
    for (;;) {
      const seq = this.begin();
      try {
        const result = fn();
        if (!this.retry(seq)) return result;
      } catch (error) {
        if (!this.retry(seq)) throw error;
      }
    }
  }

  /**
   * Begins a write. The caller excludes other writers, and must not wait before {@link writeEnd}.
   *
   * @throws SyncError `EINVAL` if a write is in progress: the writers do not exclude each other
   */
  writeBegin(): void {
    const seq = this.sequence;
    const isMine =
      (seq & 1) === 0 && Atomics.compareExchange(this.#words, this.#seq, seq, (seq + 1) | 0) === seq;
    if (!isMine) throw new SyncError("EINVAL", `SeqCount.writeBegin: another write is in progress (${seq})`);
  }

  /**
   * Ends a write and wakes readers that wait for it.
   *
   * @throws SyncError `EPERM` if no write is in progress
   */
  writeEnd(): void {
    const seq = this.sequence;
    if ((seq & 1) === 0) throw new SyncError("EPERM", `SeqCount.writeEnd: no write is in progress (${seq})`);
    Atomics.store(this.#words, this.#seq, (seq + 1) | 0); // Nobody else changes an odd counter.
    wakeEvent(this.#words, this.#seq + EVENTS);
  }

  /** Runs `fn` as a write and returns its result; the write ends also if `fn` throws. */
  write<T>(fn: () => T): T {
    this.writeBegin();
    try {
      return fn();
    } finally {
      this.writeEnd();
    }
  }

  /** Makes every read in progress repeat, without a write. The caller excludes writers. */
  invalidate(): void {
    Atomics.add(this.#words, this.#seq, 2);
  }

  /**
   * Has readers that wait look again, which is all a counter can do about a death. A writer that dies in a
   * write leaves the counter odd: whoever excludes the writers repairs the data and calls {@link writeEnd} in
   * its place; a robust {@link SeqLock} does.
   */
  agentDied(): boolean {
    wakeEvent(this.#words, this.#seq + EVENTS);
    return false;
  }

  /** Waits until no write is in progress. @internal @returns `false` if the time has passed */
  waitEven(timeoutMs: number): boolean {
    const isEven = (): boolean => !this.isWriting;
    return awaitEvent("SeqCount.begin", this.#words, this.#seq + EVENTS, isEven, { timeoutMs }, SPINS);
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of a counter. */
  validate(): void {
    validateEvent("SeqCount", this.#words, this.#seq + EVENTS);
  }

  /** The state in words, for messages. */
  toString(): string {
    const seq = this.sequence;
    return `SeqCount(${seq >>> 0}, ${(seq & 1) === 0 ? "stable" : "writing"})`;
  }

  #beginSlow(options: WaitOptions | undefined): number {
    let even = 0;
    const attempt = (): boolean => {
      even = this.sequence;
      return (even & 1) === 0;
    };
    if (awaitEvent("SeqCount.begin", this.#words, this.#seq + EVENTS, attempt, options, SPINS)) return even;
    throw timedOut("begin");
  }
}

function timedOut(what: string): SyncError {
  return new SyncError("ETIMEDOUT", `SeqCount.${what}: timed out`);
}
