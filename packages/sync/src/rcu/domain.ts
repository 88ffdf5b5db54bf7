/*
 * RcuDomain: the public face. Layout in layout.ts, memory-order argument in grace-period.ts, slots in agent.ts.
 *
 * The flavour is `mb` of user-space RCU: a reader announces itself with a sequentially consistent store, so
 * a writer needs no help from the operating system to know who is reading. An agent that is not in a read
 * section holds nobody up, whatever it does.
 */
import { SyncError } from "../errors.ts";
import { Guard } from "../guard.ts";
import { assertMayBlock, checkWords, FOREVER, isShared, pause, sleepWhile } from "../words.ts";
import { type Agent, adoptAgent, agentFor, claimSlot, releaseSlot } from "./agent.ts";
import { advance, announceLeft, awaitBlocker, requestCookie, snapshotOf } from "./grace-period.ts";
import {
  AGENTS_HIGH,
  AGENTS_MAX,
  AGENTS_MAX_DEFAULT,
  AGENTS_MAX_LIMIT,
  AWAITED,
  CLAIMED,
  DEPTH,
  domainWords,
  GP_SEQ,
  HEADER_WORDS,
  IDLE,
  OFFLINE,
  READER_LEFT,
  STATE,
  slotWord,
} from "./layout.ts";

/** Scans made before a writer sleeps: a section that ends soon costs no sleep. */
const SPINS = 64;

/** Options of {@link RcuDomain}. */
export interface RcuDomainOptions {
  /**
   * Agent slots, `1..4096`: how many threads can use the domain at the same time. Who constructs a domain
   * on zeroed words decides; who attaches may leave it out. Default 32.
   */
  readonly agentsMax?: number;
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
  readonly #agent: Agent;
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
   * @throws RangeError if the words lie outside the view or `agentsMax` outside `1..4096`
   * @throws SyncError `EINVAL` if the domain exists with another `agentsMax`
   */
  constructor(words: Int32Array, word: number, options?: RcuDomainOptions) {
    checkWords("RcuDomain", words, word, HEADER_WORDS);
    const asked = options?.agentsMax;
    if (asked !== undefined) checkAgentsMax("RcuDomain", asked);
    const agentsMax = asked ?? (Atomics.load(words, word + AGENTS_MAX) || AGENTS_MAX_DEFAULT);
    checkWords("RcuDomain", words, word, domainWords(agentsMax));
    const existing = Atomics.compareExchange(words, word + AGENTS_MAX, 0, agentsMax);
    if (existing !== 0 && existing !== agentsMax) {
      throw new SyncError("EINVAL", `RcuDomain: agentsMax is ${existing} in the words, got ${agentsMax}`);
    }
    this.#words = words;
    this.#base = word;
    this.#agent = agentFor(words, word);
    this.#agent.users++;
  }

  /** How many agents can use the domain at the same time. */
  get agentsMax(): number {
    return Atomics.load(this.#words, this.#base + AGENTS_MAX);
  }

  /**
   * Enters a read section; sections nest. What is reachable from a pointer loaded (with `Atomics.load`)
   * inside stays valid until the outermost `readUnlock()`. Never waits.
   *
   * Cost: one Atomics load and one store; nested, no Atomics at all.
   *
   * @throws SyncError `ENOSPC` if this is the agent's first section and all slots are taken; `EINVAL` if the
   * agent is offline or the domain closed
   */
  readLock(): void {
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
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
   * @throws SyncError `EPERM` outside every read section
   */
  readUnlock(): void {
    const words = this.#words;
    const slot = this.#slot === 0 ? this.#agent.slot : this.#slot;
    const depth = slot === 0 ? 0 : words[slot + DEPTH];
    if (depth < 1) throw new SyncError("EPERM", "RcuDomain.readUnlock: not in a read section");
    words[slot + DEPTH] = depth - 1;
    if (depth === 1 && Atomics.exchange(words, slot + STATE, IDLE) === AWAITED) this.#leave();
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
    const slot = this.#agent.slot;
    return slot !== 0 && this.#words[slot + DEPTH] > 0;
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
    return advance(this.#words, this.#base, cookie);
  }

  /**
   * Waits until a full grace period has elapsed since `cookie` was taken.
   *
   * @throws SyncError `EDEADLK` in a read section of this agent, unless it has elapsed already
   */
  waitCookie(cookie: number): void {
    if (this.poll(cookie)) return;
    this.#assertMayWait("waitCookie");
    assertMayBlock("RcuDomain.waitCookie", this.#words);
    const words = this.#words;
    const base = this.#base;
    for (let spin = 0; spin < SPINS; spin++) {
      pause();
      if (advance(words, base, cookie)) return;
    }
    while (!advance(words, base, cookie)) {
      const ticket = awaitBlocker(words, base);
      if (ticket === undefined) continue;
      sleepWhile(words, base + READER_LEFT, ticket, FOREVER);
    }
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
   * The same without blocking the thread. The caller may be in a read section, and must leave it without
   * awaiting the promise inside.
   */
  async synchronizeAsync(): Promise<void> {
    const cookie = this.cookie();
    while (!this.poll(cookie)) {
      const ticket = awaitBlocker(this.#words, this.#base);
      if (ticket !== undefined) await this.#someoneLeft(ticket);
    }
    this.runCallbacks();
  }

  /**
   * Runs `fn` in this agent once a grace period has elapsed: from a later `runCallbacks`, `synchronize`,
   * `synchronizeAsync`, `barrier` or `close`, so never under a lock that the caller of `call` holds. An agent
   * that does none of these keeps its callbacks. Does not wait.
   */
  call(fn: () => void): void {
    this.#agent.callbacks.push({ cookie: this.cookie(), fn });
  }

  /** Callbacks of this agent that have not run. */
  get pendingCallbacks(): number {
    return this.#agent.callbacks.length;
  }

  /**
   * Runs this agent's callbacks whose grace period has elapsed, in the order of `call`.
   * If one throws, it is dropped, the others stay queued, and the error goes to the caller.
   *
   * @returns how many have run
   */
  runCallbacks(): number {
    const agent = this.#agent;
    if (agent.isRunning) return 0;
    agent.isRunning = true;
    let count = 0;
    try {
      // Taken off the list in one go at the end: a shift per callback would move the whole list each time.
      while (count < agent.callbacks.length && this.poll(agent.callbacks[count].cookie)) {
        agent.callbacks[count++].fn();
      }
    } finally {
      agent.callbacks.splice(0, count);
      agent.isRunning = false;
    }
    return count;
  }

  /**
   * Waits until every callback this agent has queued before has run; they run here. Other agents run their
   * own. Callbacks queued by those callbacks are not waited for.
   *
   * @throws SyncError `EDEADLK` inside a read section or a callback
   */
  barrier(): void {
    this.#assertMayWait("barrier");
    const agent = this.#agent;
    if (agent.isRunning) throw new SyncError("EDEADLK", "RcuDomain.barrier: called from a callback");
    const last = agent.callbacks.at(-1);
    if (last === undefined) return;
    this.waitCookie(last.cookie);
    this.runCallbacks();
  }

  /**
   * Declares that this agent will not read until `online()`; `readLock` then throws. In this flavour an idle
   * agent holds nobody up, so this is a check; flavours without announcements need it before blocking.
   *
   * @throws SyncError `EDEADLK` inside a read section
   */
  offline(): void {
    this.#assertMayWait("offline");
    const slot = this.#slot === 0 ? this.#claim() : this.#slot;
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
    adoptAgent(words, this.#base, this.#agent);
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
      if (agent.slot !== 0) releaseSlot(this.#words, agent.slot);
      agent.slot = 0;
    }
    agent.users--;
    this.#slot = 0;
    this.#isClosed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of an RCU domain. */
  validate(): void {
    const words = this.#words;
    const base = this.#base;
    const high = Atomics.load(words, base + AGENTS_HIGH);
    if (high < 0 || high > this.agentsMax) {
      throw new Error(
        `RcuDomain: AGENTS_HIGH at word ${base + AGENTS_HIGH} is ${high}, above ${this.agentsMax}`,
      );
    }
    for (let index = 0; index < this.agentsMax; index++) {
      const slot = slotWord(base, index);
      const state = Atomics.load(words, slot + STATE);
      const isState = state === IDLE || state === AWAITED || (state & 1) === 1;
      if (!isState) throw new Error(`RcuDomain: STATE of agent ${index} at word ${slot} is ${state}`);
      if (state !== IDLE && (Atomics.load(words, slot + CLAIMED) === 0 || index >= high)) {
        throw new Error(`RcuDomain: agent ${index} reads (STATE ${state}) in a slot nobody has claimed`);
      }
    }
    const own = this.#agent.slot;
    if (own === 0) return;
    const depth = words[own + DEPTH];
    if (depth > 0 !== (Atomics.load(words, own + STATE) !== IDLE)) {
      throw new Error(`RcuDomain: own DEPTH is ${depth}, STATE is ${Atomics.load(words, own + STATE)}`);
    }
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
    if (agent.slot === 0) agent.slot = claimSlot(this.#words, this.#base);
    this.#slot = agent.slot;
    return agent.slot;
  }

  #leave(): void {
    announceLeft(this.#words, this.#base);
    for (const wake of this.#agent.onLeave.splice(0)) wake();
  }

  #someoneLeft(ticket: number): Promise<unknown> | undefined {
    const agent = this.#agent;
    // Nobody else can be the blocker on an ArrayBuffer, so waiting is listening to ourselves.
    if (!isShared(this.#words)) return new Promise<void>((wake) => agent.onLeave.push(wake));
    if (typeof Atomics.waitAsync !== "function") return nextTurn();
    const result = Atomics.waitAsync(this.#words, this.#base + READER_LEFT, ticket);
    return result.async ? result.value : undefined;
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

/** One turn of the event loop, in engines without Atomics.waitAsync. */
function nextTurn(): Promise<void> {
  const timers = globalThis as unknown as { setTimeout(fn: () => void, ms: number): unknown };
  return new Promise((resolve) => timers.setTimeout(resolve, 1));
}

function checkAgentsMax(what: string, agentsMax: number): void {
  if (!Number.isInteger(agentsMax) || agentsMax < 1 || agentsMax > AGENTS_MAX_LIMIT) {
    throw new RangeError(`${what}: agentsMax must be an integer in 1..${AGENTS_MAX_LIMIT}, got ${agentsMax}`);
  }
}
