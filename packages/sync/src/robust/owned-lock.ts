/*
 * What robust locks with one holder have in common: the word that names the owner, and its way through deaths.
 *
 *   bits     STATE
 *   0-29     owner's agent id | 0 free | 1 unusable
 *   30       OWNER_DIED  what the lock guards is not repaired yet
 *   31       WAITERS     somebody may be waiting
 *
 *   id                 → the owner dies →   OWNER_DIED        free for the next, who is told
 *   OWNER_DIED         → lock           →   id | OWNER_DIED   the next repairs; should it die: as above
 *   id | OWNER_DIED    → markConsistent →   id
 *   id | OWNER_DIED    → unlock         →   UNUSABLE          and everybody who waits is told
 *
 * WAITERS may be set in each of them. Memory order: every access is a sequentially consistent Atomics
 * operation. What the dead owner wrote before it died is seen by the next: the report of its death comes after
 * the thread has ended, and the one who recovers writes the word that the next owner takes.
 */
import { SyncError } from "../errors.ts";
import { ExclusiveLock } from "../exclusive-lock.ts";
import type { AsyncWaitOptions, WaitOptions } from "../words.ts";
import { RobustGuard } from "./guard.ts";
import {
  type Agents,
  checkRecheck,
  OWNER_DIED,
  OWNER_MASK,
  type Recoverable,
  type Repair,
  type RobustOptions,
  UNUSABLE,
  WAITERS,
} from "./recovery.ts";

/** A robust lock with one holder. */
export abstract class OwnedLock extends ExclusiveLock implements Recoverable {
  protected override readonly words: Int32Array;
  /** The word with the owner. */
  protected readonly state: number;
  protected readonly agents: Agents;
  protected readonly recheckMs: number;
  readonly #repair: Repair;

  constructor(words: Int32Array, state: number, { agents, repair, recheckMs }: RobustOptions) {
    super();
    if (typeof agents?.isAlive !== "function") throw new TypeError("robust lock: agents must be a registry");
    if (typeof repair !== "function" && repair !== "manual") {
      throw new TypeError('robust lock: repair must be a function or "manual"');
    }
    this.words = words;
    this.state = state;
    this.agents = agents;
    this.recheckMs = checkRecheck("robust lock", recheckMs);
    this.#repair = repair;
  }

  /** Wakes everybody who waits, to look again. */
  protected abstract wakeAll(): void;

  /** Cleans up what else than STATE names the dead agent. @returns whether something did */
  protected abstract recoverWaiters(id: number): boolean;

  /** Is it held by anybody? May be out of date on return. */
  override get isLocked(): boolean {
    return (this.load() & OWNER_MASK) > UNUSABLE;
  }

  /** Agent id of the holder, 0 if there is none. May be out of date on return. */
  get owner(): number {
    const owner = this.load() & OWNER_MASK;
    return owner === UNUSABLE ? 0 : owner;
  }

  /** Does the lock's state stem from an owner that died, unrepaired? Asked by the holder it is exact. */
  get ownerDied(): boolean {
    return (this.load() & OWNER_DIED) !== 0;
  }

  /** Was it given back unrepaired? Then nobody will get it any more. */
  get isUnusable(): boolean {
    return (this.load() & OWNER_MASK) === UNUSABLE;
  }

  /**
   * Says that what the lock guards has been repaired after the last owner's death.
   *
   * @throws SyncError `EPERM` if this agent does not hold it, `EINVAL` if no owner died
   */
  markConsistent(): void {
    const state = this.load();
    this.assertOwner("markConsistent", state);
    if ((state & OWNER_DIED) === 0) {
      throw new SyncError("EINVAL", `${this.kind}.markConsistent: no owner died`);
    }
    Atomics.and(this.words, this.state, ~OWNER_DIED);
  }

  /**
   * Recovers the lock if the agent, which never runs again, held it, and wakes everybody who waits. Waiters do
   * that by themselves within 100 ms; for a prompt recovery `registry.protect(lock)` in the thread that starts the others.
   *
   * @throws SyncError `EINVAL` for the id of this very agent
   */
  agentDied(id: number): boolean {
    if (id === this.agents.self) {
      throw new SyncError("EINVAL", `${this.kind}.agentDied: ${id} is the calling agent`);
    }
    const hadWaiters = this.recoverWaiters(id);
    const wasHeld = this.#disown(id);
    this.wakeAll();
    return wasHeld || hadWaiters;
  }

  /**
   * Throws if this agent does not hold it.
   *
   * @param what - names the caller in the message
   * @throws SyncError `EPERM`
   */
  assertHeld(what: string = "assertHeld"): void {
    this.assertOwner(what, this.load());
  }

  override acquire(options?: WaitOptions): RobustGuard {
    super.acquire(options);
    return new RobustGuard(this);
  }

  override async acquireAsync(options?: AsyncWaitOptions): Promise<RobustGuard> {
    await super.acquireAsync(options);
    return new RobustGuard(this);
  }

  /** Id of the calling agent. @throws SyncError `EINVAL` if it has none */
  protected self(): number {
    const id = this.agents.self;
    if (id === 0) throw new SyncError("EINVAL", `${this.kind}: this thread has not joined the registry`);
    return id;
  }

  protected load(): number {
    return Atomics.load(this.words, this.state);
  }

  protected replace(expected: number, state: number): boolean {
    return Atomics.compareExchange(this.words, this.state, expected, state) === expected;
  }

  /**
   * Takes the lock if nobody who lives holds it.
   *
   * @param flags - left in the word besides the owner
   * @throws SyncError `ENOTRECOVERABLE` if it is unusable
   */
  protected take(flags: number): boolean {
    for (;;) {
      const state = this.load();
      const owner = state & OWNER_MASK;
      if (owner === 0) {
        if (!this.replace(state, state | this.self() | flags)) continue;
        if ((state & OWNER_DIED) !== 0) this.#inherit();
        return true;
      }
      if (owner === UNUSABLE) throw this.#unusable("lock");
      if (this.agents.isAlive(owner)) return false;
      this.agentDied(owner);
    }
  }

  /** @throws SyncError `EDEADLK` if this agent holds it already: nobody else could give it back while it blocks */
  protected assertNotOwner(what: string): void {
    if ((this.load() & OWNER_MASK) === this.self()) {
      throw new SyncError("EDEADLK", `${this.kind}.${what}: this agent holds it already`);
    }
  }

  /** @throws SyncError `EPERM` if this agent does not hold it */
  protected assertOwner(what: string, state: number): void {
    const owner = state & OWNER_MASK;
    if (owner > UNUSABLE && owner === this.agents.self) return;
    const who = owner > UNUSABLE ? `agent ${owner} holds it` : "nobody holds it";
    throw new SyncError("EPERM", `${this.kind}.${what}: ${who}`);
  }

  /** The holder gives it back for ever. */
  protected abandon(): void {
    Atomics.store(this.words, this.state, UNUSABLE);
    this.wakeAll();
  }

  /** Throws if STATE is none. */
  protected validateState(): void {
    const state = this.load();
    const owner = state & OWNER_MASK;
    if (owner === UNUSABLE && (state & OWNER_DIED) !== 0) {
      throw new Error(`${this.kind}: STATE is unusable and to be repaired`);
    }
    if (owner > UNUSABLE && owner < 1024) throw new Error(`${this.kind}: STATE names owner ${owner}`);
  }

  protected describe(): string {
    const state = this.load();
    const owner = state & OWNER_MASK;
    if (owner === UNUSABLE) return "unusable";
    return `${owner === 0 ? "free" : `held by ${owner}`}${(state & OWNER_DIED) !== 0 ? ", owner died" : ""}`;
  }

  #disown(id: number): boolean {
    for (let state = this.load(); (state & OWNER_MASK) === id && id > UNUSABLE; state = this.load()) {
      if (this.replace(state, (state & WAITERS) | OWNER_DIED)) return true;
    }
    return false;
  }

  /** The new owner has the lock of a dead one. */
  #inherit(): void {
    if (this.#repair === "manual") return;
    try {
      this.#repair();
    } catch (cause) {
      this.abandon();
      throw this.#unusable("repair", cause);
    }
    this.markConsistent();
  }

  #unusable(what: string, cause?: unknown): SyncError {
    const message = `${this.kind}.${what}: an owner died, and what it guarded could not be repaired`;
    return new SyncError("ENOTRECOVERABLE", message, cause === undefined ? undefined : { cause });
  }
}
