/*
 * SrcuDomain: RCU whose readers may sleep. Layout, memory order and the reason why it works are at the top of
 * srcu-grace-period.ts; how writers wait is in wait.ts, what one agent keeps in agent.ts.
 */
import { SyncError } from "../errors.ts";
import { currentAgentId } from "../threads/current.ts";
import { assertMayBlock } from "../words.ts";
import { type Agent, agentFor, announceAgentLeft, claimSlot, newAgent, releaseDead } from "./agent.ts";
import { checkAgentId, checkAgentsMax, claimAgentsMax } from "./check.ts";
import {
  AGENTS_HIGH,
  AGENTS_MAX,
  AGENTS_MAX_DEFAULT,
  CLAIMED,
  domainWords,
  GP_SEQ,
  slotWord,
} from "./layout.ts";
import {
  AWAITED_BIT,
  endSections,
  indexOf,
  isSrcuElapsed,
  LOCKS,
  ONE,
  openIn,
  requestSrcuCookie,
  UNLOCKS,
} from "./srcu-grace-period.ts";
import { SrcuSource } from "./srcu-source.ts";
import { throwIfStays } from "./validate.ts";
import { checkStall, SPINS, SPINS_EXPEDITED, type StallOptions, waitFor, waitForAsync } from "./wait.ts";

/** Options of {@link SrcuDomain}. */
export interface SrcuDomainOptions extends StallOptions {
  /** Agent slots, `1..4096`, as in `RcuDomain`. Default 32. */
  readonly agentsMax?: number;
  /** Id under which {@link SrcuDomain.agentDied} finds this agent; default the thread's id in its registry. */
  readonly agentId?: number;
}

/**
 * Sleepable RCU: a section may block, and may span an `await`; one agent can have any number of them open at
 * the same time, in different tasks. A section is named by the index that `readLock` returns.
 *
 * Every domain waits for its own readers only, so a slow reader of one does not hold up the others. Costs more
 * than `RcuDomain` on both sides.
 *
 * Locking: none. Constructing on zeroed words creates, constructing on the same words elsewhere attaches.
 * Source: Linux include/linux/srcu.h.
 */
export class SrcuDomain {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #stall: StallOptions;
  readonly #agentId: number | undefined;
  #agent: Agent;
  #source: SrcuSource;
  #isClosed = false;

  /** Words a domain with `agentsMax` slots occupies. */
  static words(agentsMax: number = AGENTS_MAX_DEFAULT): number {
    checkAgentsMax("SrcuDomain.words", agentsMax);
    return domainWords(agentsMax);
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the domain; a multiple of 16 keeps agents on separate cache lines
   * @throws RangeError if the words lie outside the view or an option outside its range
   * @throws SyncError `EINVAL` if the domain exists with another `agentsMax`
   */
  constructor(words: Int32Array, word: number, options?: SrcuDomainOptions) {
    this.#stall = checkStall("SrcuDomain", options);
    this.#agentId = options?.agentId;
    if (this.#agentId !== undefined) checkAgentId("SrcuDomain: agentId", this.#agentId);
    claimAgentsMax("SrcuDomain", words, word, options?.agentsMax);
    this.#words = words;
    this.#base = word;
    this.#agent = agentFor(words, word, "srcu");
    this.#agent.users++;
    this.#source = new SrcuSource(this.#agent);
  }

  /** How many agents can use the domain at the same time. */
  get agentsMax(): number {
    return Atomics.load(this.#words, this.#base + AGENTS_MAX);
  }

  /**
   * Begins a section. Never waits. Cost: an Atomics load and an add.
   *
   * @returns the index to hand to {@link readUnlock}, in the same agent
   * @throws SyncError `ENOSPC` if this is the agent's first section and all slots are taken; `EINVAL` if closed
   */
  readLock(): 0 | 1 {
    const slot = this.#agent.slot === 0 ? this.#claim() : this.#agent.slot;
    const index = indexOf(Atomics.load(this.#words, this.#base + GP_SEQ));
    Atomics.add(this.#words, slot + LOCKS + index, ONE);
    return index;
  }

  /**
   * Ends a section. Cost: an Atomics add; a notify only if a writer waits for this agent.
   *
   * @param index - what {@link readLock} has returned
   * @throws SyncError `EPERM` if this agent has no section open under `index`
   */
  readUnlock(index: number): void {
    if (index !== 0 && index !== 1) {
      throw new RangeError(`SrcuDomain.readUnlock: index must be a result of readLock(), got ${index}`);
    }
    const { slot } = this.#agent;
    const words = this.#words;
    // plain: only this agent changes its counts, others at most the AWAITED bit
    const ended = words[slot + UNLOCKS + index] & ~AWAITED_BIT;
    if (slot === 0 || words[slot + LOCKS + index] === ended) {
      throw new SyncError("EPERM", `SrcuDomain.readUnlock: no section is open under index ${index}`);
    }
    if ((Atomics.add(words, slot + UNLOCKS + index, ONE) & AWAITED_BIT) !== 0) this.#leave(slot, index);
  }

  /** Runs `fn` in a section, which ends when the promise `fn` returns is settled. */
  async read<T>(fn: () => T | PromiseLike<T>): Promise<T> {
    const index = this.readLock();
    try {
      return await fn();
    } finally {
      this.readUnlock(index);
    }
  }

  /** Sections this agent has open. */
  get openSections(): number {
    const { slot } = this.#agent;
    if (slot === 0) return 0;
    return (openIn(this.#words, slot, 0) + openIn(this.#words, slot, 1)) / ONE;
  }

  /** Names a grace period that begins now, to be asked for with {@link poll}. Allowed inside a section. */
  cookie(): number {
    this.#assertOpen("cookie");
    return requestSrcuCookie(this.#words, this.#base);
  }

  /**
   * Has a full grace period elapsed since `cookie` was taken? Moves grace periods on if readers allow. Never
   * waits and runs no callbacks.
   */
  poll(cookie: number): boolean {
    if (!Number.isInteger(cookie)) {
      throw new RangeError(`SrcuDomain.poll: cookie must be a result of cookie(), got ${cookie}`);
    }
    return (
      isSrcuElapsed(Atomics.load(this.#words, this.#base + GP_SEQ), cookie) || this.#source.advance(cookie)
    );
  }

  /**
   * Waits until every section open at the time of the call, in any agent, has ended; then runs this agent's
   * callbacks that are due.
   *
   * @throws SyncError `EDEADLK` while this agent has a section open, in whichever task: a blocked thread could
   * not end it; `EWOULDBLOCK` where blocking is forbidden
   */
  synchronize(): void {
    this.#assertMayWait("synchronize");
    this.#waitCookie(this.cookie(), SPINS);
    this.runCallbacks();
  }

  /** The same for a caller in a hurry: looks for some hundred microseconds before it sleeps, runs no callbacks. */
  synchronizeExpedited(): void {
    this.#assertMayWait("synchronizeExpedited");
    this.#waitCookie(this.cookie(), SPINS_EXPEDITED);
  }

  /**
   * The same as {@link synchronize} without blocking the thread; other tasks of this agent may have sections
   * open. A task that awaits it inside its own section waits forever.
   */
  async synchronizeAsync(): Promise<void> {
    const cookie = this.cookie();
    if (!this.poll(cookie)) await waitForAsync(this.#source, cookie, this.#stall);
    this.runCallbacks();
  }

  /** Waits until a full grace period has elapsed since `cookie`; if it has, it never throws `EDEADLK`. */
  waitCookie(cookie: number): void {
    this.#waitCookie(cookie, SPINS);
  }

  /** Runs `fn` in this agent once a grace period has elapsed, from a later call as in `RcuDomain.call`. */
  call(fn: () => void): void {
    this.#agent.callbacks.push(this.cookie(), fn);
  }

  /** Callbacks of this agent that have not run. */
  get pendingCallbacks(): number {
    return this.#agent.callbacks.length;
  }

  /** Runs this agent's callbacks that are due, at most `limit`. @returns how many have run */
  runCallbacks(limit: number = Number.POSITIVE_INFINITY): number {
    if (!(limit >= 1)) throw new RangeError(`SrcuDomain.runCallbacks: limit must be >= 1, got ${limit}`);
    return this.#agent.callbacks.run((cookie) => this.poll(cookie), limit);
  }

  /**
   * Waits until every callback this agent has queued before has run.
   *
   * @throws SyncError `EDEADLK` while this agent has a section open, or in a callback
   */
  barrier(): void {
    this.#assertMayWait("barrier");
    const { callbacks } = this.#agent;
    if (callbacks.isRunning) throw new SyncError("EDEADLK", "SrcuDomain.barrier: called from a callback");
    const last = callbacks.lastCookie;
    if (last === undefined) return;
    this.#waitCookie(last, SPINS);
    this.runCallbacks();
  }

  /**
   * Says that the agent with this id will never run again: its sections are over and its slot is free. Any
   * agents may call it, several for the same death.
   *
   * @returns whether it had a slot here
   * @throws SyncError `EINVAL` for the id of this very agent
   */
  agentDied(id: number): boolean {
    checkAgentId("SrcuDomain.agentDied: id", id);
    const own = this.#ownId();
    if (id === own) throw new SyncError("EINVAL", `SrcuDomain.agentDied: ${id} is the calling agent`);
    return releaseDead(this.#words, this.#base, id, own, endSections);
  }

  /**
   * Gives the agent's slot back once every SrcuDomain of this agent on these words is closed. Callbacks that
   * have not run are run first, which may wait.
   *
   * @throws SyncError `EDEADLK` while this agent has a section open
   */
  close(): void {
    if (this.#isClosed) return;
    this.#assertMayWait("close");
    const agent = this.#agent;
    if (agent.users === 1) {
      this.barrier();
      // The counts stay: the next owner of the slot counts on from there.
      if (agent.slot !== 0) Atomics.store(this.#words, agent.slot + CLAIMED, 0);
      agent.slot = 0;
    }
    agent.users--;
    this.#agent = newAgent(this.#words, this.#base, "srcu");
    this.#source = new SrcuSource(this.#agent);
    this.#isClosed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of an SRCU domain. */
  validate(): void {
    const high = Atomics.load(this.#words, this.#base + AGENTS_HIGH);
    if (high < 0 || high > this.agentsMax) {
      throw new Error(`SrcuDomain: AGENTS_HIGH is ${high}, above ${this.agentsMax}`);
    }
    const seq = Atomics.load(this.#words, this.#base + GP_SEQ);
    if ((seq & 3) === 3) throw new Error(`SrcuDomain: SEQ is ${seq}, in phase 3`);
    for (let index = 0; index < this.agentsMax; index++) throwIfStays(() => this.#checkSlot(index));
  }

  /** The state in words, for messages. */
  toString(): string {
    const seq = Atomics.load(this.#words, this.#base + GP_SEQ);
    const phase = ["idle", "waits for latecomers", "waits for readers"][seq & 3] ?? "broken";
    return `SrcuDomain(grace periods ${seq >>> 2}, ${phase}, own sections: ${this.openSections})`;
  }

  #checkSlot(index: number): string | undefined {
    const slot = slotWord(this.#base, index);
    const high = Atomics.load(this.#words, this.#base + AGENTS_HIGH);
    const isFree = Atomics.load(this.#words, slot + CLAIMED) === 0 || index >= high;
    for (const side of [0, 1]) {
      const open = openIn(this.#words, slot, side) / ONE;
      if (open < 0 || (isFree && open > 0))
        return `SrcuDomain: agent ${index} at word ${slot} has ${open} sections open under ${side}`;
    }
    return undefined;
  }

  #claim(): number {
    this.#assertOpen("readLock");
    this.#agent.slot = claimSlot("SrcuDomain", this.#words, this.#base, this.#ownId());
    return this.#agent.slot;
  }

  #leave(slot: number, index: number): void {
    Atomics.and(this.#words, slot + UNLOCKS + index, ~AWAITED_BIT);
    announceAgentLeft(this.#agent);
  }

  #ownId(): number {
    return this.#agentId ?? currentAgentId();
  }

  #waitCookie(cookie: number, spins: number): void {
    if (this.poll(cookie)) return;
    this.#assertMayWait("waitCookie");
    assertMayBlock("SrcuDomain.waitCookie", this.#words, "synchronizeAsync or poll");
    waitFor(this.#source, cookie, spins, this.#stall);
  }

  #assertOpen(what: string): void {
    if (this.#isClosed)
      throw new SyncError("EINVAL", `SrcuDomain.${what}: the domain is closed in this agent`);
  }

  #assertMayWait(what: string): void {
    this.#assertOpen(what);
    if (this.openSections > 0) {
      throw new SyncError("EDEADLK", `SrcuDomain.${what}: a section of the same agent is open`);
    }
  }
}
