/*
 * RcuDomain: the public face. Layout in layout.ts, memory-order argument in grace-period.ts, slots in agent.ts,
 * how writers wait in wait.ts.
 *
 * Flavour `mb` (of user-space RCU): a reader announces itself with a sequentially consistent exchange, so a
 * writer needs no help from the operating system to know who is reading. An agent that is not in a read
 * section holds nobody up, whatever it does. Flavour `qsbr`: see qsbr.ts. The flavour is each agent's own
 * choice, writers cannot tell them apart.
 */
import { SyncError } from "../errors.ts";
import { Guard } from "../guard.ts";
import { addressOf, type Backend, backendOf, type FastPaths, fastPathsOf } from "../wasm/backend.ts";
import { checkWords } from "../words.ts";
import {
  type Agent,
  adoptAgent,
  announceAgentLeft,
  DEPTH_MB,
  DEPTH_MB_READING,
  DEPTH_OFFLINE,
  endReading,
  leaveTo,
  type RcuFlavour,
  renewSnapshot,
} from "./agent.ts";
import { checkAgentsMax } from "./check.ts";
import { advance, awaitBlocker, isBlocking, isElapsed, requestCookie } from "./grace-period.ts";
import {
  AGENTS_HIGH,
  AGENTS_MAX,
  AGENTS_MAX_DEFAULT,
  AWAITED,
  domainWords,
  GP_SEQ,
  HEADER_WORDS,
  IDLE,
  isReading,
  OFFLINE,
  REST,
  STATE,
  slotWord,
} from "./layout.ts";
import { enterOnline, goOffline, quiesce, SPANNED, unlockSlow } from "./qsbr.ts";
import type { GraceProtocol } from "./source.ts";
import { RcuUpdater, type RcuUpdaterOptions } from "./updater.ts";
import { validateDomain } from "./validate.ts";

/*
 * Constants of other modules under names of this one. A compiler puts a constant of its own module into the code; for
 * an imported one V8 emits a load, and four of them are a tenth of a read section.
 */
const MB_OUTSIDE = DEPTH_MB;
const MB_INSIDE = DEPTH_MB_READING;
const NOBODY = IDLE;

const PROTOCOL: GraceProtocol = {
  request: requestCookie,
  cookieDuring: (seq) => ((seq & 1) === 1 ? (seq + 3) | 0 : undefined),
  isElapsed,
  advance: (agent, cookie) => {
    // A look outside every section is a quiescent state. If not, an agent would hold up its own wait.
    if (agent.depth === 0) goOffline(agent);
    return advance(agent.words, agent.base, cookie);
  },
  awaitBlocker,
  isHeldUpBy: (words, slot, seq) => (seq & 1) === 1 && isBlocking(Atomics.load(words, slot + STATE), seq),
  endSections: endReading,
};

/** Options of {@link RcuDomain}. */
export interface RcuDomainOptions extends RcuUpdaterOptions {
  /**
   * How this agent reads. `mb`: every section announces itself, any agent, any time. `qsbr`: sections cost no
   * Atomics, but must end in the event-loop turn they began in, and an agent that runs long without returning
   * to its event loop calls {@link RcuDomain.quiescentState}. Agents of both may share a domain; two objects
   * of one agent have the same. Default `mb`, or what this agent has chosen before.
   */
  readonly flavour?: RcuFlavour;
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
export class RcuDomain extends RcuUpdater {
  protected override get kind(): string {
    return "RcuDomain";
  }
  readonly #base: number;
  // What `agent` says, once more: a load less in the read path, where an exchange waits for each.
  #agent: Agent;
  #words: Int32Array;
  /** The agent's slot, 0 until it is claimed and this object has asked for it. */
  #slot = 0;
  #fast: FastPaths | undefined;
  #stateAddress = 0;

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
    checkFlavour(options?.flavour);
    super("RcuDomain", words, word, options?.flavour, PROTOCOL, options);
    this.#words = words;
    this.#base = word;
    this.#agent = this.agent;
    this.#fast = fastPathsOf(words);
  }

  /** What runs the read sections of flavour mb: `wasm` over a `SharedMemory`, else `js`. */
  get backend(): Backend {
    return backendOf(this.#fast);
  }

  /** How this agent reads. */
  get flavour(): RcuFlavour {
    return this.#agent.flavour === "qsbr" ? "qsbr" : "mb";
  }

  /**
   * Enters a read section; sections nest. What is reachable from a pointer loaded (with `Atomics.load`)
   * inside stays valid until the outermost `readUnlock()`. Never waits.
   *
   * Cost: one Atomics exchange, and once in a grace period a load and another exchange; nested, no Atomics at
   * all. In flavour qsbr the first section of a turn, or after a call that blocked, costs a load and a store; all
   * others store to a field.
   *
   * @throws SyncError `ENOSPC` if this is the agent's first section and all slots are taken; `EINVAL` if the
   * agent is offline or the domain closed
   */
  readLock(): void {
    const agent = this.#agent;
    const { depth } = agent;
    if (depth === 0) {
      agent.depth = 1;
      return;
    }
    if (depth !== MB_OUTSIDE || this.#slot === 0) {
      this.#lockSlow(agent);
      return;
    }
    this.#announce(agent);
  }

  /**
   * Leaves a read section. Cost: one Atomics exchange; a notify only if a writer waits for this section.
   *
   * In flavour qsbr it is a store to a field.
   *
   * @throws SyncError `EPERM` outside every read section; `EINVAL` in flavour qsbr if the section spanned an
   * `await`: it has ended all the same, and was protected until now
   */
  readUnlock(): void {
    const agent = this.#agent;
    const { depth } = agent;
    if (depth === 1) {
      agent.depth = 0;
      return;
    }
    if (depth !== MB_INSIDE || this.#slot === 0) {
      this.#unlockSlow(agent);
      return;
    }
    this.#withdraw(agent);
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
    const { depth } = this.#agent;
    return depth > 0 || depth <= DEPTH_MB_READING;
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
    this.assertMayWait("quiescentState");
    if (this.#agent.depth === 0) quiesce(this.#agent);
  }

  /**
   * Declares that this agent will not read until `online()`; `readLock` then throws. In flavour mb an idle
   * agent holds nobody up, so this is a check; in flavour qsbr it is for code that blocks by other means than
   * this package, a bare `Atomics.wait` for example.
   *
   * @throws SyncError `EDEADLK` inside a read section
   */
  offline(): void {
    this.assertMayWait("offline");
    this.#claim();
    const agent = this.#agent;
    goOffline(agent);
    agent.depth = DEPTH_OFFLINE;
    agent.words[agent.slot + REST] = OFFLINE;
  }

  /** Ends `offline()`; does nothing if the agent is online. */
  online(): void {
    const agent = this.#agent;
    if (agent.slot === 0 || agent.words[agent.slot + REST] !== OFFLINE) return;
    agent.words[agent.slot + REST] = 0;
    if (agent.flavour === "mb") agent.depth = DEPTH_MB;
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
    this.#fast = fastPathsOf(words);
    this.#stateAddress = addressOf(words, this.#slot + STATE);
  }

  override close(): void {
    super.close();
    if (this.#agent === this.agent) return;
    this.#agent = this.agent;
    this.#slot = 0;
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of an RCU domain. */
  override validate(): void {
    validateDomain(this.#words, this.#base, this.#agent);
  }

  /** The state in words, for messages. */
  override toString(): string {
    const seq = Atomics.load(this.#words, this.#base + GP_SEQ);
    const readers: string[] = [];
    for (let index = 0; index < Atomics.load(this.#words, this.#base + AGENTS_HIGH); index++) {
      if (isReading(Atomics.load(this.#words, slotWord(this.#base, index) + STATE))) readers.push(`${index}`);
    }
    const phase = (seq & 1) === 0 ? "idle" : "in progress";
    return `RcuDomain(grace periods ${seq >>> 1}, ${phase}, reading: ${readers.join(" ") || "nobody"})`;
  }

  protected override get hasOpenSection(): boolean {
    return this.isReading;
  }

  protected override leave(agent: Agent): void {
    goOffline(agent);
    if (agent.slot === 0) return;
    agent.depth = DEPTH_OFFLINE;
    endReading(agent.words, agent.slot);
  }

  /** Begins an outermost section of flavour mb. */
  #announce(agent: Agent): void {
    agent.depth = MB_INSIDE;
    const was =
      this.#fast === undefined
        ? Atomics.exchange(this.#words, this.#slot, agent.snapshot)
        : this.#fast.rcuExchange(this.#stateAddress, agent.snapshot);
    if (was !== NOBODY) renewAnnounced(agent);
  }

  /** Ends it. */
  #withdraw(agent: Agent): void {
    agent.depth = MB_OUTSIDE;
    const was =
      this.#fast === undefined
        ? Atomics.exchange(this.#words, this.#slot, NOBODY)
        : this.#fast.rcuExchange(this.#stateAddress, NOBODY);
    if ((was & 1) === 0) leaveMarked(agent, was);
  }

  // The slow ways do not call readLock() and readUnlock() again: the lock checks replace these, and would count twice.

  /** Nested sections, the first after a quiescent state, and the first through this object. */
  #lockSlow(agent: Agent): void {
    if (agent.depth > 0) agent.depth++;
    else if (agent.depth <= DEPTH_MB_READING) agent.depth--;
    else {
      this.#claim();
      if (agent.depth === DEPTH_MB) this.#announce(agent);
      else enterOnline(agent);
    }
  }

  /** The end of a nested section, and of one that another object has begun; also the rare cases, and misuse. */
  #unlockSlow(agent: Agent): void {
    if (agent.depth < DEPTH_MB_READING) agent.depth++;
    else if (agent.depth > 0 && agent.depth <= SPANNED) agent.depth--;
    else if (agent.depth === DEPTH_MB_READING) {
      this.#claim();
      this.#withdraw(agent);
    } else unlockSlow(agent);
  }

  /** Sees to it that the agent has a slot, and this object knows it. */
  #claim(): void {
    const agent = this.#agent;
    const isNew = agent.slot === 0;
    this.#slot = this.ownSlot();
    this.#stateAddress = addressOf(this.#words, this.#slot + STATE);
    if (!isNew || agent.flavour !== "mb") return;
    renewSnapshot(agent);
    agent.depth = DEPTH_MB;
  }
}

/** The reader has announced an old snapshot: it announces a new one before it reads anything. */
function renewAnnounced(agent: Agent): void {
  renewSnapshot(agent);
  leaveTo(agent, agent.snapshot);
}

/** The reader has been told that it was older than a grace period, or that a writer sleeps until it leaves. */
function leaveMarked(agent: Agent, mark: number): void {
  renewSnapshot(agent);
  if (mark === AWAITED) announceAgentLeft(agent);
}

function checkFlavour(flavour: RcuFlavour | undefined): void {
  if (flavour === undefined || flavour === "mb" || flavour === "qsbr") return;
  throw new RangeError(`RcuDomain: flavour must be "mb" or "qsbr", got ${flavour}`);
}
