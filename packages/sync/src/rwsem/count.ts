/*
 * The word that says who holds an RwSem, in the 32-bit layout of the kernel.
 *
 *   bit 0        WRITER    a writer holds the lock
 *   bit 1        WAITERS   the queue is not empty: new readers must not use the fast path
 *   bit 2        HANDOFF   the first waiter has waited too long: nobody may overtake it
 *   bits 3-7               zero
 *   bits 8-30    readers   how many hold the lock, plus those that are about to find out that they do not
 *   bit 31       READFAIL  guard: the reader count has overflowed
 */

/** A writer holds the lock. */
export const WRITER: number = 1 << 0;
/** Somebody is in the queue. */
export const WAITERS: number = 1 << 1;
/** The first in the queue is owed the lock. */
export const HANDOFF: number = 1 << 2;
/** Bits that are always zero. */
export const RESERVED: number = 0xf8;

const READER_SHIFT = 8;
/** What one reader adds: its bias. */
export const READER: number = 1 << READER_SHIFT;
/** The readers' bits. */
export const READER_MASK = 0x7fffff00;
/** More than 2^23 - 1 readers. */
export const READFAIL: number = 1 << 31;

/** Any of these: somebody holds the lock. */
export const LOCK_MASK: number = WRITER | READER_MASK;
/** None of these: a reader that has added its bias holds the lock. */
export const READ_FAILED_MASK: number = WRITER | WAITERS | HANDOFF | READFAIL;

/** Readers that hold the lock, counting those in the middle of trying. */
export function readersOf(count: number): number {
  return (count & READER_MASK) >>> READER_SHIFT;
}

/** Throws if no sequence of calls can lead to `count`. */
export function validateCount(count: number): void {
  if ((count & RESERVED) !== 0) throw new Error(`RwSem: COUNT 0x${hex(count)} has reserved bits set`);
  if ((count & READFAIL) !== 0) throw new Error(`RwSem: COUNT 0x${hex(count)}: more than 2^23 - 1 readers`);
}

/** The count in words, as in `"2 reading, handoff"`. */
export function describeCount(count: number): string {
  const readers = readersOf(count);
  const held = (count & WRITER) !== 0 ? "write-locked" : readers > 0 ? `${readers} reading` : "free";
  return (count & HANDOFF) !== 0 ? `${held}, handoff` : held;
}

function hex(count: number): string {
  return (count >>> 0).toString(16);
}
