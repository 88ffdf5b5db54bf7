/*
 * Who waits, in the order of arrival: the list behind Mutex and RwSem, in the lock's own words.
 *
 *   word           name        meaning
 *   0              LOCK        spinlock around the list (spinlock/test-and-set.ts)
 *   1              HEAD        word of the first waiter relative to the queue, 0 if nobody waits
 *   2              TAIL        word of the last waiter, 0 if nobody waits
 *   3              OVERFLOW    threads asleep because every slot was taken
 *   4              FREED       counts slots freed while OVERFLOW was not 0; they sleep on it
 *   5 … 7                      zero
 *   8 + 3 i        WAKE        slot i: 0 asleep | 1 woken, go and compete | 2 granted, the lock is yours
 *   8 + 3 i + 1    KIND        bits 0-1: 0 free | 1 reader | 2 writer; bits 2-31: when it came, Date.now()
 *   8 + 3 i + 2    NEXT        word of the next waiter, 0 at the end
 *
 * Life of a slot: taken and linked by its waiter, unlinked by whoever grants or by the waiter itself, both
 * under LOCK; freed by its waiter when it has seen the outcome. So a waker may always touch a linked slot.
 *
 * Why no wake-up is lost: WAKE is written under LOCK, the waiter sleeps only while it is 0, and the waker
 * notifies after its write. The notify itself comes after LOCK is dropped, so that a woken thread does not
 * run into it; a notify that arrives late finds a slot somebody else uses by now, who looks again and sleeps on.
 *
 * Slots are finite. A thread that finds none sleeps on FREED and starts over when woken; among such threads
 * the order of arrival is lost. The pairing: it increments OVERFLOW, then looks for a free slot once more;
 * free() frees the slot, then looks at OVERFLOW. One of the two sees the other.
 */
import { TestAndSetLock } from "./spinlock/test-and-set.ts";
import type { Nap } from "./wait-async.ts";
import type { SlowPath } from "./waiting.ts";
import { canBlock, pause } from "./words.ts";

const HEAD = 1;
const TAIL = 2;
const OVERFLOW = 3;
const FREED = 4;
const SLOTS = 8;

const WAKE = 0;
const KIND = 1;
const NEXT = 2;
const SLOT_WORDS = 3;

/** Waiters a queue can hold in order. */
export const WAITERS_MAX = 16;
/** Words a queue occupies. */
export const QUEUE_WORDS: number = SLOTS + SLOT_WORDS * WAITERS_MAX;

/** What a waiter wants. */
export const Kind = {
  Free: 0,
  Read: 1,
  Write: 2,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** What a waiter has been told. */
export const Wake = {
  Asleep: 0,
  Compete: 1,
  Granted: 2,
} as const;
export type Wake = (typeof Wake)[keyof typeof Wake];

const KIND_MASK = 3;
const TIME_SHIFT = 2;
const TIME_MASK = 0x3fffffff;

/** The list of waiters. Methods marked "under lock" need `lock()`; a waiter is named by its slot's word. */
export class WaitQueue {
  readonly #words: Int32Array;
  readonly #base: number;
  /** Not the default spinlock: a thread that is terminated while it waits here leaves nothing behind. */
  readonly #lock: TestAndSetLock;
  /** Slots to notify when the lock is dropped; scratch, empty in between. */
  #toNotify: number[] = [];

  constructor(words: Int32Array, base: number) {
    this.#words = words;
    this.#base = base;
    this.#lock = new TestAndSetLock(words, base);
  }

  /**
   * Takes the list's lock. An unlock must not fail, so where the thread may not block (the main thread of a
   * browser, which can only try and release) it spins: the holder is a few dozen instructions from the end.
   */
  lock(): void {
    if (this.#lock.tryLock()) return;
    if (canBlock()) this.#lock.lock();
    else while (!this.#lock.tryLock()) pause();
  }

  /** Drops the lock, then notifies those who were told something under it. */
  unlock(): void {
    this.#lock.unlock();
    if (this.#toNotify.length === 0) return;
    for (const slot of this.#toNotify) Atomics.notify(this.#words, slot + WAKE, 1);
    this.#toNotify.length = 0;
  }

  /** First waiter, 0 if there is none. Under lock. */
  get head(): number {
    return this.#absolute(Atomics.load(this.#words, this.#base + HEAD));
  }

  /** First waiter that wants `kind`, 0 if there is none. Under lock. */
  firstOf(kind: Kind): number {
    let at = this.head;
    while (at !== 0 && this.kindOf(at) !== kind) at = this.#next(at);
    return at;
  }

  /** Is `slot` the only waiter? Under lock. */
  isSingular(slot: number): boolean {
    return this.head === slot && this.#next(slot) === 0;
  }

  /** What the waiter wants. Under lock. */
  kindOf(slot: number): Kind {
    return (Atomics.load(this.#words, slot + KIND) & KIND_MASK) as Kind;
  }

  /** Milliseconds since the waiter came, by a clock that all agents share. Under lock. */
  waitedMs(slot: number): number {
    const came = (Atomics.load(this.#words, slot + KIND) >>> TIME_SHIFT) & TIME_MASK;
    return (Date.now() - came) & TIME_MASK;
  }

  /** What the waiter has been told. */
  wakeOf(slot: number): Wake {
    return Atomics.load(this.#words, slot + WAKE) as Wake;
  }

  /** Appends a waiter. Under lock. @returns its slot, 0 if all are taken */
  enqueue(kind: Kind): number {
    const words = this.#words;
    const slot = this.#findFree();
    if (slot === 0) return 0;
    Atomics.store(words, slot + WAKE, Wake.Asleep);
    Atomics.store(words, slot + KIND, ((Date.now() & TIME_MASK) << TIME_SHIFT) | kind);
    Atomics.store(words, slot + NEXT, 0);
    const tail = Atomics.load(words, this.#base + TAIL);
    const link = tail === 0 ? this.#base + HEAD : this.#base + tail + NEXT;
    Atomics.store(words, link, slot - this.#base);
    Atomics.store(words, this.#base + TAIL, slot - this.#base);
    return slot;
  }

  /** Unlinks a waiter. Under lock. @returns whether it was the first */
  remove(slot: number): boolean {
    let before = 0;
    for (let at = this.head; at !== slot; at = this.#next(at)) {
      if (at === 0) throw new Error(`WaitQueue: slot at word ${slot} is not in the queue`);
      before = at;
    }
    this.#unlink(before, slot);
    return before === 0;
  }

  /** Unlinks every queued reader, at most `most`, skipping over writers unless `untilWriter`. Under lock. */
  takeReaders(untilWriter: boolean, most: number): number[] {
    const readers: number[] = [];
    let before = 0;
    for (let at = this.head; at !== 0 && readers.length < most; ) {
      const next = this.#next(at);
      if (this.kindOf(at) === Kind.Read) {
        this.#unlink(before, at);
        readers.push(at);
      } else if (untilWriter) {
        break;
      } else {
        before = at;
      }
      at = next;
    }
    return readers;
  }

  /** Tells a waiter to wake up; it is notified by `unlock()`. Under lock. */
  wake(slot: number, wake: Wake): void {
    Atomics.store(this.#words, slot + WAKE, wake);
    this.#toNotify.push(slot);
  }

  /** Makes a woken waiter ready to sleep again. Under lock, so that no wake-up can come in between. */
  resetWake(slot: number): void {
    Atomics.store(this.#words, slot + WAKE, Wake.Asleep);
  }

  /** Where the waiter sleeps until told something; nobody else ever sleeps there. */
  napOf(slot: number): Nap {
    return { word: slot + WAKE, expected: Wake.Asleep };
  }

  /** Gives an unlinked slot back. Without lock. */
  free(slot: number): void {
    Atomics.store(this.#words, slot + KIND, Kind.Free);
    if (Atomics.load(this.#words, this.#base + OVERFLOW) === 0) return;
    Atomics.add(this.#words, this.#base + FREED, 1);
    Atomics.notify(this.#words, this.#base + FREED);
  }

  /** Sleeps until a slot may be free. Without lock. @returns `false` if the wait was given up */
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

  /** The waiters' kinds in order, e.g. `"W R R"`; for tests and messages, may be out of date. */
  describe(): string {
    const kinds: string[] = [];
    for (let at = this.head; at !== 0 && kinds.length < WAITERS_MAX; at = this.#next(at)) {
      kinds.push(this.kindOf(at) === Kind.Read ? "R" : "W");
    }
    return kinds.join(" ");
  }

  /** Threads asleep because all slots are taken; may be out of date. */
  get overflow(): number {
    return Atomics.load(this.#words, this.#base + OVERFLOW);
  }

  /** Throws if the list is not one. Takes the lock. @returns number of waiters */
  validate(): number {
    this.lock();
    try {
      let count = 0;
      let last = 0;
      for (let at = this.head; at !== 0; at = this.#next(at)) {
        const isSlot = at >= this.#base + SLOTS && (at - this.#base - SLOTS) % SLOT_WORDS === 0;
        if (!isSlot) throw new Error(`WaitQueue: link to word ${at}, which is not a slot`);
        if (this.kindOf(at) === Kind.Free) throw new Error(`WaitQueue: free slot at word ${at} is linked`);
        if (++count > WAITERS_MAX) throw new Error("WaitQueue: the list has a cycle");
        last = at;
      }
      const tail = this.#absolute(Atomics.load(this.#words, this.#base + TAIL));
      if (tail !== last) throw new Error(`WaitQueue: TAIL is word ${tail}, the last waiter is at ${last}`);
      return count;
    } finally {
      this.unlock();
    }
  }

  #next(slot: number): number {
    return this.#absolute(Atomics.load(this.#words, slot + NEXT));
  }

  #absolute(relative: number): number {
    return relative === 0 ? 0 : this.#base + relative;
  }

  #unlink(before: number, slot: number): void {
    const words = this.#words;
    const next = Atomics.load(words, slot + NEXT);
    Atomics.store(words, before === 0 ? this.#base + HEAD : before + NEXT, next);
    if (next === 0) Atomics.store(words, this.#base + TAIL, before === 0 ? 0 : before - this.#base);
  }

  #findFree(): number {
    for (let index = 0; index < WAITERS_MAX; index++) {
      const slot = this.#base + SLOTS + SLOT_WORDS * index;
      if (Atomics.load(this.#words, slot + KIND) === Kind.Free) return slot;
    }
    return 0;
  }
}
