/*
 * An RwSem that survives the death of any agent at any instruction.
 *
 *   word        name      meaning
 *   0           COUNT     who holds it, by name (robust-count.ts)
 *   1           OWNER     as in RwSem
 *   2           POLICY    as in RwSem
 *   3           SPINNER   agent id of the writer that spins, 0 if none does
 *   8 … 30      seats     agents that use the lock (seats.ts)
 *   32 … 103    queue     those who wait (slot-queue.ts)
 *
 * Policies, spinning, handoff, and who is woken when are those of RwSem, by the same code. What is different:
 * COUNT names the holders; the queue has no links that could be torn; and who waits looks whether those live
 * who use the lock, on coming, after each wake-up, and after each `recheckMs` of sleep (recovery.ts). That
 * also makes good for a wake-up that died with its sender.
 *
 *   who dies                                what the others find
 *   a reader, also one granted the lock     its bit is cleared; nothing was changed, nobody needs to know
 *   a writer                                a ghost holds the lock, and the next one inherits and repairs
 *   a waiter, asleep or woken               its slot is freed, the next one is woken
 *   whoever changes the queue               the lock of the queue is taken over, the queue put in order
 *   the spinner                             another may spin
 *   between release and wake-up             recovery wakes whom the state admits
 *
 * Lock order: the queue's lock is innermost. Memory order: as in rwsem.ts.
 */
import { SyncError } from "../errors.ts";
import { checkRecheck, type Recoverable, type Repair, type RobustOptions } from "../robust/recovery.ts";
import { runAsync, runBlocking, type SlowPath } from "../waiting.ts";
import {
  type AsyncWaitOptions,
  assertMayBlock,
  checkWords,
  deadlineOf,
  FOREVER,
  type WaitOptions,
} from "../words.ts";
import { LOCK_MASK, READER_MASK, WAITERS, WRITER } from "./count.ts";
import { abandon, attended, inherit } from "./heir.ts";
import type { RwSemOptions, RwSemPolicy } from "./policy.ts";
import { recover, recoverIfNeeded } from "./recovery.ts";
import { isAbandoned, isGhost, readerBitsIn, SEATS, seatOfWriter, writerBits } from "./robust-count.ts";
import { becomeReader, leaveRead, robustReadPath, tryRead } from "./robust-read.ts";
import { ROBUST_RWSEM_WORDS, RobustState } from "./robust-state.ts";
import { validateRobust } from "./robust-validate.ts";
import type { Sitter } from "./seats.ts";
import { SharedLock } from "./shared-lock.ts";
import { wakeFirst } from "./wake.ts";
import { writePath } from "./write-path.ts";

/** Options of {@link RobustRwSem}. */
export interface RobustRwSemOptions extends RwSemOptions, RobustOptions {}

/**
 * The robust form of `RwSem`: a worker may be terminated at any instruction while it reads, writes or waits,
 * and nobody hangs.
 *
 * The death of a reader is repaired silently. After that of a writer what the lock guards may be half changed:
 * the next to take the lock in either mode repairs it first. With a `repair` function that happens before it
 * gets the lock; a reader is the writer for as long as that takes. With `"manual"` a writer finds `ownerDied`
 * set, repairs, and calls `markConsistent()`; a reader, who may not repair anything, gets `EOWNERDEAD` until a
 * writer has. Given back unrepaired, or if `repair` throws, the lock is unusable for everybody, for ever.
 *
 * Zeroed words are an unlocked lock. At most 23 agents can use it at the same time, which is what one 32-bit
 * word can name; `close()` makes room. Every thread has joined the registry; its tasks are one holder, and a
 * read must end in the agent in which it began. Not recursive for a thread that blocks.
 *
 * Cost uncontended: a load and a compareExchange to read or one compareExchange to write, one add to leave.
 * Source: Linux v6.12 kernel/locking/rwsem.c; PTHREAD_MUTEX_ROBUST for what a death means, for which
 * read-write locks have no model.
 */
export class RobustRwSem extends SharedLock implements Recoverable {
  /** Number of 32-bit words a lock occupies. */
  static readonly WORDS: number = ROBUST_RWSEM_WORDS;
  /** Agents that can use a lock at the same time. */
  static readonly AGENTS_MAX: number = SEATS;

  protected override get kind(): string {
    return "RobustRwSem";
  }
  readonly #state: RobustState;
  readonly #repair: Repair;
  readonly #recheckMs: number;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the lock; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view, or an option is out of range; TypeError if `agents` or
   * `repair` is missing; SyncError `EINVAL` if the lock has another policy
   */
  constructor(words: Int32Array, word: number, options: RobustRwSemOptions) {
    super();
    const { agents, repair, policy, recheckMs } = options;
    checkWords("RobustRwSem", words, word, RobustRwSem.WORDS);
    if (typeof repair !== "function" && repair !== "manual") {
      throw new TypeError('RobustRwSem: repair must be a function or "manual"');
    }
    this.#repair = repair;
    this.#recheckMs = checkRecheck("RobustRwSem", recheckMs);
    this.#state = new RobustState(
      words,
      word,
      agents,
      () => void recover(this.#state),
      () => recoverIfNeeded(this.#state),
    );
    if (policy !== undefined) this.#state.choosePolicy("RobustRwSem", policy);
  }

  /** Who is served next. */
  get policy(): RwSemPolicy {
    return this.#state.rules.name;
  }

  /** Is it held in either mode, be it by a ghost? May be out of date on return. */
  get isLocked(): boolean {
    return (this.#state.load() & LOCK_MASK) !== 0;
  }

  /** Is it held by a writer, be it a ghost? May be out of date on return. */
  get isWriteLocked(): boolean {
    return (this.#state.load() & WRITER) !== 0;
  }

  /** Does anybody wait? */
  get isContended(): boolean {
    return (this.#state.load() & WAITERS) !== 0;
  }

  /** Agents that read. */
  get readerCount(): number {
    return readerBitsIn(this.#state.load());
  }

  /** Ids of the agents that hold it, in either mode. May be out of date on return. */
  get holders(): number[] {
    const count = this.#state.load();
    const writer = seatOfWriter(count);
    return writer >= 0 ? [this.#state.seats.at(writer)] : this.#state.readersOf(count);
  }

  /** Has a writer died, and nobody repaired yet? Asked by the writer it is exact. */
  get ownerDied(): boolean {
    return this.#state.sitter.mustRepair || isGhost(this.#state.load());
  }

  /** Was it given back unrepaired? Then nobody will get it any more. */
  get isUnusable(): boolean {
    return isAbandoned(this.#state.load());
  }

  /**
   * Takes the lock in read mode, waiting for it if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EOWNERDEAD` if a writer died and repair is `"manual"`; `ENOTRECOVERABLE` if the lock is
   * unusable; `EDEADLK` if this agent writes, or it must wait and the words are not shared; `EINVAL` if this thread
   * has not joined; `ENOSPC` if all seats are taken
   */
  override downRead(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RobustRwSem.downRead", options);
    if (this.tryDownRead()) return true;
    this.#assertMayWait("downRead", false);
    return runBlocking(this.#state.words, this.#readPath(), deadline);
  }

  /**
   * As {@link downRead}, without blocking the thread.
   *
   * @throws SyncError as {@link downRead}, and `EINTR` if `signal` is aborted first
   */
  override downReadAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "RobustRwSem.downReadAsync",
      this.#state.words,
      options,
      () => this.tryDownRead(),
      () => this.#readPath(),
    );
  }

  /** Takes the lock in read mode if that needs no waiting. @throws SyncError as {@link downRead} */
  override tryDownRead(): boolean {
    this.#state.sit();
    if (tryRead(this.#state)) return true;
    recoverIfNeeded(this.#state);
    return this.#inheritForRead() || tryRead(this.#state);
  }

  /**
   * Gives a read lock of this agent back.
   *
   * @throws SyncError `EPERM` if it has none
   */
  override upRead(): void {
    const { sitter, agents } = this.#state;
    if (sitter.reads === 0 || sitter.id !== agents.self) {
      throw new SyncError("EPERM", "RobustRwSem.upRead: this agent has no read lock");
    }
    leaveRead(this.#state);
  }

  /**
   * Takes the lock in write mode, waiting for it if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError as {@link downRead} but for `EOWNERDEAD`: a writer finds {@link ownerDied} set instead;
   * `EDEADLK` also if this agent reads
   */
  override downWrite(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("RobustRwSem.downWrite", options);
    if (this.tryDownWrite()) return true;
    this.#assertMayWait("downWrite", true);
    return runBlocking(this.#state.words, this.#writePath(true), deadline);
  }

  /**
   * As {@link downWrite}, without blocking the thread.
   *
   * @throws SyncError as {@link downWrite}, and `EINTR` if `signal` is aborted first
   */
  override downWriteAsync(options?: AsyncWaitOptions): Promise<boolean> {
    return runAsync(
      "RobustRwSem.downWriteAsync",
      this.#state.words,
      options,
      () => this.tryDownWrite(),
      () => this.#writePath(false),
    );
  }

  /** Takes the lock in write mode if that needs no waiting. @throws SyncError as {@link downWrite} */
  override tryDownWrite(): boolean {
    const sitter = this.#state.sit();
    if (this.#tryWrite(sitter)) return true;
    recoverIfNeeded(this.#state);
    return inherit(this.#state, this.#repair) || this.#tryWrite(sitter);
  }

  /**
   * Gives the write lock back. If a writer had died and nothing was repaired, that makes the lock unusable.
   *
   * @throws SyncError `EPERM` if this agent has no write lock
   */
  override upWrite(): void {
    const sitter = this.#assertWriter("upWrite");
    if (sitter.mustRepair) {
      abandon(this.#state);
      return;
    }
    sitter.isWriter = false;
    const was = this.#state.add(-writerBits(sitter.seat));
    if ((was & WAITERS) !== 0) wakeFirst(this.#state);
  }

  /**
   * Turns the caller's write lock into a read lock in one step; see `RwSem.downgradeWrite`.
   *
   * @throws SyncError `EPERM` if this agent has no write lock; `EOWNERDEAD` if it has to repair first
   */
  override downgradeWrite(): void {
    const sitter = this.#assertWriter("downgradeWrite");
    if (sitter.mustRepair) throw ownerDead("downgradeWrite");
    becomeReader(this.#state);
  }

  /**
   * Says that what the lock guards has been repaired after a writer's death.
   *
   * @throws SyncError `EPERM` if this agent has no write lock, `EINVAL` if no writer died
   */
  markConsistent(): void {
    const sitter = this.#assertWriter("markConsistent");
    if (!sitter.mustRepair) throw new SyncError("EINVAL", "RobustRwSem.markConsistent: no writer died");
    sitter.mustRepair = false;
  }

  /**
   * Cleans up after the agent `id`, which never runs again. Those who use the lock do that by themselves, asleep
   * for for `recheckMs` at most; for a prompt recovery `registry.protect(lock)` in the thread that starts the others.
   *
   * @throws SyncError `EINVAL` for the id of this very agent
   */
  agentDied(id: number): boolean {
    const { agents, queue, seats } = this.#state;
    if (id === agents.self)
      throw new SyncError("EINVAL", `RobustRwSem.agentDied: ${id} is the calling agent`);
    const wasInside = queue.agentDied(id);
    const isKnown = wasInside || seats.seatOf(id) >= 0;
    if (isKnown && agents.self !== 0) {
      queue.lock();
      recover(this.#state);
      queue.unlock();
    }
    // Who has not joined cannot take the queue's lock, but can make the others look around.
    queue.stirAll();
    return isKnown;
  }

  /**
   * Gives this agent's seat back, for another agent; it takes one again if it uses the lock again.
   *
   * @throws SyncError `EINVAL` if it holds the lock or waits for it
   */
  close(): void {
    const { sitter, seats } = this.#state;
    if (sitter.seat < 0) return;
    if (sitter.isWriter || sitter.reads + sitter.waiting > 0) {
      throw new SyncError("EINVAL", "RobustRwSem.close: this agent holds the lock or waits for it");
    }
    seats.free(sitter.seat, sitter.id);
    sitter.seat = -1;
  }

  /** Who waits, first to last, as in `"W R R"`. May be out of date on return. */
  get waiters(): string {
    return this.#state.queue.describe();
  }

  /** Throws an `Error` naming the words and values that break an invariant; takes the queue's lock. */
  override validate(): void {
    validateRobust(this.#state);
  }

  /** The state in words, for messages. */
  override toString(): string {
    const count = this.#state.load();
    const holders = this.holders.join(", ");
    const held = [
      [isAbandoned(count), "unusable"],
      [isGhost(count), "held by a ghost"],
      [(count & WRITER) !== 0, `written by ${holders}`],
      [(count & READER_MASK) !== 0, `read by ${holders}`],
    ].find(([isSo]) => isSo);
    return `RobustRwSem(${held?.[1] ?? "free"}, waiting: ${this.waiters || "nobody"})`;
  }

  #tryWrite({ seat }: Sitter): boolean {
    if (!this.#state.change(0, writerBits(seat))) return false;
    this.#state.sitter.isWriter = true;
    return true;
  }

  #assertWriter(what: string): Sitter {
    const { sitter, agents } = this.#state;
    if (sitter.isWriter && sitter.id === agents.self) return sitter;
    throw new SyncError("EPERM", `RobustRwSem.${what}: this agent has no write lock`);
  }

  #assertMayWait(what: "downRead" | "downWrite", isWrite: boolean): void {
    const { sitter, words } = this.#state;
    if (sitter.isWriter || (isWrite && sitter.reads > 0)) {
      throw new SyncError("EDEADLK", `RobustRwSem.${what}: this agent holds it already`);
    }
    const tryName = isWrite ? "tryDownWrite" : "tryDownRead";
    assertMayBlock(`RobustRwSem.${what}`, words, `RobustRwSem.${what}Async or ${tryName}`);
  }

  *#readPath(): SlowPath {
    const wait = { isOver: false };
    for (;;) {
      recoverIfNeeded(this.#state);
      if (this.#inheritForRead()) return true;
      if (yield* attended(this.#state, robustReadPath(this.#state), wait, this.#recheckMs)) return true;
      if (wait.isOver) return false;
    }
  }

  *#writePath(maySpin: boolean): SlowPath {
    const { sitter } = this.#state;
    const wait = { isOver: false };
    for (;;) {
      recoverIfNeeded(this.#state);
      if (inherit(this.#state, this.#repair)) return true;
      if (yield* attended(this.#state, writePath(this.#state, maySpin), wait, this.#recheckMs)) {
        sitter.isWriter = true;
        return true;
      }
      if (wait.isOver) return false;
    }
  }

  #inheritForRead(): boolean {
    if (this.#repair === "manual" && isGhost(this.#state.load())) throw ownerDead("downRead");
    if (!inherit(this.#state, this.#repair)) return false;
    becomeReader(this.#state);
    return true;
  }
}

function ownerDead(what: string): SyncError {
  return new SyncError("EOWNERDEAD", `RobustRwSem.${what}: a writer died, and a writer has to repair first`);
}
