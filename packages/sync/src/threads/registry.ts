/*
 * Which agents are there, and which of them have died? Names for threads that shared words can hold.
 *
 *   word         name        meaning
 *   0            AGENTS_MAX  entries behind the header; 0 until the first constructor wrote it
 *   1            DEATHS      counts deaths; agents may sleep on it
 *   16 + i       ENTRY       agent i: bits 0-1 state | bits 2-… generation
 *   16 + n + i   BEATS       counts signs of life of agent i, behind the n = AGENTS_MAX entries (web.ts)
 *
 *   state: 0 free | 1 starting, its thread has not joined yet | 2 alive | 3 dead, its holdings not cleaned up
 *
 * An id is (generation << 10) | entry, generation 1 … 2^20 - 1. It is >= 1024, so it differs from every small
 * number that lock words use for other purposes, and it comes again only after 2^20 - 1 agents have used the
 * same entry. So a word that names an owner is never mistaken for a later agent's.
 *
 * Every change of an entry is a compareExchange from the exact generation and state, so of several agents that
 * report the same death one succeeds, and a report that comes too late changes nothing. Order of a death:
 * dead is stored first, so whoever asks isAlive() about an owner gets "no" before its holdings are touched;
 * the hooks clean up; only then does the entry become free.
 */
import { SyncError } from "../errors.ts";
import type { Agents, Recoverable } from "../robust/recovery.ts";
import { checkWords } from "../words.ts";
import { currentAgentId, setCurrentAgentId } from "./current.ts";

const AGENTS_MAX = 0;
const DEATHS = 1;
const ENTRIES = 16;

const FREE = 0;
const STARTING = 1;
const ALIVE = 2;
const DEAD = 3;
const STATE_MASK = 3;
const GENERATION_SHIFT = 2;

const INDEX_BITS = 10;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const GENERATION_MAX = 2 ** 20 - 1;

/** Most agents a registry can hold at the same time. */
export const THREADS_LIMIT: number = 1 << INDEX_BITS;
const THREADS_DEFAULT = 32;

/** What a death hook is told. */
export interface AgentDeath {
  /** Id of the dead agent. */
  readonly id: number;
  /** Exit code of its thread, if that is known. */
  readonly exitCode: number | undefined;
  /** What it threw, if that is why it died. */
  readonly error: unknown;
}

/** Where an agent is in its life. */
export type AgentState = "unknown" | "starting" | "alive" | "dead";

/**
 * The agents that share some words: each has an id, and a death is told to hooks that clean up after it.
 *
 * Constructing on zeroed words creates the registry, constructing on the same words elsewhere attaches.
 * Locking: none, any agent may call anything at any time.
 */
export class ThreadRegistry implements Agents {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #hooks = new Set<(death: AgentDeath) => void>();

  /** Words of a registry for `agentsMax` agents, `1..1024`, default 32. */
  static words(agentsMax: number = THREADS_DEFAULT): number {
    checkMax("ThreadRegistry.words", agentsMax);
    return ENTRIES + 2 * agentsMax;
  }

  /**
   * @param agentsMax - agents at the same time, `1..1024`; who attaches may leave it out. Default 32
   * @throws RangeError if the words lie outside the view
   * @throws SyncError `EINVAL` if the registry exists with another `agentsMax`
   */
  constructor(words: Int32Array, word: number, agentsMax?: number) {
    checkWords("ThreadRegistry", words, word, ENTRIES);
    if (agentsMax !== undefined) checkMax("ThreadRegistry", agentsMax);
    const max = agentsMax ?? (Atomics.load(words, word + AGENTS_MAX) || THREADS_DEFAULT);
    checkWords("ThreadRegistry", words, word, ENTRIES + 2 * max);
    const existing = Atomics.compareExchange(words, word + AGENTS_MAX, 0, max);
    if (existing !== 0 && existing !== max) {
      throw new SyncError("EINVAL", `ThreadRegistry: agentsMax is ${existing} in the words, got ${max}`);
    }
    this.#words = words;
    this.#base = word;
  }

  /** How many agents it can hold at the same time. */
  get agentsMax(): number {
    return Atomics.load(this.#words, this.#base + AGENTS_MAX);
  }

  /** Deaths so far, modulo 2^32. */
  get deaths(): number {
    return Atomics.load(this.#words, this.#base + DEATHS);
  }

  /** Ids of the agents that are starting or alive. */
  get agents(): number[] {
    const ids: number[] = [];
    for (let index = 0; index < this.agentsMax; index++) {
      const entry = Atomics.load(this.#words, this.#base + ENTRIES + index);
      if ((entry & STATE_MASK) === STARTING || (entry & STATE_MASK) === ALIVE) ids.push(idFor(entry, index));
    }
    return ids;
  }

  /** Id of the calling agent, 0 if this thread has not joined. */
  get self(): number {
    return currentAgentId();
  }

  /**
   * Takes an id for a thread that is about to be started; it calls {@link join} with it.
   *
   * @throws SyncError `ENOSPC` if every entry is taken
   */
  reserve(): number {
    for (let index = 0; index < this.agentsMax; index++) {
      const word = this.#base + ENTRIES + index;
      const entry = Atomics.load(this.#words, word);
      if ((entry & STATE_MASK) !== FREE) continue;
      const generation = ((entry >>> GENERATION_SHIFT) % GENERATION_MAX) + 1;
      const taken = (generation << GENERATION_SHIFT) | STARTING;
      if (Atomics.compareExchange(this.#words, word, entry, taken) === entry) return idFor(taken, index);
    }
    throw new SyncError("ENOSPC", `ThreadRegistry: all ${this.agentsMax} entries are taken`);
  }

  /**
   * Makes this thread the agent `id`, under which locks and domains will know it.
   *
   * @param id - from {@link reserve}; without it the thread takes one itself
   * @returns the id
   * @throws SyncError `EINVAL` if nobody has reserved the id, or this thread has joined already
   */
  join(id?: number): number {
    if (currentAgentId() !== 0) {
      throw new SyncError("EINVAL", `ThreadRegistry.join: this thread is agent ${currentAgentId()} already`);
    }
    return this.#join(id ?? this.reserve());
  }

  /** Gives a reserved id back whose thread was never started. @returns `false` if it is not reserved */
  cancel(id: number): boolean {
    return this.#change(id, STARTING, FREE);
  }

  /**
   * This thread leaves in good order: it holds nothing, and its end will be no death.
   *
   * @throws SyncError `EINVAL` if it has not joined, or is thought dead
   */
  leave(): void {
    const id = currentAgentId();
    if (!this.#change(id, ALIVE, FREE)) {
      throw new SyncError("EINVAL", `ThreadRegistry.leave: agent ${id} is ${this.stateOf(id)}`);
    }
    setCurrentAgentId(0);
  }

  /** Where the agent is in its life; `unknown` if it has left, or died and been cleaned up after. */
  stateOf(id: number): AgentState {
    const entry = this.#entry(id);
    if (entry === undefined || idFor(entry, id & INDEX_MASK) !== id) return "unknown";
    return (["unknown", "starting", "alive", "dead"] as const)[entry & STATE_MASK] ?? "unknown";
  }

  /** May the agent still run? Ask it about the owner of something before taking that away. */
  isAlive(id: number): boolean {
    const state = this.stateOf(id);
    return state === "starting" || state === "alive";
  }

  /**
   * Adds a hook that cleans up after deaths this agent reports, in the order of adding. For an RCU domain:
   * `registry.onDeath(({ id }) => rcu.agentDied(id))`; {@link protect} does that.
   *
   * @returns removes it
   */
  onDeath(hook: (death: AgentDeath) => void): () => void {
    this.#hooks.add(hook);
    return () => void this.#hooks.delete(hook);
  }

  /**
   * Tells locks and domains at once of the deaths this agent reports: `onDeath` with their `agentDied`. Robust
   * locks recover without it too, within 100 ms of somebody waiting.
   *
   * @returns ends it
   */
  protect(...locks: readonly Recoverable[]): () => void {
    const removers = locks.map((lock) => this.onDeath(({ id }) => void lock.agentDied(id)));
    return () => {
      for (const remove of removers) remove();
    };
  }

  /**
   * Reports a death: the agent's thread is certain never to run again. Runs the hooks of this agent, all of
   * them even if one throws, then frees the id. For threads started by `spawnAgent` that happens by itself.
   *
   * @returns `false` if the agent has left, or somebody else has reported it
   * @throws AggregateError of what hooks have thrown; SyncError `EINVAL` for the calling agent itself
   */
  declareDead(id: number, exitCode?: number, error?: unknown): boolean {
    if (id !== 0 && id === currentAgentId()) {
      throw new SyncError("EINVAL", `ThreadRegistry.declareDead: ${id} is the calling agent`);
    }
    if (!this.#change(id, ALIVE, DEAD) && !this.#change(id, STARTING, DEAD)) return false;
    const errors = this.#runHooks({ id, exitCode, error });
    this.#change(id, DEAD, FREE);
    Atomics.add(this.#words, this.#base + DEATHS, 1);
    Atomics.notify(this.#words, this.#base + DEATHS);
    if (errors.length > 0) throw new AggregateError(errors, `ThreadRegistry: hooks failed for agent ${id}`);
    return true;
  }

  /** Gives a sign of life of the calling thread: one Atomics add. Does nothing if it has not joined. */
  beat(): void {
    const id = currentAgentId();
    if (id !== 0) Atomics.add(this.#words, this.#beatsWord(id), 1);
  }

  /** Signs of life of whoever has the entry of this id, modulo 2^32: only a change says something. */
  beatsOf(id: number): number {
    return this.#entry(id) === undefined ? 0 : Atomics.load(this.#words, this.#beatsWord(id));
  }

  /** Throws an `Error` naming the entry that no sequence of calls can produce. */
  validate(): void {
    for (let index = 0; index < this.agentsMax; index++) {
      const entry = Atomics.load(this.#words, this.#base + ENTRIES + index);
      const generation = entry >>> GENERATION_SHIFT;
      const isUsed = (entry & STATE_MASK) !== FREE;
      if (generation > GENERATION_MAX || (isUsed && generation === 0)) {
        throw new Error(`ThreadRegistry: entry ${index} is ${entry}`);
      }
    }
  }

  #join(id: number): number {
    if (!this.#change(id, STARTING, ALIVE)) {
      throw new SyncError("EINVAL", `ThreadRegistry.join: ${id} is ${this.stateOf(id)}, not starting`);
    }
    setCurrentAgentId(id);
    return id;
  }

  #runHooks(death: AgentDeath): unknown[] {
    const errors: unknown[] = [];
    for (const hook of this.#hooks) {
      try {
        hook(death);
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  #beatsWord(id: number): number {
    return this.#base + ENTRIES + this.agentsMax + (id & INDEX_MASK);
  }

  #entry(id: number): number | undefined {
    const index = id & INDEX_MASK;
    if (!Number.isInteger(id) || id <= INDEX_MASK || index >= this.agentsMax) return undefined;
    return Atomics.load(this.#words, this.#base + ENTRIES + index);
  }

  #change(id: number, from: number, to: number): boolean {
    if (this.#entry(id) === undefined) return false;
    const generation = (id >>> INDEX_BITS) << GENERATION_SHIFT;
    const word = this.#base + ENTRIES + (id & INDEX_MASK);
    return (
      Atomics.compareExchange(this.#words, word, generation | from, generation | to) === (generation | from)
    );
  }
}

function idFor(entry: number, index: number): number {
  return ((entry >>> GENERATION_SHIFT) << INDEX_BITS) | index;
}

function checkMax(what: string, agentsMax: number): void {
  if (!Number.isInteger(agentsMax) || agentsMax < 1 || agentsMax > THREADS_LIMIT) {
    throw new RangeError(`${what}: agentsMax must be an integer in 1..${THREADS_LIMIT}, got ${agentsMax}`);
  }
}
