/*
 * A sleeping lock with a queue that survives the death of anybody at any instruction.
 *
 *   word      name    meaning
 *   0         STATE   owner, OWNER_DIED, WAITERS (owned-lock.ts)
 *   1         OWED    number of the first waiter, once the lock is owed to it; 0 nobody
 *   2 … 7             zero
 *   8 … 59    slots   those who wait, in order of arrival (wait-slots.ts)
 *
 * The rules are those of mutex.ts: unlocking leaves the lock free and wakes the first waiter, and a running
 * thread may take it first. There a waiter that lost is handed the lock. A handover has two steps, and a death
 * in between would leave a lock that is owned by somebody who does not know. Here the waiter writes its number
 * to OWED instead, and no newcomer takes the lock while OWED is in the queue: bounded overtaking without a
 * handover, so the lock is never given, only taken. With handoffAfter 0 nobody overtakes at all.
 *
 * WAITERS and the slots, two words without a lock around them:
 *
 *     waiter                                     holder that unlocks
 *     A: enter the queue                         D: owner := 0, WAITERS stays
 *     B: see an owner, and WAITERS in STATE,     E: look for the first; wake it
 *        which it sets if need be                F: none: WAITERS := 0 if still free, look once more;
 *     C: sleep while WAKE is 0                      if there is one now, set WAITERS and wake it
 *
 *   - D comes after B: then A < D < E, the waiter is found (it, or one before it).
 *   - D comes before B: B sees the lock free, or the next owner, who goes through D as well.
 *   - F takes away the WAITERS of one that comes just then: if A comes before the second look, that finds it and
 *     sets WAITERS again; if after, B comes after F and sees STATE without WAITERS, or with those it set itself.
 *
 * And if somebody dies:
 *   - the holder: STATE names it; see owned-lock.ts. Repairing it wakes everybody;
 *   - a holder between D and E or F: the lock is free and the first asleep, until agentDied() or RECHECK_MS
 *     wakes it. WAITERS may stay set without need: one slow unlock;
 *   - a waiter, at any point: its slot is freed by whoever needs the first waiter, or a slot, or is told. A
 *     wake-up it had taken with it is made good by RECHECK_MS or agentDied(). OWED is without force as soon as its
 *     number is gone from the queue.
 */
import type { HowToWait } from "../exclusive-lock.ts";
import type { SlowPath } from "../waiting.ts";
import { checkWords, deadlineOf, FOREVER, isUnchanged, pause, type WaitOptions } from "../words.ts";
import { OwnedLock } from "./owned-lock.ts";
import { OWNER_DIED, OWNER_MASK, type RobustOptions, UNUSABLE, WAITERS } from "./recovery.ts";
import { WAIT_SLOTS_WORDS, WaitSlots } from "./wait-slots.ts";

const OWED = 1;
const QUEUE = 8;
const COUNT_MAX = 1_000_000;

/** Options of {@link RobustMutex}; all but `repair` the same in every thread. */
export interface RobustMutexOptions extends RobustOptions {
  /**
   * How often a first waiter may be woken and overtaken before it is owed the lock, 0..1000000; default 1.
   * 0: strictly first come, first served.
   */
  readonly handoffAfter?: number;
}

/**
 * The robust form of `Mutex`, and with `handoffAfter: 0` of the spinlocks that serve in order of arrival
 * (`TicketLock`, `McsLock`, `QSpinLock`).
 *
 * Zeroed words are an unlocked mutex. Every thread that uses it has joined the registry. Not recursive: a thread
 * that holds it and would block for it gets `EDEADLK`. Who does not hold it and unlocks gets `EPERM`; tasks of
 * one thread are one owner. Fairness: as `Mutex`, for 16 waiters; further ones sleep until there is room, in
 * no order. Cost uncontended: one Atomics compareExchange each way, as without robustness; contended, two
 * looks over the slots (some 100 ns each) instead of a list.
 *
 * Source: pthread_mutexattr_setrobust(3); Linux v6.12 kernel/locking/mutex.c for the order.
 */
export class RobustMutex extends OwnedLock {
  /** Number of 32-bit words a mutex occupies. */
  static readonly WORDS: number = QUEUE + WAIT_SLOTS_WORDS;

  protected override get kind(): string {
    return "RobustMutex";
  }
  readonly #handoffAfter: number;
  readonly #slots: WaitSlots;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the mutex; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view, or an option is out of range; TypeError if one is missing
   */
  constructor(words: Int32Array, word: number, options: RobustMutexOptions) {
    checkWords("RobustMutex", words, word, RobustMutex.WORDS);
    super(words, word, options);
    const handoffAfter = options.handoffAfter ?? 1;
    if (!Number.isInteger(handoffAfter) || handoffAfter < 0 || handoffAfter > COUNT_MAX) {
      throw new RangeError(
        `RobustMutex: handoffAfter must be an integer in 0..${COUNT_MAX}, got ${handoffAfter}`,
      );
    }
    this.#handoffAfter = handoffAfter;
    this.#slots = new WaitSlots(words, word + QUEUE, this.agents, this.recheckMs);
  }

  /** Does anybody wait? May be out of date on return. */
  get isContended(): boolean {
    return (this.load() & WAITERS) !== 0;
  }

  /** How many wait in the queue. May be out of date on return. */
  get waiterCount(): number {
    return this.#slots.count;
  }

  override tryLock(): boolean {
    return this.#takeIfAllowed();
  }

  /**
   * Takes the mutex, waiting for it if need be. After an owner's death the next one to come here repairs.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `ENOTRECOVERABLE` if it is unusable; `EDEADLK` if this agent holds it, or it is held and
   * the words are not shared; `EINVAL` if this thread has not joined
   */
  override lock(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RobustMutex.lock", options);
    const self = this.agents.self;
    if (self !== 0 && Atomics.compareExchange(this.words, this.state, 0, self) === 0) return true;
    if (this.#takeIfAllowed()) return true;
    this.assertNotOwner("lock");
    return this.lockSlow(deadline);
  }

  /**
   * Gives the mutex back. If the last owner died and `markConsistent` was not called, that makes it unusable.
   *
   * @throws SyncError `EPERM` if this agent does not hold it
   */
  override unlock(): void {
    const self = this.agents.self;
    if (self !== 0 && Atomics.compareExchange(this.words, this.state, self, 0) === self) return;
    this.#unlockSlow();
  }

  /** Throws an `Error` naming the words and values that break an invariant. */
  override validate(): void {
    this.validateState();
    this.#slots.validate("RobustMutex");
  }

  /** The state in words, for messages. */
  override toString(): string {
    return `RobustMutex(${this.describe()}, waiting: ${this.waiterCount})`;
  }

  protected override recoverWaiters(id: number): boolean {
    return this.#slots.agentDied(id);
  }

  protected override wakeAll(): void {
    this.#slots.wakeAll();
  }

  protected override *slowPath({ spins }: HowToWait): SlowPath {
    if (this.#spin(spins)) return true;
    const self = this.self();
    for (;;) {
      const slot = this.#slots.claim(self);
      if (slot !== 0) return yield* this.#waitInQueue(slot, spins);
      if (!(yield* this.#slots.waitForSlot())) return false;
      if (this.#takeIfAllowed()) return true;
    }
  }

  /** As one that is not in the queue. Not by `tryLock`, which the lock checks take for the user's. */
  #takeIfAllowed(): boolean {
    return this.#mayOvertake() && this.take(0);
  }

  /** May somebody who is not in the queue take it? */
  #mayOvertake(): boolean {
    if ((this.load() & WAITERS) === 0) return true;
    if (this.#handoffAfter === 0) return this.#slots.head() === 0;
    const owed = Atomics.load(this.words, this.state + OWED);
    return owed === 0 || !this.#slots.isWaiting(owed);
  }

  #spin(spins: number): boolean {
    for (let look = 0; look < spins; look++) {
      pause();
      if ((this.load() & OWNER_MASK) === 0) return this.#takeIfAllowed();
    }
    return false;
  }

  *#waitInQueue(slot: number, spins: number): SlowPath {
    const slots = this.#slots;
    const ticket = slots.enter(slot);
    const nap = slots.napOf(slot);
    let isTaken = false;
    try {
      for (let wakeUps = 0; ; wakeUps++) {
        slots.prepareSleep(slot);
        const isFirst = slots.head() === slot;
        isTaken = this.#takeOrMark(isFirst);
        if (isTaken) return true;
        const isOwed = isFirst && wakeUps >= this.#handoffAfter;
        if (isOwed) Atomics.store(this.words, this.state + OWED, ticket);
        if (isUnchanged(this.words, nap.word, 0, isOwed ? spins : 0) && !(yield nap)) return false;
      }
    } finally {
      slots.leave(slot);
      Atomics.compareExchange(this.words, this.state + OWED, ticket, 0);
      // A wake-up meant for the first may have come to this one, which leaves without the lock.
      if (!isTaken) this.#wakeFirst();
    }
  }

  /**
   * Takes it as the first waiter, or has its owner see that somebody waits: if another comes first after all, its word does
   * not say so yet. Who is not the first leaves that to the first.
   *
   * @returns whether it has been taken
   */
  #takeOrMark(isFirst: boolean): boolean {
    while (!this.#mustSleep()) {
      if (!isFirst) return false;
      if (this.take(WAITERS)) return true;
    }
    return false;
  }

  /** Is there a living owner, who will see WAITERS? Then a waiter may sleep. */
  #mustSleep(): boolean {
    for (;;) {
      const state = this.load();
      const owner = state & OWNER_MASK;
      if (owner === UNUSABLE) return !this.take(0); // throws
      if (owner === 0) return false;
      if (!this.agents.isAlive(owner)) this.agentDied(owner);
      else if ((state & WAITERS) !== 0 || this.replace(state, state | WAITERS)) return true;
    }
  }

  #unlockSlow(): void {
    for (;;) {
      const state = this.load();
      this.assertOwner("unlock", state);
      if ((state & OWNER_DIED) !== 0) return this.abandon();
      if (this.replace(state, state & WAITERS)) break;
    }
    this.#wakeFirst();
  }

  /** Wakes the first waiter if the lock is free; takes WAITERS away if there is none. */
  #wakeFirst(): void {
    if (this.isLocked) return;
    let first = this.#slots.head();
    if (first === 0 && this.replace(WAITERS, 0)) {
      first = this.#slots.head();
      // Not left to the woken one: it may have given up, and others sleep behind it.
      if (first !== 0) Atomics.or(this.words, this.state, WAITERS);
    }
    if (first !== 0) this.#slots.wake(first);
  }
}
