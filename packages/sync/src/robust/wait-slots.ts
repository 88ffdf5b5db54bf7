/*
 * Who waits, in order of arrival, for robust locks. A list that is half linked when a thread dies, or a lock
 * around it that dies held, is what makes a queue hard to recover; so there is no list and no lock. There are
 * slots with numbers, and the first is the one with the smallest number.
 *
 *   word           name       meaning
 *   0              TICKETS    the last number drawn
 *   1              OVERFLOW   threads asleep because every slot was taken
 *   2              FREED      counts slots freed while OVERFLOW was not 0; they sleep on it
 *   3                         zero
 *   4 + 3 i        OWNER      slot i: agent id of the waiter, 0 free
 *   4 + 3 i + 1    TICKET     its number, 0 while it arrives or leaves
 *   4 + 3 i + 2    WAKE       0 asleep | 1 look again
 *
 * Life of a slot: OWNER is claimed by a compareExchange; TICKET is drawn and stored: now it is in the queue;
 * TICKET is cleared: it has left; OWNER is cleared. Numbers wrap around, and only differences are asked.
 *
 * Death at any point leaves a slot with a dead OWNER, with or without a TICKET. Whoever comes across it frees
 * it: it reads TICKET, then finds the dead OWNER still there, so the number was the dead one's, and clears both
 * by compareExchange from these very values. A second one doing the same, late, finds other values: numbers and
 * ids do not come again. Only the first in the queue must be known to be alive, so only that one is asked
 * about; the others when there is no free slot, or somebody reports the death.
 *
 * Two that draw 5 and 6 may enter as 6, 5. For a moment 6 is the first. No harm: everybody looks at the lock after entering.
 *
 * Why no wake-up is lost among the living: a waiter clears WAKE, then looks at the lock, then sleeps while
 * WAKE is 0. A waker changes the lock, then looks for the first, then sets its WAKE, then notifies.
 */
import type { Nap } from "../wait-async.ts";
import type { SlowPath } from "../waiting.ts";
import { type Agents, RECHECK_MS } from "./recovery.ts";

const TICKETS = 0;
const OVERFLOW = 1;
const FREED = 2;
const SLOTS = 4;

const OWNER = 0;
const TICKET = 1;
const WAKE = 2;
const SLOT_WORDS = 3;

/** Waiters that have a place in the order. */
export const ROBUST_WAITERS_MAX = 16;
/** Words the slots occupy. */
export const WAIT_SLOTS_WORDS: number = SLOTS + SLOT_WORDS * ROBUST_WAITERS_MAX;

/** The waiters of a robust lock. Anybody may call anything at any time; a waiter is named by its slot's word. */
export class WaitSlots {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #agents: Agents;
  readonly #recheckMs: number;

  constructor(words: Int32Array, base: number, agents: Agents, recheckMs: number = RECHECK_MS) {
    this.#words = words;
    this.#base = base;
    this.#agents = agents;
    this.#recheckMs = recheckMs;
  }

  /** Takes a slot for the calling agent. @returns 0 if all are taken by the living */
  claim(self: number): number {
    return this.#claimFree(self) || (this.#freeDead() ? this.#claimFree(self) : 0);
  }

  /** Enters the queue with a claimed slot. @returns the number drawn */
  enter(slot: number): number {
    let ticket = 0;
    while (ticket === 0) ticket = (Atomics.add(this.#words, this.#base + TICKETS, 1) + 1) | 0;
    Atomics.store(this.#words, slot + WAKE, 0);
    Atomics.store(this.#words, slot + TICKET, ticket);
    return ticket;
  }

  /** Leaves the queue and gives the slot back. */
  leave(slot: number): void {
    Atomics.store(this.#words, slot + TICKET, 0);
    Atomics.store(this.#words, slot + OWNER, 0);
    this.#announceFreed();
  }

  /** The first in the queue, 0 if nobody alive waits. */
  head(): number {
    for (;;) {
      const first = this.#smallest();
      if (first === 0) return 0;
      const owner = Atomics.load(this.#words, first + OWNER);
      if (owner !== 0 && this.#agents.isAlive(owner)) return first;
      this.#freeSlot(first, owner);
    }
  }

  /** Number of a waiter, 0 if it is not in the queue. */
  ticketOf(slot: number): number {
    return Atomics.load(this.#words, slot + TICKET);
  }

  /** Is the waiter with this number still in the queue, and alive? */
  isWaiting(ticket: number): boolean {
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      const slot = this.#slot(index);
      if (this.ticketOf(slot) !== ticket) continue;
      return this.#agents.isAlive(Atomics.load(this.#words, slot + OWNER));
    }
    return false;
  }

  /** Makes a waiter ready to sleep; what it looks at after this decides whether it does. */
  prepareSleep(slot: number): void {
    Atomics.store(this.#words, slot + WAKE, 0);
  }

  /** Where the waiter sleeps. */
  napOf(slot: number): Nap {
    return { word: slot + WAKE, expected: 0, recheckMs: this.#recheckMs };
  }

  /** Has a waiter look again. */
  wake(slot: number): void {
    Atomics.store(this.#words, slot + WAKE, 1);
    Atomics.notify(this.#words, slot + WAKE);
  }

  /** Has everybody look again, also those without a slot. */
  wakeAll(): void {
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      const slot = this.#slot(index);
      if (Atomics.load(this.#words, slot + OWNER) !== 0) this.wake(slot);
    }
    this.#announceFreed();
  }

  /** Frees the slots of a dead agent. @returns whether it had any */
  agentDied(id: number): boolean {
    let hadSlots = false;
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      if (this.#freeSlot(this.#slot(index), id)) hadSlots = true;
    }
    return hadSlots;
  }

  /** Sleeps until a slot may be free. @returns `false` if the wait was given up */
  *waitForSlot(): SlowPath {
    Atomics.add(this.#words, this.#base + OVERFLOW, 1);
    const freed = Atomics.load(this.#words, this.#base + FREED);
    try {
      if (this.#hasFree() || this.#freeDead()) return true;
      return yield { word: this.#base + FREED, expected: freed, recheckMs: this.#recheckMs };
    } finally {
      Atomics.sub(this.#words, this.#base + OVERFLOW, 1);
    }
  }

  /** How many are in the queue; may be out of date. */
  get count(): number {
    let count = 0;
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      if (this.ticketOf(this.#slot(index)) !== 0) count++;
    }
    return count;
  }

  /** Throws if a slot is in the queue without an owner, or two have one number. */
  validate(what: string): void {
    const tickets = new Set<number>();
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      const slot = this.#slot(index);
      const ticket = this.ticketOf(slot);
      const owner = Atomics.load(this.#words, slot + OWNER);
      if (ticket === 0) continue;
      if (owner === 0 && this.ticketOf(slot) === ticket) {
        throw new Error(`${what}: slot ${index} has number ${ticket} and no owner`);
      }
      if (tickets.has(ticket)) throw new Error(`${what}: number ${ticket} was drawn twice`);
      tickets.add(ticket);
    }
  }

  #slot(index: number): number {
    return this.#base + SLOTS + SLOT_WORDS * index;
  }

  #claimFree(self: number): number {
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      const slot = this.#slot(index);
      if (Atomics.load(this.#words, slot + OWNER) !== 0) continue;
      if (Atomics.compareExchange(this.#words, slot + OWNER, 0, self) === 0) return slot;
    }
    return 0;
  }

  #hasFree(): boolean {
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      if (Atomics.load(this.#words, this.#slot(index) + OWNER) === 0) return true;
    }
    return false;
  }

  #smallest(): number {
    let first = 0;
    let smallest = 0;
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      const ticket = this.ticketOf(this.#slot(index));
      if (ticket === 0 || (first !== 0 && ((ticket - smallest) | 0) > 0)) continue;
      first = this.#slot(index);
      smallest = ticket;
    }
    return first;
  }

  /** @returns whether a slot became free */
  #freeDead(): boolean {
    let isFreed = false;
    for (let index = 0; index < ROBUST_WAITERS_MAX; index++) {
      const slot = this.#slot(index);
      const owner = Atomics.load(this.#words, slot + OWNER);
      if (owner !== 0 && !this.#agents.isAlive(owner) && this.#freeSlot(slot, owner)) isFreed = true;
    }
    return isFreed;
  }

  /** Frees the slot if it is the dead agent's; the number first, so that nobody inherits it. */
  #freeSlot(slot: number, dead: number): boolean {
    const ticket = this.ticketOf(slot);
    if (dead === 0 || Atomics.load(this.#words, slot + OWNER) !== dead) return false;
    Atomics.compareExchange(this.#words, slot + TICKET, ticket, 0);
    if (Atomics.compareExchange(this.#words, slot + OWNER, dead, 0) !== dead) return false;
    this.#announceFreed();
    return true;
  }

  #announceFreed(): void {
    if (Atomics.load(this.#words, this.#base + OVERFLOW) === 0) return;
    Atomics.add(this.#words, this.#base + FREED, 1);
    Atomics.notify(this.#words, this.#base + FREED);
  }
}
