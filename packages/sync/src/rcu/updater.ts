/*
 * RcuUpdater: the half of a domain that is the same for RcuDomain and SrcuDomain. Whoever replaces something asks
 * for a grace period, waits or polls for it, or leaves a callback; how readers announce themselves, and when a
 * grace period may end, is the protocol's (source.ts), the reader's calls are the domain's.
 *
 * Every word is reached through the agent's record, whose view RcuDomain.rebind() replaces.
 */
import { SyncError } from "../errors.ts";
import { currentAgentId, currentAgentName } from "../threads/current.ts";
import { interrupted, isAborted } from "../wait-async.ts";
import { type AsyncWaitOptions, assertMayBlock, deadlineOf, FOREVER, type WaitOptions } from "../words.ts";
import { type Agent, type AgentKind, agentFor, claimSlot, newAgent, releaseDead } from "./agent.ts";
import { writeAgentName } from "./agent-name.ts";
import { checkAgentId, claimAgentsMax } from "./check.ts";
import { AGENTS_MAX, CLAIMED, GP_SEQ } from "./layout.ts";
import { type GraceProtocol, GraceSource } from "./source.ts";
import { checkStall, SPINS, SPINS_EXPEDITED, type StallOptions, waitFor, waitForAsync } from "./wait.ts";

/** Options that both kinds of domain have. */
export interface RcuUpdaterOptions extends StallOptions {
  /**
   * Agent slots, `1..4096`: how many threads can use the domain at the same time. Who constructs a domain
   * on zeroed words decides; who attaches may leave it out. Default 32.
   */
  readonly agentsMax?: number;
  /** Id under which `agentDied` finds this agent; default the thread's id in its registry. */
  readonly agentId?: number;
  /**
   * What stall reports call this agent, its first 16 characters; default the name of the thread. Of several objects
   * of one agent the one that reads first decides.
   */
  readonly agentName?: string;
}

/** What an updater can do with a domain of either kind; not constructed by itself. */
export abstract class RcuUpdater {
  /** This agent's record; after close() one that nobody shares, in which no section is open. */
  protected agent: Agent;
  readonly #protocol: GraceProtocol;
  readonly #stall: StallOptions;
  readonly #agentId: number | undefined;
  readonly #agentName: string | undefined;
  #source: GraceSource;
  #isClosed = false;

  /** Name of the class, for messages. */
  protected abstract get kind(): string;
  /** Has this agent a section open, in whichever task? */
  protected abstract get hasOpenSection(): boolean;

  /**
   * @param kind - name of the class, for messages
   * @throws RangeError if the words lie outside the view or an option outside its range
   * @throws SyncError `EINVAL` if the domain exists with another `agentsMax`, or this agent uses it with
   * another flavour
   */
  constructor(
    kind: string,
    words: Int32Array,
    word: number,
    flavour: AgentKind | undefined,
    protocol: GraceProtocol,
    options: RcuUpdaterOptions | undefined,
  ) {
    this.#stall = checkStall(kind, options);
    this.#agentId = options?.agentId;
    this.#agentName = options?.agentName;
    if (this.#agentId !== undefined) checkAgentId(`${kind}: agentId`, this.#agentId);
    claimAgentsMax(kind, words, word, options?.agentsMax);
    this.#protocol = protocol;
    this.agent = agentFor(words, word, flavour);
    this.agent.users++;
    this.#source = new GraceSource(this.agent, protocol);
  }

  /** How many agents can use the domain at the same time. */
  get agentsMax(): number {
    return Atomics.load(this.agent.words, this.agent.base + AGENTS_MAX);
  }

  /**
   * Names a grace period that begins now: take it after unpublishing, then ask {@link poll}.
   * Allowed inside a read section. Cost: two Atomics operations.
   *
   * @returns an opaque integer, valid in every agent of the domain
   */
  cookie(): number {
    this.assertOpen("cookie");
    return this.#protocol.request(this.agent.words, this.agent.base);
  }

  /**
   * Has a full grace period elapsed since `cookie` was taken? Moves grace periods on if readers allow, so
   * polling alone makes progress. Never waits and runs no callbacks: fine with any lock held, and inside a
   * read section, where it is `false` unless the grace period has ended before.
   *
   * Cost: one Atomics load if the answer is yes, else one or two per agent slot in use.
   */
  poll(cookie: number): boolean {
    if (!Number.isInteger(cookie)) {
      throw new RangeError(`${this.kind}.poll: cookie must be a result of cookie(), got ${cookie}`);
    }
    return this.#protocol.isElapsed(this.#loadSeq(), cookie) || this.#source.advance(cookie);
  }

  /**
   * Waits until a full grace period has elapsed since `cookie` was taken; runs no callbacks. Linux:
   * cond_synchronize_rcu().
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` in a read section of this agent, unless it has elapsed already; `EWOULDBLOCK`
   * where blocking is forbidden
   */
  waitCookie(cookie: number, options?: WaitOptions): boolean {
    return this.#waitCookie(cookie, SPINS, deadlineOf(`${this.kind}.waitCookie`, options));
  }

  /**
   * The same as {@link waitCookie} without blocking the thread; this agent may have sections open. A task that
   * awaits it inside its own section waits forever.
   *
   * @returns resolves to `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EINTR` if `signal` is aborted first; its `cause` is the signal's reason
   */
  async waitCookieAsync(cookie: number, options?: AsyncWaitOptions): Promise<boolean> {
    const what = `${this.kind}.waitCookieAsync`;
    this.assertOpen("waitCookieAsync");
    const deadline = deadlineOf(what, options);
    if (isAborted(options?.signal)) throw interrupted(what, options?.signal);
    if (this.poll(cookie)) return true;
    return await waitForAsync(what, this.#source, cookie, this.#stall, deadline, options?.signal);
  }

  /**
   * Waits until every read section open at the time of the call, in any agent, has ended. Then runs this
   * agent's callbacks that are due. Sections that begin later are not waited for.
   *
   * @throws SyncError `EDEADLK` while this agent has a section open, in whichever task: a blocked thread could
   * not end it; `EWOULDBLOCK` where blocking is forbidden
   */
  synchronize(): void {
    this.assertMayWait("synchronize");
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
    this.assertMayWait("synchronizeExpedited");
    this.#waitCookie(this.cookie(), SPINS_EXPEDITED, FOREVER);
  }

  /**
   * The same as {@link synchronize} without blocking the thread; this agent may have sections open. A task
   * that awaits it inside its own section waits forever.
   */
  async synchronizeAsync(): Promise<void> {
    await this.waitCookieAsync(this.cookie());
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
    this.assertOpen("call");
    const { callbacks } = this.agent;
    const next = this.#protocol.cookieDuring(this.#loadSeq());
    // The grace period in progress is the one that was when the last callback came: it needs no new request.
    const isSameBatch = next !== undefined && callbacks.lastCookie === next;
    callbacks.push(isSameBatch ? next : this.cookie(), fn);
  }

  /** Callbacks of this agent that have not run. */
  get pendingCallbacks(): number {
    return this.agent.callbacks.length;
  }

  /**
   * Runs this agent's callbacks whose grace period has elapsed, in the order of `call`.
   * If one throws, it is dropped, the others stay queued, and the error goes to the caller.
   *
   * @param limit - run at most so many, `>= 1`: for callers who must not be held up by a flood
   * @returns how many have run; 0 inside a callback
   */
  runCallbacks(limit: number = Number.POSITIVE_INFINITY): number {
    if (!(limit >= 1)) throw new RangeError(`${this.kind}.runCallbacks: limit must be >= 1, got ${limit}`);
    return this.agent.callbacks.run((cookie) => this.poll(cookie), limit);
  }

  /**
   * Waits until every callback this agent has queued before has run; they run here. Other agents run their
   * own. Callbacks queued by those callbacks are not waited for.
   *
   * @throws SyncError `EDEADLK` while this agent has a section open, or inside a callback
   */
  barrier(): void {
    this.assertMayWait("barrier");
    const { callbacks } = this.agent;
    if (callbacks.isRunning) throw new SyncError("EDEADLK", `${this.kind}.barrier: called from a callback`);
    const last = callbacks.lastCookie;
    if (last === undefined) return;
    this.waitCookie(last);
    this.runCallbacks();
  }

  /**
   * Gives the agent's slot back once every object of this agent on these words is closed. A worker calls it
   * before it ends. Callbacks that have not run are run first, which may wait.
   *
   * @throws SyncError `EDEADLK` while this agent has a section open
   */
  close(): void {
    if (this.#isClosed) return;
    this.assertMayWait("close");
    const { agent } = this;
    if (agent.users === 1) {
      this.barrier();
      this.leave(agent);
      if (agent.slot !== 0) Atomics.store(agent.words, agent.slot + CLAIMED, 0);
      agent.slot = 0;
    }
    agent.users--;
    this.agent = newAgent(agent.words, agent.base, agent.flavour);
    this.#source = new GraceSource(this.agent, this.#protocol);
    this.#isClosed = true;
  }

  [Symbol.dispose](): void {
    this.close();
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
    checkAgentId(`${this.kind}.agentDied: id`, id);
    const own = this.#ownId();
    if (id === own) throw new SyncError("EINVAL", `${this.kind}.agentDied: ${id} is the calling agent`);
    return releaseDead(this.agent.words, this.agent.base, id, own, this.#protocol.endSections);
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of such a domain. */
  abstract validate(): void;

  /** Makes the slot of an agent that closes the domain one that nobody reads in. */
  protected abstract leave(agent: Agent): void;

  /** The agent's slot, claimed if it has none. @throws SyncError `ENOSPC` if all are taken, `EINVAL` if closed */
  protected ownSlot(): number {
    this.assertOpen("readLock");
    const { agent } = this;
    if (agent.slot === 0) {
      agent.slot = claimSlot(this.kind, agent.words, agent.base, this.#ownId());
      writeAgentName(agent.words, agent.slot, this.#agentName ?? currentAgentName());
    }
    return agent.slot;
  }

  protected assertOpen(what: string): void {
    if (!this.#isClosed) return;
    throw new SyncError("EINVAL", `${this.kind}.${what}: the domain is closed in this agent`);
  }

  protected assertMayWait(what: string): void {
    this.assertOpen(what);
    if (!this.hasOpenSection) return;
    throw new SyncError("EDEADLK", `${this.kind}.${what}: called in a read section of the same agent`);
  }

  #waitCookie(cookie: number, spins: number, deadline: number): boolean {
    if (this.poll(cookie)) return true;
    this.assertMayWait("waitCookie");
    assertMayBlock(`${this.kind}.waitCookie`, this.agent.words, "synchronizeAsync, waitCookieAsync or poll");
    return waitFor(this.#source, cookie, spins, this.#stall, deadline);
  }

  #loadSeq(): number {
    return Atomics.load(this.agent.words, this.agent.base + GP_SEQ);
  }

  #ownId(): number {
    return this.#agentId ?? currentAgentId();
  }
}
