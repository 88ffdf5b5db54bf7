/*
 * A sleeping lock with a queue.
 *
 *   word     name     meaning
 *   0        STATE    bit 0 LOCKED | bit 1 WAITERS, the queue is not empty | bit 2 HANDOFF, see below
 *   1        SPINNER  1 while somebody looks at the lock instead of queueing
 *   2        EARNED   how many pauses it has taken lately until a spin paid
 *   3 … 7             zero
 *   8 … 63   queue    those who wait, in order of arrival (wait-queue.ts)
 *
 * Unlocking wakes the first waiter but leaves the lock free meanwhile, so a thread that is running may take
 * it first: waking costs microseconds, and a lock that stands still for so long is slow for everybody. Further
 * unlocks notify it no second time before it has looked; it looks and goes to sleep under the queue's lock. A
 * first waiter that was woken and lost sets HANDOFF; the next unlock then gives the lock to it directly,
 * LOCKED staying set, so nobody is overtaken twice after having been first (`handoffAfter` times, if given).
 *
 * Spinning before queueing. The kernel spins while the owner is running; no thread can know that here, so a
 * lock learns from the past: a spin that got the lock moves EARNED towards the pauses it took, one that did
 * not takes an eighth of it away, and the next spin pauses 2 * EARNED + 100 times at most. Short sections are
 * waited out, long ones cost a short look. Before the first look there are 16 pauses, then 32, up to 128: each
 * look takes the cache line away from the holder, and a holder that takes and gives back the lock a hundred
 * times undisturbed gets more done than two threads that take turns. One thread spins at a time, the others
 * queue. A first waiter that has set HANDOFF spins as well, on its own slot, because the next unlock is its own.
 * SPINNER and EARNED are hints: a thread that dies while it spins leaves a lock that works and spins no more.
 *
 * WAITERS, HANDOFF and the list change only under the queue's spinlock, which is innermost.
 * Memory order: every access is a sequentially consistent Atomics operation.
 */
import { SyncError } from "./errors.ts";
import { ExclusiveLock, type HowToWait } from "./exclusive-lock.ts";
import { Kind, QUEUE_WORDS, WaitQueue, Wake } from "./wait-queue.ts";
import type { SlowPath } from "./waiting.ts";
import { addressOf, type Backend, backendOf, type FastPaths, fastPathsOf } from "./wasm/backend.ts";
import { checkWords, deadlineOf, FOREVER, isUnchanged, pause, type WaitOptions } from "./words.ts";

const QUEUE = 8;

const LOCKED = 1 << 0;
const WAITERS = 1 << 1;
const HANDOFF = 1 << 2;

const SPINNER = 1;
const EARNED = 2;
/** Pauses before the first look of a spin, about half a microsecond, and most of them before a later one. */
const GAP_MIN = 16;
const GAP_MAX = 128;
/** Pauses of a spin that has earned nothing yet, about 3 µs: without some, a lock could not learn. */
const SPIN_FLOOR = 100;
/** Default of {@link MutexOptions.spinBudget}: about 7 µs, the price of one sleep and wake-up. */
const SPIN_BUDGET = 250;
const COUNT_MAX = 1_000_000;

/** Options of {@link Mutex}; they are this view's own, other threads may have others. */
export interface MutexOptions {
  /** Most pauses of about 30 ns before queueing for a held lock, 0..1000000; default 250. 0 never spins. */
  readonly spinBudget?: number;
  /** How often a first waiter may be woken and overtaken before it is owed the lock, 0..1000000; default 1. */
  readonly handoffAfter?: number;
}

/**
 * A mutex: waiters sleep in a queue and are served in order of arrival, except that a running thread may
 * overtake the first waiter once.
 *
 * Zeroed words are an unlocked mutex, so the constructor creates and attaches alike. Not recursive, no owner
 * is recorded: a thread that is terminated while it holds the mutex, or works on its queue, leaves the others
 * waiting. Where threads may die, use `RobustMutex`.
 *
 * Source: Linux v6.12 kernel/locking/mutex.c; the adaptive spin in place of its spin on a running owner is
 * after glibc's PTHREAD_MUTEX_ADAPTIVE_NP.
 */
export class Mutex extends ExclusiveLock {
  /** Number of 32-bit words a mutex occupies. */
  static readonly WORDS: number = QUEUE + QUEUE_WORDS;

  protected override get kind(): string {
    return "Mutex";
  }
  protected override readonly words: Int32Array;
  readonly #state: number;
  readonly #fast: FastPaths | undefined;
  readonly #address: number;
  readonly #spinBudget: number;
  readonly #handoffAfter: number;
  /** Made on first contention: most locks of most threads are never contended. */
  #waitQueue: WaitQueue | undefined;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the mutex; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view, or an option is out of range
   */
  constructor(words: Int32Array, word: number, options?: MutexOptions) {
    super();
    checkWords("Mutex", words, word, Mutex.WORDS);
    this.#spinBudget = checkCount("spinBudget", options?.spinBudget ?? SPIN_BUDGET);
    this.#handoffAfter = checkCount("handoffAfter", options?.handoffAfter ?? 1);
    this.words = words;
    this.#state = word;
    this.#fast = fastPathsOf(words);
    this.#address = addressOf(words, word);
  }

  /** What runs the fast path: `wasm` over a {@link SharedMemory}, else `js`. */
  get backend(): Backend {
    return backendOf(this.#fast);
  }

  /** Is it held by anybody? May be out of date on return. */
  override get isLocked(): boolean {
    return (this.#load() & LOCKED) !== 0;
  }

  /** Does anybody wait? May be out of date on return. */
  get isContended(): boolean {
    return (this.#load() & WAITERS) !== 0;
  }

  /** Takes the mutex if that needs no waiting; never spins. */
  override tryLock(): boolean {
    for (;;) {
      const state = this.#load();
      if ((state & LOCKED) !== 0) return false;
      if (Atomics.compareExchange(this.words, this.#state, state, state | LOCKED) === state) return true;
    }
  }

  /**
   * Takes the mutex, waiting for it if need be. Cost uncontended: one Atomics compareExchange.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it is held and the words are not shared
   */
  override lock(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("Mutex.lock", options);
    const was =
      this.#fast === undefined
        ? Atomics.compareExchange(this.words, this.#state, 0, LOCKED)
        : this.#fast.mutexLock(this.#address);
    if (was === 0) return true;
    // Free, but somebody waits: who is running may overtake a first waiter that has been woken.
    return ((was & LOCKED) === 0 && this.tryLock()) || this.lockSlow(deadline);
  }

  /**
   * Gives the mutex back. Cost without waiters: one Atomics compareExchange.
   *
   * @throws SyncError `EPERM` if nobody holds it
   */
  override unlock(): void {
    const was =
      this.#fast === undefined
        ? Atomics.compareExchange(this.words, this.#state, LOCKED, 0)
        : this.#fast.mutexUnlock(this.#address);
    if (was !== LOCKED) this.#unlockSlow();
  }

  /** How many wait in the queue. May be out of date on return. */
  get waiterCount(): number {
    const waiters = this.#queue.describe();
    return waiters === "" ? 0 : waiters.split(" ").length;
  }

  /** Throws an `Error` naming the words and values that break an invariant; takes the queue's spinlock. */
  override validate(): void {
    const waiting = this.#queue.validate();
    const state = this.#load();
    if ((state & ~(LOCKED | WAITERS | HANDOFF)) !== 0) throw new Error(`Mutex: STATE is ${state}`);
    const spinner = Atomics.load(this.words, this.#state + SPINNER);
    if (spinner !== 0 && spinner !== 1) throw new Error(`Mutex: SPINNER is ${spinner}, expected 0 or 1`);
    const hasWaiters = (state & WAITERS) !== 0;
    if (hasWaiters !== waiting > 0 && this.#load() === state) {
      throw new Error(`Mutex: WAITERS is ${hasWaiters}, but ${waiting} wait`);
    }
  }

  /** The state in words, for messages. */
  override toString(): string {
    const state = this.#load();
    const handoff = (state & HANDOFF) !== 0 ? ", handoff" : "";
    return `Mutex(${(state & LOCKED) !== 0 ? "held" : "free"}${handoff}, waiting: ${this.waiterCount})`;
  }

  get #queue(): WaitQueue {
    this.#waitQueue ??= new WaitQueue(this.words, this.#state + QUEUE);
    return this.#waitQueue;
  }

  #load(): number {
    return Atomics.load(this.words, this.#state);
  }

  protected override *slowPath({ spins }: HowToWait): SlowPath {
    const queue = this.#queue;
    if (spins > 0 && this.#spin()) return true;
    do {
      queue.lock();
      const slot = queue.enqueue(Kind.Write);
      if (slot !== 0) {
        Atomics.or(this.words, this.#state, WAITERS);
        return yield* this.#waitInQueue(slot, spins > 0 ? this.#spinBudget : 0);
      }
      queue.unlock();
      if (!(yield* queue.waitForSlot())) return false;
    } while (!this.tryLock());
    return true;
  }

  /** Looks at the lock, less and less often, for as long as that has paid lately, if nobody else does. */
  #spin(): boolean {
    const earned = Math.max(0, Atomics.load(this.words, this.#state + EARNED));
    const budget = Math.min(this.#spinBudget, 2 * earned + SPIN_FLOOR);
    if (budget === 0) return false;
    if (Atomics.compareExchange(this.words, this.#state + SPINNER, 0, 1) !== 0) return false;
    let spent = 0;
    let isGot = false;
    for (let gap = GAP_MIN; spent < budget && !isGot; gap = Math.min(2 * gap, GAP_MAX)) {
      // Pauses first: the holder has just been seen, and a look at once would only take the line away from it.
      const pauses = Math.min(gap, budget - spent);
      for (let turn = 0; turn < pauses; turn++) pause();
      spent += pauses;
      isGot = this.tryLock();
    }
    const change = Math.trunc((isGot ? spent - earned : -earned) / 8);
    Atomics.store(
      this.words,
      this.#state + EARNED,
      earned + (change === 0 && !isGot && earned > 0 ? -1 : change),
    );
    Atomics.store(this.words, this.#state + SPINNER, 0);
    return isGot;
  }

  /** Called with the queue's lock held, which it drops. */
  *#waitInQueue(slot: number, spins: number): SlowPath {
    const queue = this.#queue;
    const nap = queue.napOf(slot);
    let mayGoOn = true;
    for (let wakeUps = 0; ; wakeUps++) {
      const isFirst = queue.head === slot;
      const isOwed = wakeUps >= this.#handoffAfter;
      const isMine = queue.wakeOf(slot) === Wake.Granted || (isFirst && this.#takeAsFirst(slot, isOwed));
      if (isMine || !mayGoOn) {
        if (!isMine) this.#leaveQueue(slot);
        queue.unlock();
        queue.free(slot);
        return isMine;
      }
      queue.resetWake(slot);
      queue.unlock();
      const isSpinWorth = isFirst && isOwed;
      if (isUnchanged(this.words, nap.word, nap.expected, isSpinWorth ? spins : 0)) mayGoOn = yield nap;
      queue.lock();
    }
  }

  /** The first waiter tries its luck; if it is held and the waiter is owed it, it asks for a handoff. Under the queue's lock. */
  #takeAsFirst(slot: number, isOwed: boolean): boolean {
    for (;;) {
      const state = this.#load();
      const isHeld = (state & LOCKED) !== 0;
      if (isHeld && !isOwed) return false;
      const flags = this.#queue.isSingular(slot) ? 0 : WAITERS;
      const next = isHeld ? state | HANDOFF : LOCKED | flags;
      if (Atomics.compareExchange(this.words, this.#state, state, next) !== state) continue;
      if (!isHeld) this.#queue.remove(slot);
      return !isHeld;
    }
  }

  /** A waiter gives up. If it was first, the next one is woken unless an unlock will do that. Under the queue's lock. */
  #leaveQueue(slot: number): void {
    const wasFirst = this.#queue.remove(slot);
    const head = this.#queue.head;
    if (head === 0) Atomics.and(this.words, this.#state, ~(WAITERS | HANDOFF));
    else if (wasFirst && (Atomics.and(this.words, this.#state, ~HANDOFF) & LOCKED) === 0) {
      this.#callFirst(head);
    }
  }

  /** Wakes the first waiter, unless it has been woken already and has not looked yet. Under the queue's lock. */
  #callFirst(head: number): void {
    if (head === 0 || this.#queue.wakeOf(head) !== Wake.Asleep) return;
    this.#queue.wake(head, Wake.Compete);
  }

  #unlockSlow(): void {
    const queue = this.#queue;
    queue.lock();
    const state = this.#load();
    const head = queue.head;
    if ((state & LOCKED) === 0) {
      queue.unlock();
      throw new SyncError("EPERM", `Mutex.unlock: word ${this.#state} is not locked`);
    }
    if ((state & HANDOFF) !== 0 && head !== 0) {
      queue.remove(head);
      // LOCKED stays set, so nobody else has a chance; plain bits may be stored since the rest is under our lock.
      Atomics.store(this.words, this.#state, queue.head === 0 ? LOCKED : LOCKED | WAITERS);
      queue.wake(head, Wake.Granted);
    } else {
      Atomics.and(this.words, this.#state, ~LOCKED);
      this.#callFirst(head);
    }
    queue.unlock();
  }
}

function checkCount(what: string, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= COUNT_MAX) return value;
  throw new RangeError(`Mutex: ${what} must be an integer in 0..${COUNT_MAX}, got ${value}`);
}
