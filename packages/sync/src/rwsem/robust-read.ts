/*
 * How a reader comes into a RobustRwSem and leaves it.
 *
 * It does not add its bias first and ask later: it sets its bit in the same compareExchange that finds that it
 * may. So a bit means a reader, and after a death nobody has to guess.
 *
 * Tasks of one agent share its bit, which is set by the first and cleared by the last. While one of them is in
 * the queue, whoever holds the queue's lock may set the bit for it; hence the rule that the agent itself
 * changes its bit only under that lock then.
 */
import { Kind } from "../wait-queue.ts";
import type { SlowPath } from "../waiting.ts";
import { HANDOFF, LOCK_MASK, WAITERS, WRITER } from "./count.ts";
import { isAdmitted, mayJoin, waitForRead } from "./read-path.ts";
import { CLOSED_MASK, readerBit, writerBits } from "./robust-count.ts";
import type { RobustState } from "./robust-state.ts";
import { wakeAfterReaders, wakeReadersBeside, wakeRunnable } from "./wake.ts";

/** Takes the lock in read mode if that needs no waiting, and passes nobody by. */
export function tryRead(state: RobustState): boolean {
  const { sitter } = state;
  const count = state.load();
  // Most often nobody is about and no other task of this agent reads.
  if (sitter.reads + sitter.waiting === 0 && (count & CLOSED_MASK) === 0) {
    if (state.change(count, count | readerBit(sitter.seat))) {
      sitter.reads = 1;
      return true;
    }
  }
  const mayEnter = (count: number): boolean => (count & CLOSED_MASK) === 0 || mayJoin(state, count);
  return changeOwnBit(state, () => enter(state, mayEnter));
}

/** Waits for the lock in read mode. */
export function* robustReadPath(state: RobustState): SlowPath {
  const { queue, sitter } = state;
  for (;;) {
    if (steal(state)) return true;
    queue.lock();
    const isIn = enter(state, (count) => isAdmitted(state, count));
    const slot = isIn ? 0 : queue.enqueue(Kind.Read);
    if (slot !== 0) {
      Atomics.or(state.words, state.count, WAITERS);
      sitter.waiting++;
      // A writer that left before WAITERS was set has woken nobody.
      wakeRunnable(state, state.load());
    }
    queue.unlock();
    if (isIn) return true;
    if (slot !== 0) return yield* waitInQueue(state, slot);
    if (!(yield* queue.waitForSlot())) return false;
  }
}

/** Gives one read lock of this agent back. */
export function leaveRead(state: RobustState): void {
  const { queue, sitter } = state;
  if (--sitter.reads > 0) return;
  const bit = readerBit(sitter.seat);
  let count: number;
  if (sitter.waiting === 0) {
    count = state.add(-bit) - bit;
  } else {
    queue.lock();
    // The bit is the other task's from now on, if that has been granted the lock and does not know it yet.
    count = queue.hasGranted(sitter.id) ? state.load() : state.add(-bit) - bit;
    queue.unlock();
  }
  if ((count & (LOCK_MASK | WAITERS)) === WAITERS) wakeAfterReaders(state);
}

/** The writer goes on as a reader, and lets others in beside it. */
export function becomeReader(state: RobustState): void {
  const { sitter } = state;
  sitter.isWriter = false;
  sitter.reads++;
  const was = changeOwnBit(state, () => state.add(readerBit(sitter.seat) - writerBits(sitter.seat)));
  if ((was & WAITERS) !== 0) wakeReadersBeside(state);
}

function* waitInQueue(state: RobustState, slot: number): SlowPath {
  const { sitter } = state;
  const isGranted = yield* waitForRead(state, slot);
  sitter.waiting--;
  if (isGranted) sitter.reads++;
  return isGranted;
}

/** Overtakes the queue while the lock is free, where the policy has it so. */
function steal(state: RobustState): boolean {
  if (state.rules.readersOvertake !== "while free") return false;
  const isFree = (count: number): boolean => (count & (LOCK_MASK | HANDOFF)) === 0;
  if (!changeOwnBit(state, () => enter(state, isFree))) return false;
  if ((state.load() & WAITERS) !== 0) wakeReadersBeside(state);
  return true;
}

/** Sets this agent's bit if `mayEnter` says so of COUNT. */
function enter(state: RobustState, mayEnter: (count: number) => boolean): boolean {
  const bit = readerBit(state.sitter.seat);
  for (;;) {
    const count = state.load();
    if ((count & WRITER) !== 0 || !mayEnter(count)) return false;
    if ((count & bit) === 0 && !state.change(count, count | bit)) continue;
    state.sitter.reads++;
    return true;
  }
}

function changeOwnBit<T>(state: RobustState, change: () => T): T {
  if (state.sitter.waiting === 0) return change();
  state.queue.lock();
  const result = change();
  state.queue.unlock();
  return result;
}
