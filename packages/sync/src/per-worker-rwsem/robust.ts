/*
 * A PerWorkerRwSem that survives the death of any agent at any instruction.
 *
 *   BLOCK     0 | 1 a writer died, and what it guarded is not repaired | 2 unusable | agent id of the writer
 *   CLAIMED   0 | agent id of the reader | minus the agent id of who cleans up after a dead reader
 *
 * A read ends through the object it began with, so COUNT of a slot is what its owner holds, and zeroing it is
 * all that the death of a reader needs. WAITING says how many of its tasks wait: without names the phantom of
 * a dead sleeper would keep the TURN of the readers for ever.
 *
 *   who dies                                what the others find
 *   a reader                                its slot, under its name: zeroed and given back
 *   a reader in its RCU section             the domain is told as well (`agentDied`), so that grace periods go on
 *   a writer, also one that still waits     BLOCK, under its name: 1 instead, and the next one inherits
 *   between giving up BLOCK and waking      whoever sleeps looks again after recheckMs
 *   the one that cleans up                  the slot is under its name, negative, and cleaned up after it
 *
 * An heir waits for a grace period whatever MODE says: the dead may have stored SLOW and not waited. A dead writer
 * counts as one that may have written, also if it had only waited for readers: no word tells the two apart.
 */
import { SyncError } from "../errors.ts";
import { awaitEvent, awaitEventAsync, wakeEvent } from "../event-count.ts";
import { Guard } from "../guard.ts";
import type { RcuDomain } from "../rcu.ts";
import {
  type Agents,
  checkRecheck,
  type Recoverable,
  type Repair,
  type RobustOptions,
} from "../robust/recovery.ts";
import { type AsyncWaitOptions, deadlineOf, isPast, type WaitOptions } from "../words.ts";
import { AGENT_MIN, cleanUp, GHOST, UNUSABLE, validateNamed, waitingReadersOf } from "./cleanup.ts";
import { BLOCK, CLAIMED, COUNT, DRAIN, layOut, READERS, WAITING, WRITERS, wordsFor } from "./layout.ts";
import { leftOf, WriterPhases } from "./phases.ts";
import { claimSlot, countFast, enterSlow, leaveSlow, readersOf } from "./readers.ts";

/** Options of {@link RobustPerWorkerRwSem}. */
export interface RobustPerWorkerRwSemOptions extends RobustOptions {
  /** As in `PerWorkerRwSem`. */
  readonly workersMax?: number;
}

/**
 * The robust form of `PerWorkerRwSem`: as cheap to read, and a worker may be terminated at any instruction.
 *
 * Every thread has joined the registry, uses this class, and gives each read back through the object it took it
 * with. The death of a reader is repaired silently. After that of a writer the next one that wants it repairs
 * first: with a `repair` function before it gets the semaphore, be it as a reader; with `"manual"` a writer
 * finds `ownerDied` set and calls `markConsistent()`, and a reader gets `EOWNERDEAD` until then. Given back unrepaired it is
 * unusable for everybody, for ever.
 *
 * The RCU domain must hear of deaths as well; this class tells it of those it finds, `registry.protect(rcu)` is prompt.
 *
 * Source: Linux kernel/locking/percpu-rwsem.c; for what a death means PTHREAD_MUTEX_ROBUST.
 */
export class RobustPerWorkerRwSem implements Recoverable {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #rcu: RcuDomain;
  readonly #agents: Agents;
  readonly #repair: Repair;
  readonly #recheckMs: number;
  readonly #writers: WriterPhases;
  /** Does this object hold it for writing, and under which id? 0 if not. */
  #writer = 0;
  /** First word of the slot, 0 until claimed. */
  #slot = 0;
  /** Agent that claimed it. */
  #slotOwner = 0;
  #mustRepair = false;

  /** Words a semaphore with `workersMax` slots occupies, default 32. */
  static words(workersMax?: number): number {
    return wordsFor("RobustPerWorkerRwSem", workersMax);
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the semaphore; a multiple of 16 keeps workers on separate cache lines
   * @param rcu - the same domain in every worker
   * @throws RangeError if the words lie outside the view, or an option is out of range; TypeError if `repair`
   * is missing; SyncError `EINVAL` if it exists with another `workersMax`
   */
  constructor(words: Int32Array, word: number, rcu: RcuDomain, options: RobustPerWorkerRwSemOptions) {
    const { agents, repair, recheckMs, workersMax } = options;
    if (typeof repair !== "function" && repair !== "manual") {
      throw new TypeError('RobustPerWorkerRwSem: repair must be a function or "manual"');
    }
    layOut("RobustPerWorkerRwSem", words, word, workersMax);
    this.#words = words;
    this.#base = word;
    this.#rcu = rcu;
    this.#agents = agents;
    this.#repair = repair;
    this.#recheckMs = checkRecheck("RobustPerWorkerRwSem", recheckMs);
    this.#writers = new WriterPhases(words, word, rcu, () => waitingReadersOf(words, word));
  }

  /** Does a writer hold it or wait for readers to leave, or did one die? May be out of date on return. */
  get isWriteLocked(): boolean {
    return this.#block !== 0;
  }

  /** How many read. May be out of date on return; counts fast readers of other workers late. */
  get readerCount(): number {
    return readersOf(this.#words, this.#base);
  }

  /** Agent id of the writer that holds it or waits for readers to leave, 0 if there is none. */
  get owner(): number {
    return this.#block >= AGENT_MIN ? this.#block : 0;
  }

  /** Has a writer died, and nobody repaired yet? Asked by the writer it is exact. */
  get ownerDied(): boolean {
    return this.#mustRepair || this.#block === GHOST;
  }

  /** Was it given back unrepaired? */
  get isUnusable(): boolean {
    return this.#block === UNUSABLE;
  }

  /**
   * Takes it for reading if that needs no waiting.
   *
   * @throws SyncError `ENOSPC` if all slots are taken by the living, `EINVAL` if this thread has not joined, and
   * after a death as {@link downRead}
   */
  tryDownRead(): boolean {
    const slot = this.#mySlot();
    if (this.#tryEnter(slot)) return true;
    this.#recover();
    this.#assertReadable("tryDownRead");
    return this.#tryEnter(slot);
  }

  /**
   * Takes it for reading, waiting for a writer to leave if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EOWNERDEAD` if a writer died and repair is `"manual"`; `ENOTRECOVERABLE` if it is
   * unusable; `EDEADLK` if this object writes, the words are not shared, or in a read section of the domain
   */
  downRead(options?: WaitOptions): boolean {
    const what = "RobustPerWorkerRwSem.downRead";
    const deadline = deadlineOf(what, options);
    if (this.tryDownRead()) return true;
    this.#assertMayWait(what);
    const slot = this.#beginWait();
    let isOver = false;
    try {
      isOver = this.#await(what, READERS, () => this.#tryReadOrInherit(slot), deadline);
    } finally {
      this.#endWait(slot);
    }
    if (!isOver || this.#writer === 0) return isOver;
    return this.#getReadersOut(what, deadline) && this.#goOnAsReader(slot);
  }

  /** The same without blocking the thread. Rejects with `EINTR` when it is aborted. */
  async downReadAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const what = "RobustPerWorkerRwSem.downReadAsync";
    const deadline = deadlineOf(what, options);
    if (this.tryDownRead()) return true;
    const signal = options?.signal;
    const slot = this.#beginWait();
    let way: "in" | "heir" | undefined;
    const attempt = (): boolean => {
      const isWriter = this.#writer !== 0; // another task's: it holds the semaphore, or waits for it
      if (!(isWriter ? this.#tryEnter(slot) : this.#tryReadOrInherit(slot))) return false;
      way = !isWriter && this.#writer !== 0 ? "heir" : "in";
      return true;
    };
    try {
      if (!(await this.#awaitAsync(what, READERS, attempt, deadline, signal))) return false;
    } finally {
      this.#endWait(slot);
    }
    if (way === "in") return true;
    return (await this.#getReadersOutAsync(what, deadline, signal)) && this.#goOnAsReader(slot);
  }

  /**
   * Ends a read.
   *
   * @throws SyncError `EPERM` if this object has none
   */
  upRead(): void {
    const slot = this.#slot;
    if (slot === 0 || Atomics.load(this.#words, slot + COUNT) <= 0) {
      throw new SyncError("EPERM", "RobustPerWorkerRwSem.upRead: this object has no read to end");
    }
    if (!countFast(this.#words, this.#base, this.#rcu, slot, -1)) leaveSlow(this.#words, this.#base, slot);
  }

  /**
   * Takes it for writing: waits for other writers, for a grace period if none has been about lately, and for the readers.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `ENOTRECOVERABLE` if it is unusable; `EDEADLK` if this object writes, in a read section of the
   * domain, or if it would have to wait on an `ArrayBuffer`; `EINVAL` if this thread has not joined
   */
  downWrite(options?: WaitOptions): boolean {
    const what = "RobustPerWorkerRwSem.downWrite";
    const deadline = deadlineOf(what, options);
    this.#assertMayWait(what);
    this.#recover();
    const attempt = (): boolean => this.#tryBlockOrInherit(what);
    return this.#await(what, WRITERS, attempt, deadline) && this.#getReadersOut(what, deadline);
  }

  /** The same without blocking the thread. Rejects with `EINTR` when it is aborted. */
  async downWriteAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const what = "RobustPerWorkerRwSem.downWriteAsync";
    const deadline = deadlineOf(what, options);
    const signal = options?.signal;
    this.#assertNotReading(what);
    this.#recover();
    const attempt = (): boolean => this.#writer === 0 && this.#tryBlockOrInherit(what);
    if (!(await this.#awaitAsync(what, WRITERS, attempt, deadline, signal))) return false;
    return await this.#getReadersOutAsync(what, deadline, signal);
  }

  /**
   * Gives it back after writing. If a writer had died and nothing was repaired, that makes it unusable.
   *
   * @throws SyncError `EPERM` if this object does not hold it for writing
   */
  upWrite(): void {
    this.#assertWriter("upWrite");
    if (this.#mustRepair) {
      this.#leaveBehind(UNUSABLE);
      return;
    }
    this.#writer = 0;
    this.#writers.unblock();
  }

  /**
   * Says that what it guards has been repaired after a writer's death.
   *
   * @throws SyncError `EPERM` if this object does not hold it for writing, `EINVAL` if no writer died
   */
  markConsistent(): void {
    this.#assertWriter("markConsistent");
    if (!this.#mustRepair) {
      throw new SyncError("EINVAL", "RobustPerWorkerRwSem.markConsistent: no writer died");
    }
    this.#mustRepair = false;
  }

  /**
   * Cleans up after the agent `id`, which never runs again. Those who wait do that by themselves, asleep for
   * `recheckMs` at most; for a prompt recovery `registry.protect` it in the thread that starts the others.
   *
   * @throws SyncError `EINVAL` for the id of this very agent
   */
  agentDied(id: number): boolean {
    if (id === this.#agents.self) {
      throw new SyncError("EINVAL", `RobustPerWorkerRwSem.agentDied: ${id} is the calling agent`);
    }
    const isKnown = this.#recover();
    this.#wakeAll(); // a wake-up may have died with it that no word tells of
    return isKnown;
  }

  /** Takes it for reading and returns a guard. @throws SyncError `ETIMEDOUT` if `timeoutMs` has passed */
  read(options?: WaitOptions): Guard {
    if (!this.downRead(options)) throw new SyncError("ETIMEDOUT", "RobustPerWorkerRwSem.read: timed out");
    return new Guard(() => this.upRead());
  }

  /** Takes it for writing and returns a guard. @throws SyncError `ETIMEDOUT` if `timeoutMs` has passed */
  write(options?: WaitOptions): Guard {
    if (!this.downWrite(options)) throw new SyncError("ETIMEDOUT", "RobustPerWorkerRwSem.write: timed out");
    return new Guard(() => this.upWrite());
  }

  /**
   * Gives the slot back, for another object to claim.
   *
   * @throws SyncError `EINVAL` if this object reads or writes
   */
  close(): void {
    const slot = this.#slot;
    if (this.#writer !== 0 || (slot !== 0 && Atomics.load(this.#words, slot + COUNT) !== 0)) {
      throw new SyncError("EINVAL", "RobustPerWorkerRwSem.close: this object reads or writes");
    }
    if (slot !== 0) Atomics.store(this.#words, slot + CLAIMED, 0);
    this.#slot = 0;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws an `Error` naming the words and values that break an invariant; exact only while nobody is at work. */
  validate(): void {
    validateNamed(this.#words, this.#base);
  }

  /** The state in words, for messages. */
  toString(): string {
    const block = this.#block;
    const names = ["open", "held by a ghost", "unusable"];
    const state = names[block] ?? `blocked by ${block}`;
    return `RobustPerWorkerRwSem(${state}, reading: ${this.readerCount}, waiting: ${waitingReadersOf(this.#words, this.#base)} R)`;
  }

  get #block(): number {
    return Atomics.load(this.#words, this.#base + BLOCK);
  }

  /** This object's slot; another one if its agent has left the registry and joined again. */
  #mySlot(): number {
    const self = this.#self();
    return this.#slot !== 0 && this.#slotOwner === self ? this.#slot : this.#claim(self);
  }

  #claim(self: number): number {
    const claim = (): number => claimSlot("RobustPerWorkerRwSem", this.#words, this.#base, self);
    try {
      this.#slot = claim();
    } catch (error) {
      if (!this.#recover()) throw error;
      this.#slot = claim();
    }
    this.#slotOwner = self;
    return this.#slot;
  }

  #tryEnter(slot: number): boolean {
    if (countFast(this.#words, this.#base, this.#rcu, slot, 1)) return true;
    return enterSlow(this.#words, this.#base, this.#rcu, slot);
  }

  #self(): number {
    const { self } = this.#agents;
    if (self !== 0) return self;
    throw new SyncError("EINVAL", "RobustPerWorkerRwSem: this thread has not joined the registry");
  }

  #beginWait(): number {
    this.#assertNotReading("RobustPerWorkerRwSem.downRead");
    const slot = this.#mySlot();
    Atomics.add(this.#words, slot + WAITING, 1);
    return slot;
  }

  #endWait(slot: number): void {
    Atomics.sub(this.#words, slot + WAITING, 1);
    this.#writers.endTurn();
  }

  #tryReadOrInherit(slot: number): boolean {
    this.#assertReadable("downRead");
    return this.#tryInherit() || this.#tryEnter(slot);
  }

  #tryBlockOrInherit(what: string): boolean {
    this.#assertUsable(what);
    if (this.#tryInherit()) return true;
    const self = this.#self();
    if (!this.#writers.tryBlock(self)) return false;
    this.#writer = self;
    return true;
  }

  #tryInherit(): boolean {
    const self = this.#self();
    if (Atomics.compareExchange(this.#words, this.#base + BLOCK, GHOST, self) !== GHOST) return false;
    this.#writer = self;
    this.#mustRepair = true;
    return true;
  }

  /** The second half of a write: BLOCK is set, and the readers have to leave. Gives BLOCK back if they do not. */
  #getReadersOut(what: string, deadline: number): boolean {
    const look = (): void => void this.#recover();
    try {
      const isSlow = this.#writers.makeSlow(deadline, this.#mustRepair, this.#recheckMs, look);
      const isEmpty = (): boolean => readersOf(this.#words, this.#base) === 0;
      if (isSlow && this.#await(what, DRAIN, isEmpty, deadline)) return this.#repairNow(what);
    } catch (error) {
      this.#giveUp();
      throw error;
    }
    this.#giveUp();
    return false;
  }

  async #getReadersOutAsync(
    what: string,
    deadline: number,
    signal: AsyncWaitOptions["signal"],
  ): Promise<boolean> {
    const look = (): void => void this.#recover();
    try {
      const isForced = this.#mustRepair;
      const isSlow = await this.#writers.makeSlowAsync(deadline, signal, isForced, this.#recheckMs, look);
      const isEmpty = (): boolean => readersOf(this.#words, this.#base) === 0;
      if (isSlow && (await this.#awaitAsync(what, DRAIN, isEmpty, deadline, signal))) {
        return this.#repairNow(what);
      }
    } catch (error) {
      this.#giveUp();
      throw error;
    }
    this.#giveUp();
    return false;
  }

  #repairNow(what: string): true {
    if (!this.#mustRepair || this.#repair === "manual") return true;
    try {
      this.#repair();
    } catch (cause) {
      this.#leaveBehind(UNUSABLE);
      throw unusable(what, cause);
    }
    this.#mustRepair = false;
    return true;
  }

  /** The heir came as a reader, and has repaired. */
  #goOnAsReader(slot: number): true {
    // By Atomics: MODE is SLOW, and stays so until unblock().
    Atomics.add(this.#words, slot + COUNT, 1);
    this.#writer = 0;
    this.#writers.unblock();
    return true;
  }

  /** Gives BLOCK back before having been inside; an heir leaves what it found. */
  #giveUp(): void {
    if (this.#writer === 0) return; // it has been left behind already
    if (this.#mustRepair) {
      this.#leaveBehind(GHOST);
      return;
    }
    this.#writer = 0;
    this.#writers.unblock();
  }

  #leaveBehind(block: number): void {
    this.#writer = 0;
    this.#mustRepair = false;
    Atomics.store(this.#words, this.#base + BLOCK, block);
    this.#wakeAll();
  }

  /** Cleans up after everybody who has died. @returns whether it found anything of theirs */
  #recover(): boolean {
    const isFound = cleanUp(this.#words, this.#base, this.#rcu, this.#agents);
    if (isFound) this.#wakeAll();
    return isFound;
  }

  #wakeAll(): void {
    this.#writers.endTurn();
    for (const events of [DRAIN, READERS, WRITERS]) wakeEvent(this.#words, this.#base + events);
  }

  #await(what: string, events: number, attempt: () => boolean, deadline: number): boolean {
    for (;;) {
      const timeoutMs = Math.min(this.#recheckMs, leftOf(deadline));
      if (awaitEvent(what, this.#words, this.#base + events, attempt, { timeoutMs })) return true;
      if (isPast(deadline)) return false;
      this.#recover();
    }
  }

  async #awaitAsync(
    what: string,
    events: number,
    attempt: () => boolean,
    deadline: number,
    signal: AsyncWaitOptions["signal"],
  ): Promise<boolean> {
    for (;;) {
      const options = { timeoutMs: Math.min(this.#recheckMs, leftOf(deadline)), signal };
      if (await awaitEventAsync(what, this.#words, this.#base + events, attempt, options)) return true;
      if (isPast(deadline)) return false;
      this.#recover();
    }
  }

  #assertUsable(what: string): void {
    if (this.#block === UNUSABLE) throw unusable(what);
  }

  #assertReadable(what: string): void {
    this.#assertUsable(what);
    if (this.#repair !== "manual" || this.#block !== GHOST) return;
    const message = `RobustPerWorkerRwSem.${what}: a writer died, and a writer has to repair first`;
    throw new SyncError("EOWNERDEAD", message);
  }

  #assertWriter(what: string): void {
    if (this.#writer !== 0 && this.#writer === this.#agents.self) return;
    throw new SyncError("EPERM", `RobustPerWorkerRwSem.${what}: this object does not write`);
  }

  #assertMayWait(what: string): void {
    if (this.#writer !== 0) throw new SyncError("EDEADLK", `${what}: this object holds it for writing`);
    this.#assertNotReading(what);
  }

  #assertNotReading(what: string): void {
    if (!this.#rcu.isReading) return;
    throw new SyncError("EDEADLK", `${what}: called in an RCU read section of the same agent`);
  }
}

function unusable(what: string, cause?: unknown): SyncError {
  const message = `${what}: a writer died, and what it guarded could not be repaired`;
  return new SyncError("ENOTRECOVERABLE", message, cause === undefined ? undefined : { cause });
}
