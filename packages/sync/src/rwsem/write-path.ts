/*
 * How a writer waits. It is only woken, never granted the lock: it competes with those who are running
 * already, and HANDOFF bounds for how long.
 */
import { Kind } from "../wait-queue.ts";
import type { SlowPath } from "../waiting.ts";
import { HANDOFF, LOCK_MASK, WAITERS } from "./count.ts";
import { setWriteOwner } from "./owner.ts";
import { nextWaiter } from "./policy.ts";
import { spinAsFirst, spinForWrite } from "./spin.ts";
import type { RwSemState } from "./state.ts";
import { HANDOFF_AFTER_MS, leaveQueue, wakeRunnable } from "./wake.ts";

/**
 * Waits for the lock in write mode.
 *
 * @param maySpin - `false` in an async wait, whose thread has other work to do
 */
export function* writePath(state: RwSemState, maySpin: boolean): SlowPath {
  const isTaken = (maySpin && spinForWrite(state)) || (yield* queueForWrite(state, maySpin));
  if (isTaken) setWriteOwner(state);
  return isTaken;
}

function* queueForWrite(state: RwSemState, maySpin: boolean): SlowPath {
  const { queue } = state;
  do {
    queue.lock();
    const isFirst = queue.head === 0;
    const slot = queue.enqueue(Kind.Write);
    if (slot !== 0) {
      if (isFirst) Atomics.or(state.words, state.count, WAITERS);
      else wakeRunnable(state, state.load());
      return yield* waitForWrite(state, slot, maySpin);
    }
    queue.unlock();
    if (!(yield* queue.waitForSlot())) return false;
  } while (!state.change(0, state.asWriter(0)));
  return true;
}

/** Called with the queue's lock held, which it drops. */
function* waitForWrite(state: RwSemState, slot: number, maySpin: boolean): SlowPath {
  const { queue } = state;
  for (let mayGoOn = true; ; ) {
    // Only the one whose turn it is may take the lock out of the queue: writers are served in order of arrival.
    const isNext = nextWaiter(queue, state.rules) === slot;
    const isTaken = isNext && takeAsFirst(state, slot);
    if (isTaken || !mayGoOn) {
      if (!isTaken) leaveQueue(state, slot);
      queue.unlock();
      queue.free(slot);
      return isTaken;
    }
    queue.resetWake(slot);
    const isOwed = isNext && (state.load() & HANDOFF) !== 0;
    queue.unlock();
    if (!(maySpin && isOwed && spinAsFirst(state, slot))) mayGoOn = yield queue.napOf(slot);
    queue.lock();
  }
}

/** rwsem_try_write_lock() for the first waiter; removes it from the queue on success. Under the queue's lock. */
function takeAsFirst(state: RwSemState, slot: number): boolean {
  const { queue, rules } = state;
  for (;;) {
    const count = state.load();
    let next = count | HANDOFF;
    const isHeld = (count & LOCK_MASK) !== 0;
    if (isHeld) {
      if ((count & HANDOFF) !== 0 || queue.waitedMs(slot) < HANDOFF_AFTER_MS) return false;
      if (!rules.writersAreOwed) return false;
    } else {
      next = state.asWriter(count) & ~HANDOFF;
      if (queue.isSingular(slot)) next &= ~WAITERS;
    }
    if (!state.change(count, next)) continue;
    if (!isHeld) queue.remove(slot);
    return !isHeld;
  }
}
