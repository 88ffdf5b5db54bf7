/*
 * Who is woken when the lock is given up, or when a waiter leaves. All under the queue's lock, except where a
 * function says that it takes it.
 */
import { Kind, Wake } from "../wait-queue.ts";
import { HANDOFF, READER_MASK, WAITERS, WRITER } from "./count.ts";
import { clearNonspinnable } from "./owner.ts";
import { nextWaiter } from "./policy.ts";
import type { RwSemState } from "./state.ts";

/** A first waiter that has waited this long is not overtaken again; RWSEM_WAIT_TIMEOUT of the kernel. */
export const HANDOFF_AFTER_MS = 4;
/**
 * Readers granted by one waker, MAX_READERS_WAKEUP of the kernel: it bounds how long the queue's lock is held.
 * The queue has 16 slots, so the bound is never met; those asleep for want of a slot are woken by the
 * readers that free theirs.
 */
const READERS_PER_WAKE = 256;

/** How far {@link markWake} may go; the kernel's enum rwsem_wake_type. */
export const WakeType = {
  /** The lock seems free: wake whoever is first. */
  Any: 0,
  /** Readers hold it: wake readers if one is first, never a writer. */
  Readers: 1,
  /** The caller holds it as a reader: as above, and no writer can have taken it. */
  ReadOwned: 2,
} as const;
export type WakeType = (typeof WakeType)[keyof typeof WakeType];

/** Wakes whoever is first, the lock having been given up. Takes the queue's lock. Source: rwsem_wake(). */
export function wakeFirst(state: RwSemState): void {
  state.queue.lock();
  markWake(state, WakeType.Any);
  state.queue.unlock();
}

/** The same for the last reader out. Takes the queue's lock. */
export function wakeAfterReaders(state: RwSemState): void {
  clearNonspinnable(state);
  wakeFirst(state);
}

/** Admits queued readers beside the caller, which holds the lock as a reader. Takes the queue's lock. */
export function wakeReadersBeside(state: RwSemState): void {
  state.queue.lock();
  markWake(state, WakeType.ReadOwned);
  state.queue.unlock();
}

/** Wakes whoever can run when COUNT is `count`. Source: rwsem_cond_wake_waiter(). */
export function wakeRunnable(state: RwSemState, count: number): void {
  if ((count & WRITER) !== 0) return;
  markWake(state, (count & READER_MASK) !== 0 ? WakeType.Readers : WakeType.Any);
}

/** A waiter gives up. Source: rwsem_del_wake_waiter(). */
export function leaveQueue(state: RwSemState, slot: number): void {
  const { queue, rules } = state;
  const wasFirst = queue.remove(slot);
  if (queue.head === 0) Atomics.and(state.words, state.count, ~(WAITERS | HANDOFF));
  else if (wasFirst || rules.preferred !== Kind.Free) markWake(state, WakeType.Any);
}

/** Wakes whose turn it is, and with a reader others. Source: rwsem_mark_wake(). */
function markWake(state: RwSemState, type: WakeType): void {
  const { queue, rules } = state;
  const next = nextWaiter(queue, rules);
  if (next === 0) return;
  if (queue.kindOf(next) === Kind.Write) {
    if (type === WakeType.Any) queue.wake(next, Wake.Compete);
    return;
  }
  // One bias at once, so that no writer can take the lock while the rest is counted.
  const bias = type === WakeType.ReadOwned ? 0 : state.biasOf([next], 0);
  if (bias !== 0 && !holdForReaders(state, next, bias)) return;
  const readers = queue.takeReaders(rules.phaseEndsAtWriter, READERS_PER_WAKE);
  let change = state.biasOf(readers, bias);
  if (queue.head === 0) change -= WAITERS;
  if ((state.load() & HANDOFF) !== 0) change -= HANDOFF;
  state.add(change);
  // Counted first, told second: a reader that wakes up holds the lock already.
  for (const reader of readers) queue.wake(reader, Wake.Granted);
}

/** Adds the first reader's bias unless a writer has stolen the lock; a reader that waited too long is then owed it. */
function holdForReaders(state: RwSemState, first: number, bias: number): boolean {
  const was = state.add(bias);
  if ((was & WRITER) === 0) return true;
  const isLate = state.queue.waitedMs(first) >= HANDOFF_AFTER_MS && (was & HANDOFF) === 0;
  state.add(isLate ? HANDOFF - bias : -bias);
  return false;
}
