/*
 * How a reader waits. It has added its bias first and asks later. If it then has to queue, it takes the bias
 * back under the queue's lock and looks whether somebody can run now: a release that came in between saw the
 * bias, took it for a holder, and woke nobody.
 */
import { Kind, Wake } from "../wait-queue.ts";
import type { SlowPath } from "../waiting.ts";
import { assertMayBlock } from "../words.ts";
import { HANDOFF, READ_FAILED_MASK, READER, READFAIL, readersOf, WAITERS, WRITER } from "./count.ts";
import { setReadOwner } from "./owner.ts";
import { blockerOfReader } from "./policy.ts";
import type { RwSemState } from "./state.ts";
import { leaveQueue, wakeReadersBeside, wakeRunnable } from "./wake.ts";

/** May a reader join whatever is in the queue? */
export function mayJoin({ rules }: RwSemState, count: number): boolean {
  return (count & (WRITER | READFAIL)) === 0 && rules.readersOvertake === "always";
}

/**
 * Where it may not wait, the bias is taken back before that is said.
 *
 * @param firstCount - COUNT with the bias in it
 */
export function* readPath(state: RwSemState, firstCount: number, mayWait: boolean): SlowPath {
  const { queue } = state;
  let count = firstCount;
  for (;;) {
    if (stealRead(state, count)) return true;
    queue.lock();
    if (isAdmitted(state, state.load())) {
      queue.unlock();
      return true; // whoever was in the way has left meanwhile: the bias is the lock
    }
    const isFirst = queue.head === 0;
    const slot = mayWait ? queue.enqueue(Kind.Read) : 0;
    const change = slot !== 0 && isFirst ? WAITERS - READER : -READER;
    wakeRunnable(state, state.add(change) + change);
    queue.unlock();
    if (!mayWait) assertMayBlock("RwSem.downRead", state.words, "RwSem.downReadAsync or tryDownRead");
    if (slot !== 0) return yield* waitForRead(state, slot);
    if (!(yield* queue.waitForSlot())) return false;
    count = state.addReader();
    if ((count & READ_FAILED_MASK) === 0) return true;
  }
}

/**
 * A reader may overtake the queue if the lock was free and nobody is owed a handoff. It must not join
 * readers that hold the lock already while a writer waits: that is how writers would starve, and do where
 * the policy prefers readers.
 */
function stealRead(state: RwSemState, count: number): boolean {
  const { readersOvertake } = state.rules;
  if (readersOvertake === "always") return mayJoin(state, count);
  if (readersOvertake === "never" && (count & WAITERS) !== 0) return false;
  if ((count & (WRITER | HANDOFF | READFAIL)) !== 0 || readersOf(count) !== 1) return false;
  setReadOwner(state);
  if ((count & WAITERS) !== 0) wakeReadersBeside(state);
  return true;
}

/** Does a reader hold the lock with its bias, when COUNT is `count`? Under the queue's lock. */
export function isAdmitted(state: RwSemState, count: number): boolean {
  if (mayJoin(state, count)) return true;
  return (count & (WRITER | HANDOFF)) === 0 && blockerOfReader(state.queue, state.rules) === 0;
}

/** A queued reader waits for its grant. */
export function* waitForRead(state: RwSemState, slot: number): SlowPath {
  const { queue } = state;
  let isGranted = true;
  while (queue.wakeOf(slot) !== Wake.Granted) {
    if (yield queue.napOf(slot)) continue;
    queue.lock();
    isGranted = queue.wakeOf(slot) === Wake.Granted;
    if (!isGranted) leaveQueue(state, slot);
    queue.unlock();
    break;
  }
  queue.free(slot);
  if (isGranted) setReadOwner(state);
  return isGranted;
}
