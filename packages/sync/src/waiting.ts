/*
 * One slow path, two ways to sleep.
 *
 * Every lock writes down its slow path once, as a generator that yields where it would sleep. A blocking call
 * sleeps there in Atomics.wait, an async call in Atomics.waitAsync; both tell the generator whether to go on.
 * It answers `false` by leaving the lock's words as if it had never come, unless it finds that it has been
 * granted the lock meanwhile: a grant wins over a timeout and over an abort.
 */
import { interrupted, isAborted, type Nap, napAsync, wakeUpTime } from "./wait-async.ts";
import { type AsyncWaitOptions, deadlineOf, isPast, sleepWhile } from "./words.ts";

/** Yields where it would sleep, is told whether to go on, returns whether it has got what it waited for. */
export type SlowPath = Generator<Nap, boolean, boolean>;

/** Runs a slow path in a thread that may block. */
export function runBlocking(words: Int32Array, path: SlowPath, deadline: number): boolean {
  let step = path.next(true);
  while (step.done !== true) {
    const { word, expected } = step.value;
    const result = sleepWhile(words, word, expected, wakeUpTime(step.value, deadline));
    step = path.next(result !== "timed-out" || !isPast(deadline));
  }
  return step.value;
}

/**
 * The whole of an `…Async` call: checks the options, tries, then runs the slow path without blocking.
 *
 * @returns whether it got the lock; `false` if `timeoutMs` has passed
 * @throws SyncError `EINTR` if the signal was aborted first
 */
export async function runAsync(
  what: string,
  words: Int32Array,
  options: AsyncWaitOptions | undefined,
  attempt: () => boolean,
  begin: () => SlowPath,
): Promise<boolean> {
  const deadline = deadlineOf(what, options);
  const signal = options?.signal;
  if (isAborted(signal)) throw interrupted(what, signal);
  if (attempt()) return true;
  const path = begin();
  let step = path.next(true);
  while (step.done !== true) step = path.next(await napAsync(words, step.value, deadline, signal));
  if (!step.value && isAborted(signal)) throw interrupted(what, signal);
  return step.value;
}
