/*
 * Waiting for something that somebody else finishes.
 *
 *   word    name     meaning
 *   0       DONE     completions nobody has waited for yet; 0x7fffffff: done for everybody, for ever
 *   1 … 2   events   those who wait (event-count.ts)
 *
 * A waiter takes a completion by lowering DONE with a compareExchange, so each one lets exactly one waiter
 * through, whoever comes first. Memory order: every access is a sequentially consistent Atomics operation;
 * what was done before complete() is seen after the wait it ends, plain accesses too.
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

const EVENTS = 1;
const DONE_FOR_ALL = 0x7fffffff;
/** Looks before sleeping: what is awaited may be about to happen. */
const SPINS = 60;

/**
 * A completion: `complete()` lets one waiter through, before or after it comes; `completeAll()` everybody.
 *
 * Zeroed words are a completion that has not happened. Fairness: the longest asleep is woken first, but one
 * who comes meanwhile may take its completion; it then goes on waiting.
 *
 * Cost: `complete` two Atomics operations and a load, a wait that need not wait two.
 * Source: Linux kernel/sched/completion.c.
 */
export class Completion implements Recoverable {
  /** Number of 32-bit words a completion occupies. */
  static readonly WORDS: number = EVENTS + EVENT_WORDS;

  readonly #words: Int32Array;
  readonly #done: number;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the completion
   * @throws RangeError if the words lie outside the view
   */
  constructor(words: Int32Array, word: number) {
    checkWords("Completion", words, word, Completion.WORDS);
    this.#words = words;
    this.#done = word;
  }

  /** Would a wait return at once? May be out of date on return. Linux: completion_done(). */
  get isDone(): boolean {
    return this.#load() !== 0;
  }

  /** How many wait. May be out of date on return. */
  get waiterCount(): number {
    return sleepersOf(this.#words, this.#done + EVENTS);
  }

  /** Lets one waiter through: the longest asleep, or the next to come. Does nothing after {@link completeAll}. */
  complete(): void {
    for (;;) {
      const done = this.#load();
      if (done === DONE_FOR_ALL) return;
      if (this.#replace(done, done + 1)) break;
    }
    wakeEvent(this.#words, this.#done + EVENTS, 1);
  }

  /** Lets everybody through, now and until {@link reinit}. */
  completeAll(): void {
    Atomics.store(this.#words, this.#done, DONE_FOR_ALL);
    wakeEvent(this.#words, this.#done + EVENTS);
  }

  /**
   * Makes it a completion that has not happened. After {@link completeAll} the caller makes sure that
   * everybody it was meant for has gone through: who has not, waits for the next one.
   */
  reinit(): void {
    Atomics.store(this.#words, this.#done, 0);
  }

  /** Goes through if that needs no waiting. Linux: try_wait_for_completion(). */
  tryWait(): boolean {
    for (;;) {
      const done = this.#load();
      if (done === 0) return false;
      if (done === DONE_FOR_ALL || this.#replace(done, done - 1)) return true;
    }
  }

  /**
   * Blocks until it is done.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it is not done and the words are not shared
   */
  wait(options?: WaitOptions): boolean {
    if (options === undefined && this.tryWait()) return true;
    const attempt = (): boolean => this.tryWait();
    return awaitEvent("Completion.wait", this.#words, this.#done + EVENTS, attempt, options, SPINS);
  }

  /**
   * The same without blocking the thread, on an `ArrayBuffer` too. Rejects with `EINTR` when
   * it is aborted.
   */
  waitAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const attempt = (): boolean => this.tryWait();
    return awaitEventAsync("Completion.waitAsync", this.#words, this.#done + EVENTS, attempt, options);
  }

  /**
   * Has everybody who waits look again, in case the one that was woken died before it went through. Register it
   * with `registry.protect(completion)`. A completion that the dead would have made is not made up for.
   */
  agentDied(): boolean {
    wakeEvent(this.#words, this.#done + EVENTS);
    return false;
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of a completion. */
  validate(): void {
    const done = this.#load();
    if (done < 0) throw new Error(`Completion: DONE at word ${this.#done} is ${done}`);
    validateEvent("Completion", this.#words, this.#done + EVENTS);
  }

  /** The state in words, for messages. */
  toString(): string {
    const done = this.#load();
    const state = done === DONE_FOR_ALL ? "done for all" : done === 0 ? "not done" : `done ${done}`;
    return `Completion(${state}, waiting: ${this.waiterCount})`;
  }

  #load(): number {
    return Atomics.load(this.#words, this.#done);
  }

  #replace(old: number, done: number): boolean {
    return Atomics.compareExchange(this.#words, this.#done, old, done) === old;
  }
}
