/*
 * The lock behind mmap_lock: many readers or one writer, by the rules of Linux.
 *
 *   word     name     meaning
 *   0        COUNT    see below
 *   1        OWNER    reserved, zero
 *   2        POLICY   0 linux | 1 fair-fifo | 2 reader-pref | 3 writer-pref
 *   3 … 7             zero
 *   8 … 63   queue    those who wait, in order of arrival (wait-queue.ts)
 *
 *   COUNT, the 32-bit layout of the kernel
 *   bit 0        WRITER    a writer holds the lock
 *   bit 1        WAITERS   the queue is not empty: new readers must not use the fast path
 *   bit 2        HANDOFF   the first waiter has waited too long: nobody may overtake it
 *   bits 3-7               zero
 *   bits 8-30    readers   how many hold the lock, plus those that are about to find out that they do not
 *   bit 31       READFAIL  guard: the reader count has overflowed
 *
 * Lock order: the queue's spinlock is innermost; nothing is taken under it. WAITERS, HANDOFF and the list
 * change only under it, so that "the list is empty" and "WAITERS is clear" agree whenever it is free.
 *
 * Who wakes whom:
 *   - A reader adds its bias first and asks later. If it then has to queue, it takes the bias back under the
 *     queue's spinlock and looks whether somebody can run now: a release that came in between saw the bias,
 *     took it for a holder, and woke nobody.
 *   - Readers are granted by the waker: counted first, then woken, so a writer cannot slip in between.
 *   - A writer is only woken; it competes with those who are running already. HANDOFF bounds how long.
 *   - A waiter that gives up and was first wakes the next one, else readers behind a writer that gave up
 *     would wait for a release although the lock admits them.
 *
 * Who is next, and who may overtake, is the policy's: rwsem-policy.ts. What is said above of Linux is said of
 * the policy "linux", the default.
 *
 * Memory order: every access is a sequentially consistent Atomics operation; release and acquisition are
 * read-modify-writes of COUNT (or the grant through WAKE), so plain accesses under the lock are ordered.
 *
 * Not here yet: spinning on a running owner (a writer spins a fixed number of times instead), ownership.
 * "The lock is reader-owned" is read off COUNT, where the kernel has a bit in OWNER.
 */
import { SyncError } from "./errors.ts";
import { Guard } from "./guard.ts";
import {
  blockerOfReader,
  nextWaiter,
  POLICIES,
  type PolicyRules,
  policyCodeOf,
  type RwSemOptions,
  type RwSemPolicy,
} from "./rwsem-policy.ts";
import { Kind, QUEUE_WORDS, WaitQueue, Wake } from "./wait-queue.ts";
import { runAsync, runBlocking, type SlowPath } from "./waiting.ts";
import { addressOf, type Backend, backendOf, type FastPaths, fastPathsOf } from "./wasm/backend.ts";
import {
  type AsyncWaitOptions,
  assertMayBlock,
  canBlock,
  checkWords,
  deadlineOf,
  FOREVER,
  isShared,
  pause,
  type WaitOptions,
} from "./words.ts";

const COUNT = 0;
const POLICY = 2;
const QUEUE = 8;

const WRITER = 1 << 0;
const WAITERS = 1 << 1;
const HANDOFF = 1 << 2;
const READER_SHIFT = 8;
const READER = 1 << READER_SHIFT;
const READER_MASK = 0x7fffff00;
const READFAIL = 1 << 31;
const LOCK_MASK: number = WRITER | READER_MASK;
const READ_FAILED_MASK: number = WRITER | WAITERS | HANDOFF | READFAIL;

/** A first waiter that has waited this long is not overtaken again; RWSEM_WAIT_TIMEOUT of the kernel. */
const HANDOFF_AFTER_MS = 4;
/** Looks a writer takes at the lock before it queues: about as long as a short read section. */
const SPINS = 60;

/** How far `#markWake` may go; the kernel's enum rwsem_wake_type. */
const WakeType = {
  /** The lock seems free: wake whoever is first. */
  Any: 0,
  /** Readers hold it: wake readers if one is first, never a writer. */
  Readers: 1,
  /** The caller holds it as a reader: as above, and no writer can have taken it. */
  ReadOwned: 2,
} as const;
type WakeType = (typeof WakeType)[keyof typeof WakeType];

/** Holds an {@link RwSem} in write mode; can be turned into read mode once. */
export class WriteGuard extends Guard {
  readonly #sem: RwSem;
  #mode: { isWrite: boolean };

  /** @param sem - held in write mode by the caller */
  constructor(sem: RwSem) {
    const mode = { isWrite: true };
    super(() => (mode.isWrite ? sem.upWrite() : sem.upRead()));
    this.#sem = sem;
    this.#mode = mode;
  }

  /**
   * Turns the write lock into a read lock; the guard then releases that.
   *
   * @throws SyncError `EPERM` if the guard is released or downgraded already
   */
  downgrade(): void {
    if (!this.isHeld || !this.#mode.isWrite) {
      throw new SyncError("EPERM", "WriteGuard.downgrade: the guard holds no write lock");
    }
    this.#sem.downgradeWrite();
    this.#mode.isWrite = false;
  }
}

/**
 * A reader-writer semaphore, by default with the policy of Linux: a queued writer stops new readers, one reader phase
 * admits every reader queued at that moment, writers among themselves are served in order of arrival, and
 * whoever is running may overtake a writer that has been woken, for at most about 4 ms.
 *
 * Zeroed words are an unlocked lock, so the constructor creates and attaches alike. Not recursive, also for
 * readers: a second `downRead` waits behind a writer that queued in between. There is no upgrade.
 *
 * Source: Linux v6.12 kernel/locking/rwsem.c.
 */
export class RwSem {
  /** Number of 32-bit words a lock occupies. */
  static readonly WORDS: number = QUEUE + QUEUE_WORDS;

  readonly #words: Int32Array;
  readonly #count: number;
  readonly #fast: FastPaths | undefined;
  readonly #countAddress: number;
  /** Made on first contention: most locks of most threads are never contended. */
  #waitQueue: WaitQueue | undefined;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the lock; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view, or there is no such policy; SyncError `EINVAL` if
   * the lock has another policy
   */
  constructor(words: Int32Array, word: number, options?: RwSemOptions) {
    checkWords("RwSem", words, word, RwSem.WORDS);
    this.#words = words;
    this.#count = word + COUNT;
    this.#fast = fastPathsOf(words);
    this.#countAddress = addressOf(words, this.#count);
    if (options?.policy !== undefined) this.#setPolicy(options.policy);
  }

  /** What runs the fast paths: `wasm` over a {@link SharedMemory}, else `js`. */
  get backend(): Backend {
    return backendOf(this.#fast);
  }

  /** Who is served next. */
  get policy(): RwSemPolicy {
    return this.#rules.name;
  }

  /** Is it held in either mode? May be out of date on return. Source: rwsem_is_locked(). */
  get isLocked(): boolean {
    return (this.#load() & LOCK_MASK) !== 0;
  }

  /** Is it held by a writer? May be out of date on return. */
  get isWriteLocked(): boolean {
    return (this.#load() & WRITER) !== 0;
  }

  /** Does anybody wait? A long holder may want to give way. Source: rwsem_is_contended(). */
  get isContended(): boolean {
    return (this.#load() & WAITERS) !== 0;
  }

  /** Readers that hold it, counting those in the middle of trying. */
  get readerCount(): number {
    return (this.#load() & READER_MASK) >>> READER_SHIFT;
  }

  /**
   * Takes the lock in read mode. Cost uncontended: one Atomics add.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it must wait and the words are not shared
   *
   * Source: down_read(), rwsem_down_read_slowpath().
   */
  downRead(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RwSem.downRead", options);
    const count = this.#addReader();
    if ((count & READ_FAILED_MASK) === 0) return true;
    return this.#downReadSlow(count, deadline);
  }

  /**
   * As {@link downRead}, without blocking the thread, also on an `ArrayBuffer`. The holder is then the task
   * that awaits, not the thread. While a task of a thread holds or awaits the lock, that thread must not block
   * for it: the task could never go on. Nor does a pending wait keep a Node process alive by itself.
   *
   * @returns resolves to `true`, or `false` if `timeoutMs` was given and has passed; a grant that comes in
   * the same moment as a timeout or an abort wins, so look at the result
   * @throws SyncError `EINTR` if `signal` is aborted first; its `cause` is the signal's reason
   *
   * Source: down_read_interruptible(), the signal being the caller's.
   */
  downReadAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "RwSem.downReadAsync",
      this.#words,
      options,
      () => this.tryDownRead(),
      () => this.#readPath(this.#addReader(), true),
    );
  }

  /**
   * Takes the lock in read mode if there is neither a writer nor, unless the policy prefers readers, anybody
   * waiting. Source: down_read_trylock().
   */
  tryDownRead(): boolean {
    let count = this.#load();
    while ((count & READ_FAILED_MASK) === 0 || this.#mayJoin(count)) {
      const seen = Atomics.compareExchange(this.#words, this.#count, count, count + READER);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }

  /**
   * Gives a read lock back; the last reader out wakes whoever is first.
   *
   * @throws SyncError `EPERM` if no reader holds the lock
   */
  upRead(): void {
    const was =
      this.#fast === undefined
        ? Atomics.sub(this.#words, this.#count, READER)
        : this.#fast.rwsemSubReader(this.#countAddress);
    if ((was & READER_MASK) === 0) {
      Atomics.add(this.#words, this.#count, READER);
      throw new SyncError("EPERM", "RwSem.upRead: no reader holds the lock");
    }
    if (((was - READER) & (LOCK_MASK | WAITERS)) === WAITERS) this.#wakeFirst();
  }

  /**
   * Takes the lock in write mode. Cost uncontended: one Atomics compareExchange.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it must wait and the words are not shared
   *
   * Source: down_write(), rwsem_down_write_slowpath().
   */
  downWrite(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RwSem.downWrite", options);
    if (this.tryDownWrite()) return true;
    return this.#downWriteSlow(deadline);
  }

  /**
   * As {@link downWrite}, without blocking the thread, also on an `ArrayBuffer`; see {@link downReadAsync} for
   * who is then the holder, and for the result.
   *
   * @throws SyncError `EINTR` if `signal` is aborted first; its `cause` is the signal's reason
   *
   * Source: down_write_killable(), the signal being the caller's.
   */
  downWriteAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "RwSem.downWriteAsync",
      this.#words,
      options,
      () => this.tryDownWrite(),
      () => this.#writePath(),
    );
  }

  /** Takes the lock in write mode if nobody holds it or waits for it. Source: down_write_trylock(). */
  tryDownWrite(): boolean {
    if (this.#fast !== undefined) return this.#fast.rwsemSetWriter(this.#countAddress) === 0;
    return Atomics.compareExchange(this.#words, this.#count, 0, WRITER) === 0;
  }

  /**
   * Gives the write lock back, and wakes the first waiter, or all queued readers if that is a reader.
   *
   * @throws SyncError `EPERM` if no writer holds the lock
   */
  upWrite(): void {
    const was =
      this.#fast === undefined
        ? Atomics.and(this.#words, this.#count, ~WRITER)
        : this.#fast.rwsemClearWriter(this.#countAddress);
    if ((was & WRITER) === 0) throw new SyncError("EPERM", "RwSem.upWrite: no writer holds the lock");
    if ((was & WAITERS) !== 0) this.#wakeFirst();
  }

  /**
   * Turns the caller's write lock into a read lock in one step: no writer gets in between. Admits the queued
   * readers if a reader is first in the queue; if a writer is, nobody is woken. Never waits.
   *
   * @throws SyncError `EPERM` if no writer holds the lock
   *
   * Source: downgrade_write(), rwsem_downgrade_wake().
   */
  downgradeWrite(): void {
    if (!this.isWriteLocked) throw new SyncError("EPERM", "RwSem.downgradeWrite: no writer holds the lock");
    const was = Atomics.add(this.#words, this.#count, READER - WRITER);
    if ((was & WAITERS) === 0) return;
    this.#queue.lock();
    this.#markWake(WakeType.ReadOwned);
    this.#queue.unlock();
  }

  /**
   * Takes the lock in read mode and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  read(options?: WaitOptions): Guard {
    if (!this.downRead(options)) throw new SyncError("ETIMEDOUT", "RwSem.read: timed out");
    return new Guard(() => this.upRead());
  }

  /**
   * Takes the lock in write mode and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  write(options?: WaitOptions): WriteGuard {
    if (!this.downWrite(options)) throw new SyncError("ETIMEDOUT", "RwSem.write: timed out");
    return new WriteGuard(this);
  }

  /**
   * As {@link read}, without blocking the thread: `using guard = await sem.readAsync()`.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed, `EINTR` if `signal` was aborted
   */
  async readAsync(options?: AsyncWaitOptions): Promise<Guard> {
    if (!(await this.downReadAsync(options))) throw new SyncError("ETIMEDOUT", "RwSem.readAsync: timed out");
    return new Guard(() => this.upRead());
  }

  /**
   * As {@link write}, without blocking the thread.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed, `EINTR` if `signal` was aborted
   */
  async writeAsync(options?: AsyncWaitOptions): Promise<WriteGuard> {
    if (!(await this.downWriteAsync(options)))
      throw new SyncError("ETIMEDOUT", "RwSem.writeAsync: timed out");
    return new WriteGuard(this);
  }

  /** Who waits, first to last, as in `"W R R"`. May be out of date on return. */
  get waiters(): string {
    return this.#queue.describe();
  }

  /** Throws an `Error` naming the words and values that break an invariant; takes the queue's spinlock. */
  validate(): void {
    const waiting = this.#queue.validate();
    const policy = Atomics.load(this.#words, this.#policyWord);
    if (POLICIES[policy] === undefined) throw new Error(`RwSem: POLICY is ${policy}, expected 0..3`);
    const count = this.#load();
    if ((count & 0xf8) !== 0) throw new Error(`RwSem: COUNT 0x${hex(count)} has reserved bits set`);
    if ((count & READFAIL) !== 0) throw new Error(`RwSem: COUNT 0x${hex(count)}: more than 2^23 - 1 readers`);
    // Only when nothing moves can the two be compared; a test that calls this is such a moment.
    const hasWaiters = (count & WAITERS) !== 0;
    if (hasWaiters !== waiting > 0 && this.#load() === count) {
      throw new Error(`RwSem: WAITERS is ${hasWaiters}, but ${waiting} wait`);
    }
  }

  /** The state in words, for messages. */
  toString(): string {
    const count = this.#load();
    const readers = (count & READER_MASK) >>> READER_SHIFT;
    const held = (count & WRITER) !== 0 ? "write-locked" : readers > 0 ? `${readers} reading` : "free";
    const handoff = (count & HANDOFF) !== 0 ? ", handoff" : "";
    return `RwSem(${held}${handoff}, waiting: ${this.waiters || "nobody"})`;
  }

  #setPolicy(policy: RwSemPolicy): void {
    Atomics.compareExchange(this.#words, this.#policyWord, 0, policyCodeOf(policy));
    if (this.policy === policy) return;
    throw new SyncError("EINVAL", `RwSem: the lock has policy ${this.policy}, not ${policy}`);
  }

  get #policyWord(): number {
    return this.#count - COUNT + POLICY;
  }

  /** Asked only where somebody waits or must; the fast paths are the same for all policies. */
  get #rules(): PolicyRules {
    return POLICIES[Atomics.load(this.#words, this.#policyWord)] ?? POLICIES[0];
  }

  /** May a reader join whatever is in the queue? */
  #mayJoin(count: number): boolean {
    return (count & (WRITER | READFAIL)) === 0 && this.#rules.readersOvertake === "always";
  }

  /** Does a reader whose bias is in COUNT hold the lock with that? Under the queue's lock. */
  #isAdmitted(): boolean {
    const count = this.#load();
    if (this.#mayJoin(count)) return true;
    return (count & (WRITER | HANDOFF)) === 0 && blockerOfReader(this.#queue, this.#rules) === 0;
  }

  get #queue(): WaitQueue {
    this.#waitQueue ??= new WaitQueue(this.#words, this.#count - COUNT + QUEUE);
    return this.#waitQueue;
  }

  /** Adds one reader's bias. @returns the count with it */
  #addReader(): number {
    const was =
      this.#fast === undefined
        ? Atomics.add(this.#words, this.#count, READER)
        : this.#fast.rwsemAddReader(this.#countAddress);
    return (was + READER) | 0;
  }

  #load(): number {
    return Atomics.load(this.#words, this.#count);
  }

  /** `count` has our bias in it already. */
  #downReadSlow(count: number, deadline: number): boolean {
    const path = this.#readPath(count, isShared(this.#words) && canBlock());
    return runBlocking(this.#words, path, deadline);
  }

  /** Where it may not wait, the bias is taken back before that is said. */
  *#readPath(firstCount: number, mayWait: boolean): SlowPath {
    const queue = this.#queue;
    let count = firstCount;
    for (;;) {
      if (this.#stealRead(count)) return true;
      queue.lock();
      if (this.#isAdmitted()) {
        queue.unlock();
        return true; // whoever was in the way has left meanwhile: the bias is the lock
      }
      const isFirst = queue.head === 0;
      const slot = mayWait ? queue.enqueue(Kind.Read) : 0;
      const adjustment = slot !== 0 && isFirst ? WAITERS - READER : -READER;
      this.#wakeRunnable(Atomics.add(this.#words, this.#count, adjustment) + adjustment);
      queue.unlock();
      if (!mayWait) assertMayBlock("RwSem.downRead", this.#words, "RwSem.downReadAsync or tryDownRead");
      if (slot !== 0) return yield* this.#waitForRead(slot);
      if (!(yield* queue.waitForSlot())) return false;
      count = this.#addReader();
      if ((count & READ_FAILED_MASK) === 0) return true;
    }
  }

  /**
   * A reader may overtake the queue if the lock was free and nobody is owed a handoff. It must not join
   * readers that hold the lock already while a writer waits: that is how writers would starve, and do where
   * the policy prefers readers.
   */
  #stealRead(count: number): boolean {
    const { readersOvertake } = this.#rules;
    if (readersOvertake === "always") return this.#mayJoin(count);
    if (readersOvertake === "never" && (count & WAITERS) !== 0) return false;
    const readers = (count & READER_MASK) >>> READER_SHIFT;
    if ((count & (WRITER | HANDOFF | READFAIL)) !== 0 || readers !== 1) return false;
    if ((count & WAITERS) !== 0) {
      this.#queue.lock();
      this.#markWake(WakeType.ReadOwned);
      this.#queue.unlock();
    }
    return true;
  }

  *#waitForRead(slot: number): SlowPath {
    const queue = this.#queue;
    let isGranted = true;
    while (queue.wakeOf(slot) !== Wake.Granted) {
      if (yield queue.napOf(slot)) continue;
      queue.lock();
      isGranted = queue.wakeOf(slot) === Wake.Granted;
      if (!isGranted) this.#leaveQueue(slot);
      queue.unlock();
      break;
    }
    queue.free(slot);
    return isGranted;
  }

  #downWriteSlow(deadline: number): boolean {
    assertMayBlock("RwSem.downWrite", this.#words, "RwSem.downWriteAsync or tryDownWrite");
    return this.#spinWrite() || runBlocking(this.#words, this.#writePath(), deadline);
  }

  *#writePath(): SlowPath {
    const queue = this.#queue;
    do {
      queue.lock();
      const isFirst = queue.head === 0;
      const slot = queue.enqueue(Kind.Write);
      if (slot !== 0) {
        if (isFirst) Atomics.or(this.#words, this.#count, WAITERS);
        else this.#wakeRunnable(this.#load());
        return yield* this.#waitForWrite(slot);
      }
      queue.unlock();
      if (!(yield* queue.waitForSlot())) return false;
    } while (!this.tryDownWrite());
    return true;
  }

  /** Takes the lock, past the queue if the policy allows it, when it becomes free within a few looks. */
  #spinWrite(): boolean {
    const stop = this.#rules.writersOvertake ? HANDOFF : HANDOFF | WAITERS;
    for (let spin = 0; spin < SPINS; spin++) {
      const count = this.#load();
      if ((count & stop) !== 0) return false;
      if ((count & LOCK_MASK) === 0) {
        if (Atomics.compareExchange(this.#words, this.#count, count, count | WRITER) === count) return true;
      }
      pause();
    }
    return false;
  }

  /** Called with the queue's lock held, which it drops. */
  *#waitForWrite(slot: number): SlowPath {
    const queue = this.#queue;
    for (let mayGoOn = true; ; ) {
      // Only the one whose turn it is may take the lock out of the queue: writers are served in order of arrival.
      const isTaken = nextWaiter(queue, this.#rules) === slot && this.#takeAsFirst(slot);
      if (isTaken || !mayGoOn) {
        if (!isTaken) this.#leaveQueue(slot);
        queue.unlock();
        queue.free(slot);
        return isTaken;
      }
      queue.resetWake(slot);
      queue.unlock();
      mayGoOn = yield queue.napOf(slot);
      queue.lock();
    }
  }

  /** rwsem_try_write_lock() for the first waiter; removes it from the queue on success. Under the queue's lock. */
  #takeAsFirst(slot: number): boolean {
    const queue = this.#queue;
    for (;;) {
      const count = this.#load();
      let next = count | HANDOFF;
      const isHeld = (count & LOCK_MASK) !== 0;
      if (isHeld) {
        if ((count & HANDOFF) !== 0 || queue.waitedMs(slot) < HANDOFF_AFTER_MS) return false;
        if (!this.#rules.writersAreOwed) return false;
      } else {
        next = (count | WRITER) & ~HANDOFF;
        if (queue.isSingular(slot)) next &= ~WAITERS;
      }
      if (Atomics.compareExchange(this.#words, this.#count, count, next) !== count) continue;
      if (!isHeld) queue.remove(slot);
      return !isHeld;
    }
  }

  /** A waiter gives up. Under the queue's lock. Source: rwsem_del_wake_waiter(). */
  #leaveQueue(slot: number): void {
    const wasFirst = this.#queue.remove(slot);
    if (this.#queue.head === 0) Atomics.and(this.#words, this.#count, ~(WAITERS | HANDOFF));
    else if (wasFirst || this.#rules.preferred !== Kind.Free) this.#markWake(WakeType.Any);
  }

  #wakeFirst(): void {
    this.#queue.lock();
    this.#markWake(WakeType.Any);
    this.#queue.unlock();
  }

  /** Wakes whoever can run when COUNT is `count`. Under the queue's lock. Source: rwsem_cond_wake_waiter(). */
  #wakeRunnable(count: number): void {
    if ((count & WRITER) !== 0) return;
    this.#markWake((count & READER_MASK) !== 0 ? WakeType.Readers : WakeType.Any);
  }

  /** Wakes whose turn it is, and with a reader others. Under the queue's lock. Source: rwsem_mark_wake(). */
  #markWake(type: WakeType): void {
    const queue = this.#queue;
    const rules = this.#rules;
    const next = nextWaiter(queue, rules);
    if (next === 0) return;
    if (queue.kindOf(next) === Kind.Write) {
      if (type === WakeType.Any) queue.wake(next, Wake.Compete);
      return;
    }
    // One bias at once, so that no writer can take the lock while the rest is counted.
    const bias = type === WakeType.ReadOwned ? 0 : READER;
    if (bias !== 0 && !this.#holdForReaders(next)) return;
    const readers = queue.takeReaders(rules.phaseEndsAtWriter);
    let adjustment = readers.length * READER - bias;
    if (queue.head === 0) adjustment -= WAITERS;
    if ((this.#load() & HANDOFF) !== 0) adjustment -= HANDOFF;
    Atomics.add(this.#words, this.#count, adjustment);
    // Counted first, told second: a reader that wakes up holds the lock already.
    for (const reader of readers) queue.wake(reader, Wake.Granted);
  }

  /** Adds one reader's bias unless a writer has stolen the lock; then a reader that waited too long is owed it. */
  #holdForReaders(first: number): boolean {
    const was = Atomics.add(this.#words, this.#count, READER);
    if ((was & WRITER) === 0) return true;
    const isLate = this.#queue.waitedMs(first) >= HANDOFF_AFTER_MS && (was & HANDOFF) === 0;
    Atomics.add(this.#words, this.#count, isLate ? HANDOFF - READER : -READER);
    return false;
  }
}

function hex(count: number): string {
  return (count >>> 0).toString(16);
}
