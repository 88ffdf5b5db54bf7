/*
 * The word that says who holds a RobustRwSem. It names every holder, so taking the lock and writing down who
 * took it are one operation, for readers too: there is no moment at which somebody holds it and nobody knows
 * who. That is also why at most 23 agents can use one lock at the same time: each has a seat, and its own bit.
 *
 *   bit 0        WRITER    a writer holds the lock
 *   bit 1        WAITERS   as in count.ts
 *   bit 2        HANDOFF   as in count.ts
 *   bits 3-7     WHO       0 without a writer | 1 … 23 seat of the writer, plus 1 | 30 it died | 31 unusable
 *   bits 8-30    readers   bit 8 + s: the agent on seat s reads
 *   bit 31                 zero
 *
 *   WRITER, seat s  → the writer dies  →   WRITER, 30        held by a ghost; the next one inherits
 *   WRITER, 30      → inherited        →   WRITER, seat t    which repairs; should it die: as above
 *   WRITER, seat t  → upWrite          →   no writer if it has repaired, else WRITER, 31: for ever
 *
 * A ghost holds the lock like a living writer, so none of the rules of who may enter has to know of it.
 */
import { HANDOFF, READER_MASK, WAITERS, WRITER } from "./count.ts";

/** Agents that can use one lock at the same time. */
export const SEATS = 23;

const WHO_SHIFT = 3;
const READERS_SHIFT = 8;
/** Who writes. */
export const WHO_MASK = 0xf8;
const DIED = 30;
const UNUSABLE = 31;

/** The last writer died, and what it guarded has not been repaired. */
export const GHOST: number = WRITER | (DIED << WHO_SHIFT);
/** Given back unrepaired: nobody gets it any more. */
export const ABANDONED: number = WRITER | (UNUSABLE << WHO_SHIFT);
/** A reader gets in at once if none of these is set. */
export const CLOSED_MASK: number = WRITER | WAITERS | HANDOFF;

/** The bit of the reader on `seat`. */
export function readerBit(seat: number): number {
  return 1 << (READERS_SHIFT + seat);
}

/** The bits of the writer on `seat`. */
export function writerBits(seat: number): number {
  return WRITER | ((seat + 1) << WHO_SHIFT);
}

/** Seat of the writer, -1 if there is none that lives. */
export function seatOfWriter(count: number): number {
  const who = (count & WHO_MASK) >>> WHO_SHIFT;
  return who >= 1 && who <= SEATS ? who - 1 : -1;
}

/** Does a ghost hold it? */
export function isGhost(count: number): boolean {
  return (count & (WRITER | WHO_MASK)) === GHOST;
}

/** Is it unusable? */
export function isAbandoned(count: number): boolean {
  return (count & (WRITER | WHO_MASK)) === ABANDONED;
}

/** How many bits of readers are set. */
export function readerBitsIn(count: number): number {
  let readers = 0;
  for (let bits = count & READER_MASK; bits !== 0; bits &= bits - 1) readers++;
  return readers;
}
