/*
 * RcuDomain: the public face. Layout in layout.ts, memory-order argument in grace-period.ts, slots in agent.ts,
 * how writers wait in wait.ts.
 *
 * Flavour `mb` (of user-space RCU): a reader announces itself with a sequentially consistent store, so a
 * writer needs no help from the operating system to know who is reading. An agent that is not in a read
 * section holds nobody up, whatever it does. Flavour `qsbr`: see qsbr.ts. The flavour is each agent's own
 * choice, writers cannot tell them apart.
 */
import { SyncError } from "../errors.ts";
import { Guard } from "../guard.ts";
import { currentAgentId } from "../threads/current.ts";
import { assertMayBlock, checkWords } from "../words.ts";
import {
  type Agent,
  adoptAgent,
  agentFor,
  announceAgentLeft,
  claimSlot,
  DEPTH_MB,
  DEPTH_OFFLINE,
  endReading,
  newAgent,
  type RcuFlavour,
  releaseDead,
  releaseSlot,
} from "./agent.ts";
import { checkAgentId, checkAgentsMax, claimAgentsMax } from "./check.ts";
import { isElapsed, requestCookie, snapshotOf } from "./grace-period.ts";
import {
  AGENTS_HIGH,
  AGENTS_MAX,
  AGENTS_MAX_DEFAULT,
  AWAITED,
  DEPTH,
  domainWords,
  GP_SEQ,
  HEADER_WORDS,
  IDLE,
  OFFLINE,
  STATE,
  slotWord,
} from "./layout.ts";
import { enterOnline, goOffline, quiesce, SPANNED, unlockSlow } from "./qsbr.ts";
import { RcuSource } from "./source.ts";
import { validateDomain } from "./validate.ts";
import { checkStall, SPINS, SPINS_EXPEDITED, type StallOptions, waitFor, waitForAsync } from "./wait.ts";

/** Options of {@link RcuDomain}. */
export interface RcuDomainOptions extends StallOptions {
  /**
   * Agent slots, `1..4096`: how many threads can use the domain at the same time. Who constructs a domain
   * on zeroed words decides; who attaches may leave it out. Default 32.
   */
  readonly agentsMax?: number;
  /**
   * How this agent reads. `mb`: every section announces itself, any agent, any time. `qsbr`: sections cost no
   * Atomics, but must end in the event-loop turn they began in, and an agent that runs long without returning
   * to its event loop calls {@link RcuDomain.quiescentState}. Agents of both may share a domain; two objects
   * of one agent have the same. Default `mb`, or what this agent has chosen before.
   */
  readonly flavour?: RcuFlavour;
  /** Id under which {@link RcuDomain.agentDied} finds this agent; default the thread's id in its registry. */
  readonly agentId?: number;
}

/**
 * Read-copy update: readers that never wait, and writers that know when nobody can still see what they
 * have replaced.
 *
 * Constructing on zeroed words creates the domain, constructing on the same words in another agent attaches
 * to it. An agent's slot is claimed on its first read section.
 *
 * Locking: none. Any agent may call anything at any time, except that waiting inside a read section is a
 * deadlock and refused. Source: Linux include/linux/rcupdate.h for the contract, liburcu for the flavour.
 */
export class RcuDomain {
  readonly #base: number;
  readonly #stall: StallOptions;
  readonly #agentId: number | undefined;
  /** This agent's record; after close() one that nobody shares, in which no section is open. */
  #agent: Agent;
  #source: RcuSource;
  #words: Int32Array;
  /** The agent's slot, 0 until claimed: a copy of `#agent.slot` that saves the read path one load. */
  #slot = 0;
  #isClosed = false;

  /** Words a domain with `agentsMax` slots occupies. */
  static words(agentsMax: number = AGENTS_MAX_DEFAULT): number {
    checkAgentsMax("RcuDomain.words", agentsMax);
    return domainWords(agentsMax);
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the domain; a multiple of 16 keeps agents on separate cache lines
   * @throws RangeError if the words lie outside the view or an option outside its range
   * @throws SyncError `EINVAL` if the domain exists with another `agentsMax`, or this agent uses it with
   * another flavour
   */
  constructor(words: Int32Array, word: number, options?: RcuDomainOptions) {
    this.#stall = checkStall("RcuDomain", options);
    this.#agentId = options?.agentId;
    if (this.#agentId !== undefined) checkAgentId("RcuDomain: agentId", this.#agentId);
    checkFlavour(options?.flavour);
    claimAgentsMax("RcuDomain", words, word, options?.agentsMax);
    this.#words = words;
    this.#base = word;
    this.#agent = agentFor(words, word, options?.flavour);
    this.#agent.users++;
    this.#source = new RcuSource(this.#agent);
  }

  /** How many agents can use the domain at the same time. */
  get agentsMax(): number {
    return Atomics.load(this.#words, this.#base + AGENTS_MAX);
  }

  /** How this agent reads. */
  get flavour(): RcuFlavour {
    return this.#agent.flavour === "qsbr" ? "qsbr" : "mb";
  }

  /**
   * Enters a read section; sections nest. What is reachable from a pointer loaded (with `Atomics.load`)
   * inside stays valid until the outermost `readUnlock()`. Never waits.
   *
   * Cost: one Atomics load and one store; nested, no Atomics at all. In flavour qsbr that is the cost of the
   * first section of a turn, or after a call that blocked; all others are an addition to a field.
   *
   * @throws SyncError `ENOSPC` if this is the agent's first section and all slots are taken; `EINVAL` if the
   * agent is offline or the domain closed
   */
  readLock(): void {
    const agent = this.#agent;
    const nesting = agent.depth;
    if (nesting >= 0) {
      agent.depth = nesting + 1;
      return;
    }
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
    if (nesting === DEPTH_OFFLINE) {
      enterOnline(agent);
      return;
    }
    const words = this.#words;
    const depth = words[slot + DEPTH]; // plain: only this agent touches its DEPTH
    if (depth !== 0) {
      this.#nest(slot, depth);
      return;
    }
    words[slot + DEPTH] = 1;
    Atomics.store(words, slot + STATE, snapshotOf(Atomics.load(words, this.#base + GP_SEQ)));
  }

  /**
   * Leaves a read section. Cost: one Atomics exchange; a notify only if a writer waits for this section.
   *
   * In flavour qsbr it is a subtraction from a field.
   *
   * @throws SyncError `EPERM` outside every read section; `EINVAL` in flavour qsbr if the section spanned an
   * `await`: it has ended all the same, and was protected until now
   */
  readUnlock(): void {
    const agent = this.#agent;
    const nesting = agent.depth;
    if (nesting > 0 && nesting <= SPANNED) {
      agent.depth = nesting - 1;
      return;
    }
    if (nesting !== DEPTH_MB) {
      unlockSlow(agent);
      return;
    }
    const words = this.#words;
    const slot = agent.slot;
    const depth = slot === 0 ? 0 : words[slot + DEPTH];
    if (depth < 1) throw new SyncError("EPERM", "RcuDomain.readUnlock: not in a read section");
    words[slot + DEPTH] = depth - 1;
    if (depth === 1 && Atomics.exchange(words, slot + STATE, IDLE) === AWAITED) announceAgentLeft(agent);
  }

  /** Runs `fn` in a read section and returns its result. `fn` must not be async: the section ends with the call. */
  read<T>(fn: () => T): T {
    this.readLock();
    try {
      return fn();
    } finally {
      this.readUnlock();
    }
  }

  /** Enters a read section and returns a guard that leaves it. */
  enter(): Guard {
    this.readLock();
    return new Guard(() => this.readUnlock());
  }

  /** Is this agent in a read section? */
  get isReading(): boolean {
    const { slot, depth } = this.#agent;
    return depth > 0 || (slot !== 0 && this.#words[slot + DEPTH] > 0);
  }

  /**
   * Says that this agent is in no read section: all it has read so far, no writer waits for any longer. For
   * flavour qsbr in code that neither returns to its event loop nor blocks; in flavour mb it does nothing.
   *
   * Cost: one Atomics load; if a grace period has begun or ended since the last time, also an exchange.
   *
   * @throws SyncError `EDEADLK` in a read section
   */
  quiescentState(): void {
    this.#assertMayWait("quiescentState");
    if (this.#agent.depth === 0) quiesce(this.#agent);
  }

  /**
   * Names a grace period that begins now: take it after unpublishing, then ask {@link poll}.
   * Allowed inside a read section. Cost: two Atomics operations.
   *
   * @returns an opaque integer, valid in every agent of the domain
   */
  cookie(): number {
    this.#assertOpen("cookie");
    return requestCookie(this.#words, this.#base);
  }

  /**
   * Has a full grace period elapsed since `cookie` was taken? Moves grace periods on if readers allow, so
   * polling alone makes progress. Never waits and runs no callbacks: fine with any lock held, and inside a
   * read section, where it is `false` unless the grace period has ended before.
   *
   * Cost: one Atomics load if the answer is yes, else one per agent slot in use.
   */
  poll(cookie: number): boolean {
    if (!Number.isInteger(cookie)) {
      throw new RangeError(`RcuDomain.poll: cookie must be a result of cookie(), got ${cookie}`);
    }
    // A call outside every section is a quiescent state. If not, an agent would hold up its own poll.
    if (isElapsed(Atomics.load(this.#words, this.#base + GP_SEQ), cookie)) return true;
    if (this.#agent.depth === 0) goOffline(this.#agent);
    return this.#source.advance(cookie);
  }

  /**
   * Waits until a full grace period has elapsed since `cookie` was taken.
   *
   * @throws SyncError `EDEADLK` in a read section of this agent, unless it has elapsed already
   */
  waitCookie(cookie: number): void {
    this.#waitCookie(cookie, SPINS);
  }

  /**
   * Waits until every read section open at the time of the call, in any agent, has ended. Then runs this
   * agent's callbacks that are due. Sections that begin later are not waited for.
   *
   * @throws SyncError `EDEADLK` inside a read section of this agent; `EWOULDBLOCK` where blocking is forbidden
   */
  synchronize(): void {
    this.#assertMayWait("synchronize");
    this.waitCookie(this.cookie());
    this.runCallbacks();
  }

  /**
   * The same for a caller in a hurry: it looks for some hundred microseconds before it sleeps, which costs a
   * processor but saves the wake-up, and runs no callbacks. Readers are not disturbed.
   *
   * @throws SyncError as {@link synchronize}
   */
  synchronizeExpedited(): void {
    this.#assertMayWait("synchronizeExpedited");
    this.#waitCookie(this.cookie(), SPINS_EXPEDITED);
  }

  /**
   * The same as {@link synchronize} without blocking the thread. The caller may be in a read section, and must leave it without
   * awaiting the promise inside.
   */
  async synchronizeAsync(): Promise<void> {
    const cookie = this.cookie();
    if (!this.poll(cookie)) await waitForAsync(this.#source, cookie, this.#stall);
    this.runCallbacks();
  }

  /**
   * Runs `fn` in this agent once a grace period has elapsed: from a later `runCallbacks`, `synchronize`,
   * `synchronizeAsync`, `barrier` or `close`, so never under a lock that the caller of `call` holds. An agent
   * that does none of these keeps its callbacks. Does not wait.
   *
   * Callbacks queued during the same grace period are one batch: they share a cookie, and one poll is enough
   * for all of them. Cost: one Atomics load, two for the first of a batch.
   */
  call(fn: () => void): void {
    this.#assertOpen("call");
    const { callbacks } = this.#agent;
    const seq = Atomics.load(this.#words, this.#base + GP_SEQ);
    const next = (seq + 3) | 0;
    // The grace period in progress is the one that was when the last callback came: it needs no new request.
    const isSameBatch = (seq & 1) === 1 && callbacks.lastCookie === next;
    callbacks.push(isSameBatch ? next : requestCookie(this.#words, this.#base), fn);
  }

  /** Callbacks of this agent that have not run. */
  get pendingCallbacks(): number {
    return this.#agent.callbacks.length;
  }

  /**
   * Runs this agent's callbacks whose grace period has elapsed, in the order of `call`.
   * If one throws, it is dropped, the others stay queued, and the error goes to the caller.
   *
   * @param limit - run at most so many, `>= 1`: for callers who must not be held up by a flood
   * @returns how many have run; 0 inside a callback
   */
  runCallbacks(limit: number = Number.POSITIVE_INFINITY): number {
    if (!(limit >= 1)) throw new RangeError(`RcuDomain.runCallbacks: limit must be >= 1, got ${limit}`);
    return this.#agent.callbacks.run((cookie) => this.poll(cookie), limit);
  }

  /**
   * Waits until every callback this agent has queued before has run; they run here. Other agents run their
   * own. Callbacks queued by those callbacks are not waited for.
   *
   * @throws SyncError `EDEADLK` inside a read section or a callback
   */
  barrier(): void {
    this.#assertMayWait("barrier");
    const { callbacks } = this.#agent;
    if (callbacks.isRunning) throw new SyncError("EDEADLK", "RcuDomain.barrier: called from a callback");
    const last = callbacks.lastCookie;
    if (last === undefined) return;
    this.waitCookie(last);
    this.runCallbacks();
  }

  /**
   * Declares that this agent will not read until `online()`; `readLock` then throws. In flavour mb an idle
   * agent holds nobody up, so this is a check; in flavour qsbr it is for code that blocks by other means than
   * this package, a bare `Atomics.wait` for example.
   *
   * @throws SyncError `EDEADLK` inside a read section
   */
  offline(): void {
    this.#assertMayWait("offline");
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
    goOffline(this.#agent);
    this.#words[slot + DEPTH] = OFFLINE;
  }

  /** Ends `offline()`; does nothing if the agent is online. */
  online(): void {
    const slot = this.#agent.slot;
    if (slot !== 0 && this.#words[slot + DEPTH] === OFFLINE) this.#words[slot + DEPTH] = 0;
  }

  /**
   * Goes on with words that were copied to a larger buffer, or with a longer view of the same buffer.
   * The agent's slot, open sections and queued callbacks carry over. Copy the words first.
   */
  rebind(words: Int32Array): void {
    checkWords("RcuDomain.rebind", words, this.#base, HEADER_WORDS);
    const agentsMax = Atomics.load(words, this.#base + AGENTS_MAX);
    if (agentsMax !== this.agentsMax) {
      throw new SyncError(
        "EINVAL",
        `RcuDomain.rebind: agentsMax is ${agentsMax} in the new words, not ${this.agentsMax}`,
      );
    }
    checkWords("RcuDomain.rebind", words, this.#base, domainWords(agentsMax));
    adoptAgent(words, this.#agent);
    this.#words = words;
  }

  /**
   * Gives the agent's slot back once every RcuDomain of this agent on these words is closed. A worker calls
   * it before it ends. Callbacks that have not run are run first, which may wait.
   *
   * @throws SyncError `EDEADLK` inside a read section
   */
  close(): void {
    if (this.#isClosed) return;
    this.#assertMayWait("close");
    const agent = this.#agent;
    if (agent.users === 1) {
      this.barrier();
      goOffline(agent);
      if (agent.slot !== 0) releaseSlot(this.#words, agent.slot);
      agent.slot = 0;
    }
    agent.users--;
    this.#agent = newAgent(this.#words, this.#base, agent.flavour);
    this.#source = new RcuSource(this.#agent);
    this.#slot = 0;
    this.#isClosed = true;
  }

  /**
   * Says that the agent with this id will never run again: writers stop waiting for it and its slot is free.
   * Any agents may call it, several for the same death; ids have a generation, so nobody else is hit. Use it
   * as a death hook of the thread registry. Its callbacks are lost.
   *
   * @returns whether it had a slot here
   * @throws SyncError `EINVAL` for the id of this very agent
   */
  agentDied(id: number): boolean {
    checkAgentId("RcuDomain.agentDied: id", id);
    const own = this.#ownId();
    if (id === own) throw new SyncError("EINVAL", `RcuDomain.agentDied: ${id} is the calling agent`);
    return releaseDead(this.#words, this.#base, id, own, endReading);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of an RCU domain. */
  validate(): void {
    validateDomain(this.#words, this.#base, this.#agent);
  }

  /** The state in words, for messages. */
  toString(): string {
    const seq = Atomics.load(this.#words, this.#base + GP_SEQ);
    const readers: string[] = [];
    for (let index = 0; index < Atomics.load(this.#words, this.#base + AGENTS_HIGH); index++) {
      if (Atomics.load(this.#words, slotWord(this.#base, index) + STATE) !== IDLE) readers.push(`${index}`);
    }
    const phase = (seq & 1) === 0 ? "idle" : "in progress";
    return `RcuDomain(grace periods ${seq >>> 1}, ${phase}, reading: ${readers.join(" ") || "nobody"})`;
  }

  #nest(slot: number, depth: number): void {
    if (depth === OFFLINE) throw new SyncError("EINVAL", "RcuDomain.readLock: this agent is offline");
    this.#words[slot + DEPTH] = depth + 1;
  }

  #claim(): number {
    this.#assertOpen("readLock");
    const agent = this.#agent;
    if (agent.slot === 0) agent.slot = claimSlot("RcuDomain", this.#words, this.#base, this.#ownId());
    this.#slot = agent.slot;
    return agent.slot;
  }

  #ownId(): number {
    return this.#agentId ?? currentAgentId();
  }

  #waitCookie(cookie: number, spins: number): void {
    if (this.poll(cookie)) return;
    this.#assertMayWait("waitCookie");
    assertMayBlock("RcuDomain.waitCookie", this.#words, "synchronizeAsync or poll");
    waitFor(this.#source, cookie, spins, this.#stall);
  }

  #assertOpen(what: string): void {
    if (this.#isClosed)
      throw new SyncError("EINVAL", `RcuDomain.${what}: the domain is closed in this agent`);
  }

  #assertMayWait(what: string): void {
    this.#assertOpen(what);
    if (this.isReading) {
      throw new SyncError("EDEADLK", `RcuDomain.${what}: called in a read section of the same agent`);
    }
  }
}

function checkFlavour(flavour: RcuFlavour | undefined): void {
  if (flavour === undefined || flavour === "mb" || flavour === "qsbr") return;
  throw new RangeError(`RcuDomain: flavour must be "mb" or "qsbr", got ${flavour}`);
}
