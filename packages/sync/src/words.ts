/*
 * What every primitive needs from its words: argument checks, a pause for spin loops, a clock, and a wait
 * that says clearly why it cannot block. Nothing here knows what a lock is.
 */
import { SyncError } from "./errors.ts";

/** Options of every call that may block. */
export interface WaitOptions {
  /** Give up after this many milliseconds and return `false`; without it the call waits as long as it takes. */
  readonly timeoutMs?: number;
}

/** As much of an `AbortSignal` as a wait needs; the platform's own fits. */
export interface WaitSignal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * Options of every `…Async` call. Only these take a signal: a thread that is asleep in a blocking call runs
 * no code that could abort it.
 */
export interface AsyncWaitOptions extends WaitOptions {
  /** Aborting it ends the wait with a rejection by `SyncError` `EINTR`, unless the lock has been granted by then. */
  readonly signal?: WaitSignal | undefined;
}

/** Result of {@link sleepWhile}. */
export type SleepResult = "ok" | "not-equal" | "timed-out";

type Clock = { now(): number };
/** Monotonic milliseconds; two agents' clocks have different origins, so values never go into shared words. */
const clock: Clock = (globalThis as { performance?: Clock }).performance ?? Date;

/** Monotonic time of this agent in milliseconds. */
export function nowMs(): number {
  return clock.now();
}

/** Deadline of a wait that never gives up. */
export const FOREVER: number = Number.POSITIVE_INFINITY;

/**
 * Time at which a wait with these options gives up, on the {@link nowMs} clock.
 * Callers ask before they touch a shared word, so that a bad option leaves the lock as it was.
 */
export function deadlineOf(what: string, options: WaitOptions | undefined): number {
  const timeoutMs = options?.timeoutMs;
  if (timeoutMs === undefined) return FOREVER;
  if (!(timeoutMs >= 0)) throw new RangeError(`${what}: timeoutMs must be a number >= 0, got ${timeoutMs}`);
  return nowMs() + timeoutMs;
}

/** Has a deadline passed? Asks the clock only if there is one. */
export function isPast(deadline: number): boolean {
  return deadline !== FOREVER && nowMs() >= deadline;
}

// Node 20 has no Atomics.pause; an empty body is then the best a spin loop can do.
const hardwarePause = (Atomics as { pause?: () => void }).pause;

/** One turn of a spin loop. */
export const pause: () => void = hardwarePause === undefined ? () => {} : () => hardwarePause();

/** Looks `spins` times, at least once, whether `words[word]` is still `expected`. @returns whether it always was */
export function isUnchanged(words: Int32Array, word: number, expected: number, spins: number): boolean {
  for (let look = 0; Atomics.load(words, word) === expected; look++) {
    if (look >= spins) return true;
    pause();
  }
  return false;
}

/** Can another agent see these words? If not, nobody else can ever change them while this thread waits. */
export function isShared(words: Int32Array): boolean {
  return typeof SharedArrayBuffer !== "undefined" && words.buffer instanceof SharedArrayBuffer;
}

/** Told of each object that is constructed on words: its class, and where. */
export type AttachHook = (what: string, words: Int32Array, word: number, count: number) => void;
let onAttach: AttachHook | undefined;

/** Has `fn` called for everything that is constructed, before it touches its words; there is one such function at a time. */
export function setOnAttach(fn: AttachHook | undefined): void {
  onAttach = fn;
}

/** Checks that `count` words starting at `word` lie inside `words`. */
export function checkWords(what: string, words: Int32Array, word: number, count: number): void {
  if (!(words instanceof Int32Array)) throw new TypeError(`${what}: words must be an Int32Array`);
  const wordMax = words.length - count;
  if (!Number.isInteger(word) || word < 0 || word > wordMax) {
    throw new RangeError(
      `${what}: word must be an integer in 0..${wordMax} (it occupies ${count} of ${words.length} words), got ${word}`,
    );
  }
  onAttach?.(what, words, word, count);
}

let mayBlock: boolean | undefined;

/** May this thread sleep in Atomics.wait? Everywhere but on the main thread of a browser. */
export function canBlock(): boolean {
  if (mayBlock === undefined) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0); // 0 is not 1: returns at once
      mayBlock = true;
    } catch {
      mayBlock = false;
    }
  }
  return mayBlock;
}

/**
 * Called before anything is changed in order to wait: nobody is left in a queue by an error thrown too late.
 *
 * @throws SyncError `EDEADLK` on an `ArrayBuffer`, which no other agent can see; `EWOULDBLOCK` where the
 * thread may not block, naming `instead`
 */
export function assertMayBlock(what: string, words: Int32Array, instead: string): void {
  if (!isShared(words)) {
    const why = "on an ArrayBuffer this thread is the only one that could ever release it";
    throw new SyncError("EDEADLK", `${what}: must wait, but ${why}`);
  }
  if (!canBlock()) {
    throw new SyncError("EWOULDBLOCK", `${what}: this thread may not block, use ${instead}`);
  }
}

let beforeSleep: (() => void) | undefined;

/** Has `fn` called before each sleep of this thread in a blocking call; there is one such function at a time. */
export function setBeforeSleep(fn: () => void): void {
  beforeSleep = fn;
}

/** Sleeps while `words[word]` is `expected`, at most until `deadline` ({@link nowMs} clock). */
export function sleepWhile(words: Int32Array, word: number, expected: number, deadline: number): SleepResult {
  beforeSleep?.();
  return Atomics.wait(
    words,
    word,
    expected,
    deadline === FOREVER ? FOREVER : Math.max(0, deadline - nowMs()),
  );
}
