import { READER_MASK, READFAIL, WAITERS, WRITER } from "./count.ts";
import { isAbandoned, isGhost, readerBit, SEATS, seatOfWriter, WHO_MASK } from "./robust-count.ts";
import type { RobustState } from "./robust-state.ts";

/** Throws an `Error` naming the words and values that break an invariant; takes the queue's lock. */
export function validateRobust(state: RobustState): void {
  const waiting = state.queue.validate();
  state.validatePolicy("RobustRwSem");
  state.seats.validate();
  const count = state.load();
  validateNamedCount(state, count);
  // Only when nothing moves can the two be compared; a test that calls this is such a moment.
  const hasWaiters = (count & WAITERS) !== 0;
  if (hasWaiters !== waiting > 0 && state.load() === count) {
    throw new Error(`RobustRwSem: WAITERS is ${hasWaiters}, but ${waiting} wait`);
  }
}

function validateNamedCount(state: RobustState, count: number): void {
  const text = `RobustRwSem: COUNT 0x${(count >>> 0).toString(16)}`;
  const writer = seatOfWriter(count);
  const isWritten = (count & WRITER) !== 0;
  if ((count & READFAIL) !== 0) throw new Error(`${text} has bit 31 set`);
  if (isWritten && (count & READER_MASK) !== 0) throw new Error(`${text} has a writer beside readers`);
  const namesWriter = writer >= 0 || isGhost(count) || isAbandoned(count);
  if (isWritten !== namesWriter || (!isWritten && (count & WHO_MASK) !== 0)) {
    throw new Error(`${text} has no writer and names one, or the other way about`);
  }
  if (writer >= 0 && state.seats.at(writer) === 0) throw new Error(`${text}: nobody is on seat ${writer}`);
  for (let seat = 0; seat < SEATS; seat++) {
    if ((count & readerBit(seat)) !== 0 && state.seats.at(seat) === 0) {
      throw new Error(`${text}: nobody is on seat ${seat}`);
    }
  }
}
