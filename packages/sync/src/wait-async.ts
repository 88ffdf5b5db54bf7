/*
 * Atomics.wait that does not block, for every engine and both kinds of buffer.
 *
 * Why an aborted sleeper takes no wake-up with it: the engine has no call that ends one waitAsync. A waiter
 * left behind in its list would swallow the notify meant for the word's next sleeper. So an abort notifies
 * everybody on the word: it ends our own sleep, and the others look again and sleep on. In a queue nobody
 * else sleeps on the word; on a spinlock the price is one round of needless looks per abort.
 *
 * The fallback looks at the word again and again, with growing pauses. Words on an ArrayBuffer are polled as
 * well, because no engine waits on them; there the holder is another task of the same thread.
 */
import { SyncError } from "./errors.ts";
import { FOREVER, isPast, isShared, nowMs, type WaitSignal } from "./words.ts";

interface Timers {
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}
const timers = globalThis as unknown as Timers;
/** Longest delay a timer of any platform accepts. */
const TIMER_MAX_MS = 0x7fffffff;

/** A place to sleep: `words[word]`, for as long as it is `expected`. */
export interface Nap {
  readonly word: number;
  readonly expected: number;
  /** Wake up after so many milliseconds to look whether who is waited for still lives (robust/recovery.ts). */
  readonly recheckMs?: number;
}

/** When a sleep at this place ends at the latest: at the deadline, or earlier to look around. */
export function wakeUpTime({ recheckMs }: Nap, deadline: number): number {
  return recheckMs === undefined ? deadline : Math.min(deadline, nowMs() + recheckMs);
}

/** Has the signal, if there is one, been aborted? */
export function isAborted(signal: WaitSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** What a wait rejects with when its signal is aborted. */
export function interrupted(what: string, signal: WaitSignal | undefined): SyncError {
  return new SyncError("EINTR", `${what}: aborted`, { cause: signal?.reason });
}

/**
 * Sleeps at a place without blocking the thread. A pending sleep keeps the thread alive, as a timer does: a worker
 * that awaits a lock would otherwise end as if it had nothing left to do.
 *
 * @returns `false` if the deadline has passed or the signal is aborted
 */
export function napAsync(
  words: Int32Array,
  nap: Nap,
  deadline: number,
  signal: WaitSignal | undefined,
): Promise<boolean> | boolean {
  if (isAborted(signal)) return false;
  // Asked at each nap: the cost is nothing beside a sleep, and a test can take it away.
  if (!isShared(words) || typeof Atomics.waitAsync !== "function") return poll(words, nap, deadline, signal);
  const until = wakeUpTime(nap, deadline);
  const timeoutMs = until === FOREVER ? FOREVER : Math.max(0, until - nowMs());
  const sleep = Atomics.waitAsync(words, nap.word, nap.expected, timeoutMs);
  if (!sleep.async) return sleep.value !== "timed-out" || !isPast(deadline);
  return new Promise((resolve) => {
    const keepAlive = timers.setTimeout(() => {}, TIMER_MAX_MS);
    const finish = (isWoken: boolean): void => {
      timers.clearTimeout(keepAlive);
      signal?.removeEventListener("abort", abort);
      resolve(isWoken);
    };
    const abort = (): void => {
      finish(false);
      Atomics.notify(words, nap.word);
    };
    signal?.addEventListener("abort", abort);
    sleep.value.then((result) => finish(result !== "timed-out" || !isPast(deadline)));
  });
}

/** Looks in the first turns of the event loop one after the other; a holder is often gone by then. */
const EAGER_POLLS = 16;
/** Longest pause between two looks, and so the longest delay of a timeout or an abort. */
const POLL_MAX_MS = 8;

async function poll(
  words: Int32Array,
  nap: Nap,
  deadline: number,
  signal: WaitSignal | undefined,
): Promise<boolean> {
  const until = wakeUpTime(nap, deadline);
  for (let look = 0; Atomics.load(words, nap.word) === nap.expected; look++) {
    if (isAborted(signal) || isPast(deadline)) return false;
    if (isPast(until)) return true;
    const pauseMs = look < EAGER_POLLS ? 0 : Math.min(POLL_MAX_MS, look - EAGER_POLLS + 1);
    await turn(Math.min(pauseMs, until - nowMs()));
  }
  return true;
}

function turn(delayMs: number): Promise<void> {
  return new Promise((resolve) => timers.setTimeout(resolve, Math.max(0, delayMs)));
}
