/*
 * Sleeping until a condition of the caller's holds.
 *
 *   word    name        meaning
 *   0 … 1   shared      those whom every wake-up wakes (event-count.ts)
 *   2 … 3   exclusive   those of whom a wake-up wakes only so many
 *
 * The loop is the kernel's "prepare, test the condition, sleep": a waiter announces itself before it tests,
 * so whoever makes the condition true and then wakes either is seen by the test or sees the waiter. The proof
 * is in event-count.ts; it needs the condition to be read and made true with Atomics, or under a lock that
 * both sides take.
 *
 * Exclusive waiters are for conditions that one waiter uses up: waking all of them would have all but one go
 * back to sleep. Their condition should take what it finds (a compareExchange), because between a wake-up and
 * the test anybody may come by. One that finds nothing goes to the end of the queue, as in the kernel.
 */
import {
  awaitEvent,
  awaitEventAsync,
  EVENT_WORDS,
  sleepersOf,
  validateEvent,
  wakeEvent,
} from "./event-count.ts";
import type { Recoverable } from "./robust/recovery.ts";
import { type AsyncWaitOptions, checkWords, type WaitOptions } from "./words.ts";

const SHARED = 0;
const EXCLUSIVE = SHARED + EVENT_WORDS;

/** Options of {@link WaitQueueHead.waitFor}. */
export interface WaitForOptions extends WaitOptions {
  /** A wake-up wakes only so many of these, the longest asleep first. Default `false`: every wake-up. */
  readonly exclusive?: boolean;
}

/** Options of {@link WaitQueueHead.waitForAsync}. */
export interface WaitForAsyncOptions extends AsyncWaitOptions {
  /** As in {@link WaitForOptions}. */
  readonly exclusive?: boolean;
}

/**
 * A queue of those who wait for a condition that only they know.
 *
 * Zeroed words are an empty queue. Any number can wait, threads and tasks of threads alike. Fairness:
 * exclusive waiters are woken in order of arrival. Cost of a wake-up with nobody waiting: two Atomics loads.
 *
 * Source: Linux include/linux/wait.h (wait_event(), wake_up_nr()) and kernel/sched/wait.c.
 */
export class WaitQueueHead implements Recoverable {
  /** Number of 32-bit words a queue occupies. */
  static readonly WORDS: number = EXCLUSIVE + EVENT_WORDS;

  readonly #words: Int32Array;
  readonly #base: number;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the queue
   * @throws RangeError if the words lie outside the view
   */
  constructor(words: Int32Array, word: number) {
    checkWords("WaitQueueHead", words, word, WaitQueueHead.WORDS);
    this.#words = words;
    this.#base = word;
  }

  /** How many wait. May be out of date on return. Linux: waitqueue_active(). */
  get waiterCount(): number {
    return this.#sleepers(SHARED) + this.#sleepers(EXCLUSIVE);
  }

  /**
   * Blocks until `condition` gives `true`. It is tested before sleeping and after every wake-up, in this
   * thread; if it throws, the wake-up is passed on and the error goes to the caller.
   *
   * @returns `false` if `timeoutMs` was given and has passed, and a last test gave `false`
   * @throws SyncError `EDEADLK` if it does not hold and the words are not shared
   */
  waitFor(condition: () => boolean, options?: WaitForOptions): boolean {
    const events = this.#base + eventsOf(options);
    return awaitEvent("WaitQueueHead.waitFor", this.#words, events, condition, options);
  }

  /**
   * The same without blocking the thread; the condition may be async. Rejects with `EINTR` when
   * it is aborted.
   */
  waitForAsync(condition: () => boolean | Promise<boolean>, options?: WaitForAsyncOptions): Promise<boolean> {
    const events = this.#base + eventsOf(options);
    return awaitEventAsync("WaitQueueHead.waitForAsync", this.#words, events, condition, options);
  }

  /**
   * Wakes everybody who is not exclusive, and `count` of those who are. Call it after making a condition
   * true. Does not notify if nobody waits.
   *
   * @param count - integer `0..2^31 - 1`
   */
  wake(count: number = 1): void {
    if (!Number.isInteger(count) || count < 0 || count > 0x7fffffff) {
      throw new RangeError(`WaitQueueHead.wake: count must be an integer in 0..2147483647, got ${count}`);
    }
    wakeEvent(this.#words, this.#base + SHARED);
    if (count > 0) wakeEvent(this.#words, this.#base + EXCLUSIVE, count);
  }

  /** Wakes everybody. */
  wakeAll(): void {
    wakeEvent(this.#words, this.#base + SHARED);
    wakeEvent(this.#words, this.#base + EXCLUSIVE);
  }

  /**
   * Wakes everybody, in case an exclusive waiter died with the wake-up of the others, or a waker before it woke.
   * Register it with `registry.protect(queue)`.
   */
  agentDied(): boolean {
    this.wakeAll();
    return false;
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of a queue. */
  validate(): void {
    validateEvent("WaitQueueHead", this.#words, this.#base + SHARED);
    validateEvent("WaitQueueHead", this.#words, this.#base + EXCLUSIVE);
  }

  /** The state in words, for messages. */
  toString(): string {
    return `WaitQueueHead(waiting: ${this.#sleepers(SHARED)}, exclusive: ${this.#sleepers(EXCLUSIVE)})`;
  }

  #sleepers(events: number): number {
    return sleepersOf(this.#words, this.#base + events);
  }
}

function eventsOf(options: { readonly exclusive?: boolean } | undefined): number {
  return options?.exclusive === true ? EXCLUSIVE : SHARED;
}
