/*
 * Atomics.wait that does not block, for every engine and both kinds of buffer.
 *
 * Where Atomics.waitAsync exists and the words are shared, the engine keeps the waiter in the same list as
 * the threads asleep in Atomics.wait, in order of arrival. Elsewhere (an engine without it, or an ArrayBuffer
 * whose other tasks are the only ones that can change it) the word is polled. A poller sees no notify, only a
 * changed word, so whoever wakes must change the word, and not change it back: use a generation.
 *
 * Giving up: the engine removes a waiter on its timeout, but knows no AbortSignal. An abandoned waiter would
 * swallow a notify meant for somebody else; so an abort notifies everybody on the word. Our own waiter leaves
 * the list with that, the others find nothing changed and wait again. An abort is rare; a lost wake-up hangs.
 */
import { isShared, nowMs, type SleepResult, type WaitOptions } from "./words.ts";

/** The part of an `AbortSignal` that is used here; the real one of any platform fits. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Options of every call that waits without blocking the thread. */
export interface AsyncWaitOptions extends WaitOptions {
  /** Gives up when this is aborted: the promise rejects with the signal's `reason`. */
  readonly signal?: AbortSignalLike | undefined;
}

interface Timers {
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}
const timers = globalThis as unknown as Timers;

/** Longest delay a timer of any platform accepts. */
const TIMER_MAX_MS = 0x7fffffff;
/** The poll's delay doubles up to this: the most a wake-up can be late, apart from a busy event loop. */
const POLL_MAX_MS = 8;

/**
 * Waits while `words[index]` is `expected`, without blocking. A pending wait keeps the process alive, as a
 * timer does.
 *
 * @param timeoutMs - gives up after that many milliseconds, `Infinity` for never
 * @param signal - when it is aborted the promise rejects with its `reason`
 * @returns `"ok"` when notified, `"not-equal"` if the word had another value already, or `"timed-out"`
 */
export function waitAsyncOn(
  words: Int32Array,
  index: number,
  expected: number,
  timeoutMs: number = Number.POSITIVE_INFINITY,
  signal?: AbortSignalLike,
): Promise<SleepResult> {
  if (signal?.aborted === true) return Promise.reject(signal.reason);
  if (!isShared(words) || typeof Atomics.waitAsync !== "function") {
    return pollFor(words, index, expected, timeoutMs, signal);
  }
  const waiter = Atomics.waitAsync(words, index, expected, timeoutMs);
  if (!waiter.async) return Promise.resolve(waiter.value);
  return new Promise((resolve, reject) => {
    const keepAlive = timers.setTimeout(() => {}, TIMER_MAX_MS);
    const finish = (): void => {
      timers.clearTimeout(keepAlive);
      signal?.removeEventListener("abort", abort);
    };
    const abort = (): void => {
      finish();
      Atomics.notify(words, index);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort);
    waiter.value.then((result) => {
      finish();
      resolve(result);
    }, reject);
  });
}

function pollFor(
  words: Int32Array,
  index: number,
  expected: number,
  timeoutMs: number,
  signal: AbortSignalLike | undefined,
): Promise<SleepResult> {
  if (Atomics.load(words, index) !== expected) return Promise.resolve("not-equal");
  const deadline = nowMs() + timeoutMs;
  return new Promise((resolve, reject) => {
    let timer: unknown;
    let delayMs = 0;
    const finish = (settle: () => void): void => {
      timers.clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      settle();
    };
    const abort = (): void => finish(() => reject(signal?.reason));
    const look = (): void => {
      if (Atomics.load(words, index) !== expected) return finish(() => resolve("ok"));
      const leftMs = deadline - nowMs();
      if (leftMs <= 0) return finish(() => resolve("timed-out"));
      timer = timers.setTimeout(look, Math.min(delayMs, leftMs));
      delayMs = Math.min(POLL_MAX_MS, 2 * delayMs + 1);
    };
    signal?.addEventListener("abort", abort);
    look();
  });
}
