/*
 * Spinning. An operation that reads what the thread has read before, with no write by it since, repeats. The
 * first few repetitions (`freeReads`) are operations like any other; a thread that goes on so is taken to spin,
 * that is, not to care how often it has looked. As long as nobody writes the words read, what it does commutes
 * with everything others do. So at the first repetition that is a spin there is one choice. Either the thread
 * spins on undisturbed (a bounded spin ends and goes on; an unbounded one reaches the limit, is taken back, and
 * the thread is parked hard), or others go and it is parked until one of its words is written, or until nobody
 * else can run.
 *
 * An undisturbed spin reads what the thread has read before. So if the words it has read are as they were, the
 * thread's past alone says whether it ends: spins that were found to be endless are remembered by that past.
 */
import type { Memory } from "./memory.ts";
import { type Choice, isSilent, keyOf, overlaps, type Step, type Value } from "./op.ts";
import type { Thread } from "./thread.ts";

/** Would the thread's next operation read again what it has read, with no write of its own since? */
export function repeats(thread: Thread, memory: Memory, freeReads: number): boolean {
  const op = thread.pending;
  if (op === undefined || thread.window.size === 0) return false;
  const seen = thread.window.get(keyOf(op));
  if (seen === undefined || seen.count <= freeReads || seen.op.type !== op.type) return false;
  const value = memory.peek(op);
  return value === seen.value && isSilent(op, value);
}

/** A thread that is about to repeat a read, and is not chosen, waits for a write. */
export function park(threads: readonly Thread[], choice: Choice, memory: Memory, freeReads: number): void {
  for (const thread of threads) {
    if (thread.index === choice.thread) {
      if (thread.parking === "soft") thread.parking = "no";
    } else if (thread.parking === "no" && thread.waiting === "no" && repeats(thread, memory, freeReads)) {
      thread.parking = "soft";
    }
  }
}

/** Notes what a step has read or written: the thread's window, and who need not be parked any more. */
export function look(threads: readonly Thread[], thread: Thread, step: Step, before: Value): void {
  const silent = step.kind === "op" && isSilent(step.op, before);
  if (!silent) {
    if (thread.window.size > 0) thread.window.clear();
    unpark(threads, thread, step);
  } else if (step.choice.action === "run") {
    const key = keyOf(step.op);
    const seen = thread.window.get(key);
    const isNews = seen !== undefined && seen.value !== before;
    if (isNews) thread.window.clear();
    const count = seen === undefined || isNews ? 1 : seen.count + 1;
    thread.window.set(key, { op: step.op, value: before, count });
  }
}

/** Are all words that the thread has read still as they were? */
export function isUndisturbed(thread: Thread, memory: Memory): boolean {
  for (const { op, value } of thread.window.values()) if (memory.peek(op) !== value) return false;
  return true;
}

/** All that a thread has been told so far, and so all that its next operations depend on. */
export function pastOf(thread: Thread): string {
  let past = String(thread.index);
  for (const { result, sleep } of thread.log) past += sleep < 0 ? ` ${result}` : ` ${sleep}:${result}`;
  return past;
}

function unpark(threads: readonly Thread[], writer: Thread, step: Step): void {
  for (const other of threads) {
    if (other.parking === "no" || other === writer) continue;
    for (const seen of other.window.values()) {
      if (overlaps(seen.op, step.op)) {
        other.parking = "no";
        break;
      }
    }
  }
}
