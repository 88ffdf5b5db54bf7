/*
 * Who waits for a RobustRwSem: the queue of wait-queue.ts, but one that a death cannot leave half changed.
 *
 *   word           name        meaning
 *   0              LOCK        which agent changes the queue (robust/spin-lock.ts)
 *   1              TICKET      number of the next waiter
 *   2              OVERFLOW    threads asleep because every slot was taken
 *   3              FREED       counts slots freed while OVERFLOW was not 0; they sleep on it
 *   4 … 7                      zero
 *   8 + 4 i        OWNER       slot i: agent id of the waiter, 0 free
 *   8 + 4 i + 1    WAKE        0 asleep | 1 woken, go and compete | 2 granted | 3 has left | 4 about to be granted
 *   8 + 4 i + 2    KIND        as in wait-queue.ts
 *   8 + 4 i + 3    ORDER       the waiter's ticket
 *
 * There are no links. A slot is in the queue if it has an owner and its WAKE is 0 or 1, and its place is its
 * ticket; so each change of the queue is one store to one slot, and a thread may die before or after it. All
 * is read again for each question; that is sixteen slots, beside a sleep nothing.
 *
 * Between "these readers are chosen" and "they have been told" their bits go into COUNT. A waker that dies
 * there leaves WAKE 4, and whoever recovers sees in COUNT how far it came (recovery.ts).
 *
 * A slot whose owner is dead is touched by nobody but the one that recovers, under LOCK.
 */
import type { Agents } from "../robust/recovery.ts";
import { RobustSpinLock } from "../robust/spin-lock.ts";
import type { Nap } from "../wait-async.ts";
import { Kind, WAITERS_MAX, Wake } from "../wait-queue.ts";
import type { SlowPath } from "../waiting.ts";
import { canBlock, isShared, pause } from "../words.ts";
import type { Waiters } from "./policy.ts";

const TICKET = 1;
const OVERFLOW = 2;
const FREED = 3;
const SLOTS = 8;

const OWNER = 0;
const WAKE = 1;
const KIND = 2;
const ORDER = 3;
const SLOT_WORDS = 4;

/** Further values of WAKE. */
const LEFT = 3;
const CHOSEN = 4;

const KIND_MASK = 3;
const TIME_SHIFT = 2;
const TIME_MASK = 0x3fffffff;

/** Words of a slot queue. */
export const SLOT_QUEUE_WORDS: number = SLOTS + SLOT_WORDS * WAITERS_MAX;

/** The waiters of a robust lock; see `WaitQueue` for what the methods with its names do. */
export class SlotQueue implements Waiters {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #agents: Agents;
  readonly #lock: RobustSpinLock;
  #toNotify: number[] = [];

  /** @param repair - called with the lock held by who got it after the death of its holder */
  constructor(words: Int32Array, base: number, agents: Agents, repair: () => void) {
    this.#words = words;
    this.#base = base;
    this.#agents = agents;
    this.#lock = new RobustSpinLock(words, base, { agents, repair });
  }

  lock(): void {
    if (this.#lock.tryLock()) return;
    if (canBlock() && isShared(this.#words)) this.#lock.lock();
    else while (!this.#lock.tryLock()) pause();
  }

  unlock(): void {
    this.#lock.unlock();
    for (const slot of this.#toNotify.splice(0)) Atomics.notify(this.#words, slot + WAKE, 1);
  }

  /** Tells the lock of a death. @returns whether the dead agent held it */
  agentDied(id: number): boolean {
    return this.#lock.agentDied(id);
  }

  get head(): number {
    return this.#firstWhere(() => true);
  }

  firstOf(kind: Kind): number {
    return this.#firstWhere((slot) => this.kindOf(slot) === kind);
  }

  isSingular(slot: number): boolean {
    return this.#queued().length === 1 && this.head === slot;
  }

  kindOf(slot: number): Kind {
    return (this.#load(slot + KIND) & KIND_MASK) as Kind;
  }

  waitedMs(slot: number): number {
    const came = (this.#load(slot + KIND) >>> TIME_SHIFT) & TIME_MASK;
    return (Date.now() - came) & TIME_MASK;
  }

  wakeOf(slot: number): Wake {
    return this.#load(slot + WAKE) as Wake;
  }

  /** Agent that waits there. */
  ownerOf(slot: number): number {
    return this.#load(slot + OWNER);
  }

  enqueue(kind: Kind): number {
    const words = this.#words;
    const slot = this.#findFree();
    if (slot === 0) return 0;
    // Not in the queue until WAKE is stored, last.
    Atomics.store(words, slot + WAKE, LEFT);
    Atomics.store(words, slot + OWNER, this.#agents.self);
    Atomics.store(words, slot + KIND, ((Date.now() & TIME_MASK) << TIME_SHIFT) | kind);
    Atomics.store(words, slot + ORDER, Atomics.add(words, this.#base + TICKET, 1));
    Atomics.store(words, slot + WAKE, Wake.Asleep);
    return slot;
  }

  remove(slot: number): boolean {
    const wasFirst = this.head === slot;
    Atomics.store(this.#words, slot + WAKE, LEFT);
    return wasFirst;
  }

  takeReaders(untilWriter: boolean, most: number): number[] {
    const waiting = this.#queued();
    const writer = untilWriter ? waiting.findIndex((slot) => this.kindOf(slot) === Kind.Write) : -1;
    const phase = writer < 0 ? waiting : waiting.slice(0, writer);
    const readers = phase.filter((slot) => this.kindOf(slot) === Kind.Read).slice(0, most);
    for (const slot of readers) Atomics.store(this.#words, slot + WAKE, CHOSEN);
    return readers;
  }

  wake(slot: number, wake: Wake): void {
    Atomics.store(this.#words, slot + WAKE, wake);
    this.#toNotify.push(slot);
  }

  resetWake(slot: number): void {
    Atomics.store(this.#words, slot + WAKE, Wake.Asleep);
  }

  napOf(slot: number): Nap {
    return { word: slot + WAKE, expected: Wake.Asleep };
  }

  free(slot: number): void {
    Atomics.store(this.#words, slot + OWNER, 0);
    if (this.overflow === 0) return;
    Atomics.add(this.#words, this.#base + FREED, 1);
    Atomics.notify(this.#words, this.#base + FREED);
  }

  *waitForSlot(): SlowPath {
    const words = this.#words;
    const base = this.#base;
    Atomics.add(words, base + OVERFLOW, 1);
    const freed = Atomics.load(words, base + FREED);
    try {
      return this.#findFree() !== 0 || (yield { word: base + FREED, expected: freed });
    } finally {
      Atomics.sub(words, base + OVERFLOW, 1);
    }
  }

  /** Has a reader of the agent been granted the lock without having seen it yet? Under lock. */
  hasGranted(id: number): boolean {
    return this.#slots().some((slot) => this.ownerOf(slot) === id && this.wakeOf(slot) === Wake.Granted);
  }

  /** Frees the slots of agents that do not live. Under lock. @returns whether there were any */
  freeDead(isDead: (id: number) => boolean): boolean {
    const dead = this.#slots().filter((slot) => this.ownerOf(slot) !== 0 && isDead(this.ownerOf(slot)));
    for (const slot of dead) this.free(slot);
    return dead.length > 0;
  }

  /** Readers that have not been told that they are granted the lock, also those a dead waker had chosen. Under lock. */
  untoldReaders(): number[] {
    const isUntold = (slot: number): boolean =>
      this.#load(slot + WAKE) === CHOSEN || (this.#isQueued(slot) && this.kindOf(slot) === Kind.Read);
    return this.#slots().filter((slot) => this.ownerOf(slot) !== 0 && isUntold(slot));
  }

  /**
   * Everybody who waits looks around: the notify that was due may have died with somebody. WAKE changes as well,
   * else one that is about to sleep would. Under lock, as every look that ends in a sleep; a thread that has not joined
   * cannot take it, and then who was about to sleep looks again after `recheckMs`.
   */
  stirAll(): void {
    const words = this.#words;
    for (const slot of this.#slots()) {
      Atomics.compareExchange(words, slot + WAKE, Wake.Asleep, Wake.Compete);
      Atomics.notify(words, slot + WAKE);
    }
    Atomics.add(words, this.#base + FREED, 1);
    Atomics.notify(words, this.#base + FREED);
  }

  /** Whoever sleeps at `word` has looked around; it may sleep again unless it has been told more. */
  settle(word: number): void {
    const isWake = word !== this.#base + FREED;
    if (isWake) Atomics.compareExchange(this.#words, word, Wake.Compete, Wake.Asleep);
  }

  describe(): string {
    return this.#queued()
      .map((slot) => (this.kindOf(slot) === Kind.Read ? "R" : "W"))
      .join(" ");
  }

  get overflow(): number {
    return this.#load(this.#base + OVERFLOW);
  }

  validate(): number {
    this.lock();
    try {
      const tickets = new Set<number>();
      for (const slot of this.#queued()) {
        const kind = this.#load(slot + KIND) & KIND_MASK;
        if (kind !== Kind.Read && kind !== Kind.Write)
          throw new Error(`SlotQueue: the kind at word ${slot} is ${kind}`);
        tickets.add(this.#load(slot + ORDER));
      }
      if (tickets.size < this.#queued().length) throw new Error("SlotQueue: two waiters have one ticket");
      const stuck = this.#slots().find(
        (slot) => this.ownerOf(slot) !== 0 && this.#load(slot + WAKE) >= CHOSEN,
      );
      if (stuck !== undefined) throw new Error(`SlotQueue: WAKE at word ${stuck} is ${this.wakeOf(stuck)}`);
      return tickets.size;
    } finally {
      this.unlock();
    }
  }

  #load(word: number): number {
    return Atomics.load(this.#words, word);
  }

  #slots(): number[] {
    return Array.from({ length: WAITERS_MAX }, (_, index) => this.#base + SLOTS + SLOT_WORDS * index);
  }

  #isQueued(slot: number): boolean {
    return this.ownerOf(slot) !== 0 && this.wakeOf(slot) <= Wake.Compete;
  }

  /** In the order of their coming; the number of a ticket may wrap. */
  #queued(): number[] {
    const place = (slot: number): number => this.#load(slot + ORDER);
    return this.#slots()
      .filter((slot) => this.#isQueued(slot))
      .sort((a, b) => (place(a) - place(b)) | 0);
  }

  #firstWhere(isWanted: (slot: number) => boolean): number {
    return this.#queued().find(isWanted) ?? 0;
  }

  #findFree(): number {
    return this.#slots().find((slot) => this.ownerOf(slot) === 0) ?? 0;
  }
}
