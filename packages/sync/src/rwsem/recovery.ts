/*
 * Cleaning up after agents that died while they used a RobustRwSem.
 *
 * Under the queue's lock, which is itself taken over if its holder died: then this is what its repair is. A
 * death can come at any instruction, also of this; so everything is derived from words that name the dead, and
 * what is done twice is the same as done once. Per dead agent, in this order:
 *
 *   1. COUNT: its reader's bit is cleared; if it wrote, a ghost holds the lock in its stead (robust-count.ts).
 *      That covers readers that have been granted the lock and never ran again.
 *   2. Its slots in the queue are freed, whether it slept, was woken, or was in the middle of queueing.
 *   3. SPINNER is freed if it was spinning.
 *   4. Its seat is freed. Last: until then whoever comes next finds the dead again.
 *
 * Then what a waker left undone, that died in the queue's lock. Readers that live, wait, and have not been told:
 *
 *   bit in COUNT, no writer   it had been counted: it is granted the lock now
 *   bit in COUNT, a writer    the one bias added to try (wake.ts, holdForReaders), not taken back: it is now
 *   no bit                    it had not been counted: it waits on
 *
 * A reader's bit can be there for no other reason: a robust lock sets it in one step with the check that it may
 * (robust-read.ts), and never while the agent has a task in the queue.
 *
 * At last WAITERS is made to agree with the queue, and HANDOFF cleared (the first waiter sets it again if it is
 * owed), those are woken whom the state admits, and all are stirred, since a notify may have died as well.
 */
import { Wake } from "../wait-queue.ts";
import { HANDOFF, WAITERS, WRITER } from "./count.ts";
import { GHOST, readerBit, seatOfWriter, WHO_MASK } from "./robust-count.ts";
import type { RobustState } from "./robust-state.ts";
import { wakeRunnable } from "./wake.ts";

/** Cleans up after everybody who has died. Under the queue's lock. @returns whether anybody had */
export function recover(state: RobustState): boolean {
  const { queue, seats, agents } = state;
  const dead = seats.dead();
  for (const seat of dead) forget(state, seat);
  // Who died between taking a slot and being seen on a seat is no case: a seat comes first.
  queue.freeDead((id) => !agents.isAlive(id));
  for (const slot of queue.untoldReaders()) settleReader(state, slot);
  settleFlags(state);
  wakeRunnable(state, state.load());
  queue.stirAll();
  return dead.length > 0;
}

/** Cleans up if anybody has died. Takes the queue's lock then. @returns whether anybody had */
export function recoverIfNeeded(state: RobustState): boolean {
  if (state.seats.dead().length === 0) return false;
  state.queue.lock();
  const isRecovered = recover(state);
  state.queue.unlock();
  return isRecovered;
}

function forget(state: RobustState, seat: number): void {
  const id = state.seats.at(seat);
  for (;;) {
    const count = state.load();
    let next = count & ~readerBit(seat);
    if (seatOfWriter(count) === seat) next = (next & ~WHO_MASK) | GHOST;
    if (state.change(count, next)) break;
  }
  state.queue.freeDead((owner) => owner === id);
  Atomics.compareExchange(state.words, state.spinner, id, 0);
  state.seats.free(seat, id);
}

/** `slot` is of a reader that lives and has not been told anything. */
function settleReader(state: RobustState, slot: number): void {
  const { queue, seats } = state;
  const bit = readerBit(seats.seatOf(queue.ownerOf(slot)));
  const count = state.load();
  if ((count & bit) === 0) queue.resetWake(slot);
  else if ((count & WRITER) === 0) queue.wake(slot, Wake.Granted);
  else {
    Atomics.and(state.words, state.count, ~bit);
    queue.resetWake(slot);
  }
}

function settleFlags(state: RobustState): void {
  for (;;) {
    const count = state.load();
    const flags = state.queue.head === 0 ? 0 : WAITERS;
    if (state.change(count, (count & ~(WAITERS | HANDOFF)) | flags)) return;
  }
}
