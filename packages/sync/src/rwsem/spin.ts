/*
 * Looking at the lock instead of queueing: waking a sleeper costs more than many a critical section.
 *
 * One thread spins at a time, the others queue: several would only take the cache line from the holder. Where
 * the kernel queues the others in front of the spinner (osq), here they sleep; that keeps a core free, and a
 * lock this busy is better served by its queue.
 *
 * The kernel spins for as long as the owner runs on a CPU. No thread can know that here, so the time is bounded:
 *
 *     on a writer    10 µs: about what a sleep and a wake-up cost, so a spin at most doubles a wait
 *     on n readers   10 + n/2 µs, at most 25 µs; then NONSPINNABLE until these readers have left, since
 *                    readers that come and go could keep a spinner for ever (owner.ts)
 *
 * and by a number of looks, for where the clock is coarse. The limit starts again when the lock changes hands
 * from readers to a writer or back, as a holder that has just come may be gone soon.
 *
 * WAITERS is ignored: a spinner may take the lock before those in the queue, where the policy has it so, until
 * the first of them has set HANDOFF. That one then spins itself before it sleeps again, the next release being
 * its own.
 *
 * SPINNER is a hint: a thread that dies while it spins leaves a lock that works and spins no more.
 */
import { Wake } from "../wait-queue.ts";
import { nowMs, pause } from "../words.ts";
import { HANDOFF, LOCK_MASK, READER_MASK, WAITERS, WRITER } from "./count.ts";
import { clearNonspinnable, isSpinnable, setNonspinnable } from "./owner.ts";
import type { RwSemState } from "./state.ts";

const WRITER_SPIN_MICROS = 10;
const READER_SPIN_BASE_MICROS = 10;
/** More readers than these do not make the spin longer: 10 + 30/2 is 25 µs. */
const SPIN_READERS_MAX = 30;
/** Looks of one spin: some 25 µs with the pauses between them. */
const LOOKS_MAX = 150;
const PAUSES_PER_LOOK = 5;
/** Asking the clock takes as long as a look or more. */
const LOOKS_PER_CLOCK = 8;

/** How long a writer spins on `readers` readers, on a writer if that is 0. Source: rwsem_rspin_threshold(). */
export function spinMicrosOn(readers: number): number {
  if (readers === 0) return WRITER_SPIN_MICROS;
  return READER_SPIN_BASE_MICROS + Math.min(readers, SPIN_READERS_MAX) / 2;
}

/**
 * Takes the lock for writing if it becomes free soon. Source: rwsem_optimistic_spin().
 *
 * @returns whether it has it
 */
export function spinForWrite(state: RwSemState): boolean {
  if (Atomics.compareExchange(state.words, state.spinner, 0, state.spinMark) !== 0) return false;
  const isTaken = lookForWrite(state);
  Atomics.store(state.words, state.spinner, 0);
  return isTaken;
}

function lookForWrite(state: RwSemState): boolean {
  const stop = state.rules.writersOvertake ? HANDOFF : HANDOFF | WAITERS;
  const limit = new SpinLimit(state);
  for (;;) {
    const count = state.load();
    if ((count & stop) !== 0) return false;
    if ((count & LOCK_MASK) === 0 && state.change(count, state.asWriter(count))) return true;
    if (!limit.goesOn(count)) return false;
    rest();
  }
}

/**
 * The first waiter, which is owed the lock, looks whether it is released. Source: the use of
 * rwsem_spin_on_owner() in rwsem_down_write_slowpath().
 *
 * @returns `false` if it should sleep now
 */
export function spinAsFirst(state: RwSemState, slot: number): boolean {
  const limit = new SpinLimit(state);
  for (;;) {
    const count = state.load();
    if ((count & LOCK_MASK) === 0 || state.queue.wakeOf(slot) !== Wake.Asleep) return true;
    if (!limit.goesOn(count)) return false;
    rest();
  }
}

function rest(): void {
  for (let turn = 0; turn < PAUSES_PER_LOOK; turn++) pause();
}

/** When a spin has lasted long enough. */
class SpinLimit {
  readonly #state: RwSemState;
  #looks = 0;
  #isOnReaders: boolean | undefined;
  #endMs = 0;

  constructor(state: RwSemState) {
    this.#state = state;
  }

  /** Told once per look what was seen. @returns whether to look again */
  goesOn(count: number): boolean {
    const isOnReaders = (count & READER_MASK) !== 0 && (count & WRITER) === 0;
    this.#looks++;
    if (isOnReaders !== this.#isOnReaders) return this.#begin(count, isOnReaders);
    const isOver =
      this.#looks >= LOOKS_MAX || (this.#looks % LOOKS_PER_CLOCK === 0 && nowMs() >= this.#endMs);
    if (isOver && isOnReaders) setNonspinnable(this.#state);
    return !isOver;
  }

  /** The lock has changed hands, or this is the first look. */
  #begin(count: number, isOnReaders: boolean): boolean {
    this.#isOnReaders = isOnReaders;
    const readers = isOnReaders ? this.#state.readersIn(count) : 0;
    this.#endMs = nowMs() + spinMicrosOn(readers) / 1000;
    if (isOnReaders) return isSpinnable(this.#state) && this.#looks < LOOKS_MAX;
    clearNonspinnable(this.#state);
    return this.#looks < LOOKS_MAX;
  }
}
