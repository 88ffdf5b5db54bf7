/*
 * Which slot is mine? An agent (the main thread or one worker) claims one slot per domain, on its first read
 * section or first offline(), and every RcuDomain object of that agent over the same words shares it. The
 * slot index is this agent's identity in the domain and can live nowhere but here: shared words cannot know
 * which thread is asking. The state is in the slot; nesting too, but for qsbr, whose sections touch no word.
 *
 * The dead. agentDied() gives the slot of a terminated agent back, and any number of agents may do so for the
 * same death. CLAIMED decides: a compareExchange from the dead agent's id (which has a generation, so it never
 * comes again) to the cleaner's negative id lets one of them through, and only the last store makes the slot
 * claimable. If the cleaner dies in between, the slot is found under its own id when it is cleaned up after.
 */
import { SyncError } from "../errors.ts";
import { addressOf } from "../wasm/backend.ts";
import { isShared } from "../words.ts";
import { CallbackQueue } from "./callbacks.ts";
import { announceLeft } from "./grace-period.ts";
import {
  AGENTS_HIGH,
  AGENTS_MAX,
  ANONYMOUS,
  AWAITED,
  CLAIMED,
  IDLE,
  REST,
  STATE,
  slotWord,
} from "./layout.ts";

/** How an agent tells writers that it reads. */
export type RcuFlavour = "mb" | "qsbr";

/** The kind of domain, too: an agent's records for both kinds are in one table. */
export type AgentKind = RcuFlavour | "srcu";

/** `depth` of a qsbr agent that is not online, and of an mb agent that is offline or has no slot yet. */
export const DEPTH_OFFLINE = -1;
/** `depth` of an mb agent that is in no section. */
export const DEPTH_MB = -2;
/** `depth` of an mb agent in a section; `n` less if `n` more are nested in it. */
export const DEPTH_MB_READING = -3;

/** What one agent keeps about one domain. */
export interface Agent {
  /** View through which it sees the domain; another one after rebind(). */
  words: Int32Array;
  /** First word of the domain. */
  readonly base: number;
  readonly flavour: AgentKind;
  /** First word of its slot, 0 if it has none. */
  slot: number;
  /** RcuDomain objects that share this record; the last one to close gives the slot back. */
  users: number;
  /**
   * Where it is. At least 0 is the nesting of qsbr sections, mb agents count downwards from
   * {@link DEPTH_MB_READING}: so one comparison finds out the flavour and whether a section is the outermost.
   */
  depth: number;
  /** What it announces in STATE: of the last load of GP_SEQ. */
  snapshot: number;
  /** Is a microtask under way that ends the turn? */
  isTurnPending: boolean;
  readonly callbacks: CallbackQueue;
  /** Resolved when a section of this very agent that held up a grace period ends (ArrayBuffer only). */
  readonly onLeave: (() => void)[];
}

/** By buffer, and in a buffer by address: views on one buffer may begin at different bytes. */
const agents = new WeakMap<ArrayBufferLike, Map<number, Agent>>();

/** A record that nobody shares; also what a closed RcuDomain is left with. */
export function newAgent(words: Int32Array, base: number, flavour: AgentKind): Agent {
  const callbacks = new CallbackQueue();
  return {
    words,
    base,
    flavour,
    slot: 0,
    users: 0,
    depth: DEPTH_OFFLINE,
    snapshot: 0,
    isTurnPending: false,
    callbacks,
    onLeave: [],
  };
}

/**
 * This agent's record for the domain at `base`, created on first use.
 *
 * @throws SyncError `EINVAL` if this agent uses the domain with another flavour
 */
export function agentFor(words: Int32Array, base: number, flavour: AgentKind | undefined): Agent {
  const agent = agents.get(words.buffer)?.get(addressOf(words, base));
  if (agent === undefined || (agent.users === 0 && agent.flavour !== (flavour ?? "mb"))) {
    const fresh = newAgent(words, base, flavour ?? "mb");
    adoptAgent(words, fresh);
    return fresh;
  }
  const isOther = flavour === undefined ? agent.flavour === "srcu" : agent.flavour !== flavour;
  if (isOther) {
    throw new SyncError(
      "EINVAL",
      `this agent uses the domain as ${agent.flavour}, not as ${flavour ?? "mb"}`,
    );
  }
  return agent;
}

/** Makes `agent` the record for `words`, also after the words were copied to a larger buffer. */
export function adoptAgent(words: Int32Array, agent: Agent): void {
  let byAddress = agents.get(words.buffer);
  if (byAddress === undefined) {
    byAddress = new Map();
    agents.set(words.buffer, byAddress);
  }
  byAddress.set(addressOf(words, agent.base), agent);
  agent.words = words;
}

/**
 * Claims a slot, the lowest free one.
 *
 * @param id - of the claiming agent, 0 if it has none
 * @throws SyncError `ENOSPC` if every slot is taken
 */
export function claimSlot(what: string, words: Int32Array, base: number, id: number): number {
  const agentsMax = Atomics.load(words, base + AGENTS_MAX);
  // Only one agent can ever see an ArrayBuffer, so a slot claimed there is ours: perhaps these words were
  // copied from a smaller buffer while we were reading.
  const isOurs = !isShared(words);
  for (let index = 0; index < agentsMax; index++) {
    const slot = slotWord(base, index);
    const wasClaimed = Atomics.compareExchange(words, slot + CLAIMED, 0, id || ANONYMOUS) !== 0;
    if (wasClaimed && !isOurs) continue;
    raiseHigh(words, base, index + 1);
    return slot;
  }
  throw new SyncError(
    "ENOSPC",
    `${what}: all ${agentsMax} agent slots are taken; close() domains of workers that end, or raise agentsMax`,
  );
}

/** Makes the slot of an RcuDomain idle and online. */
export function endReading(words: Int32Array, slot: number): void {
  words[slot + REST] = 0; // plain: the next owner sees it through its compareExchange of CLAIMED
  Atomics.store(words, slot + STATE, IDLE);
}

/**
 * Gives back every slot of the dead agent `id`, and those it was giving back for others. Writers are woken
 * even if there is none: the agent may have died between leaving and telling them.
 *
 * @param cleaner - id of this agent, 0 if it has none
 * @param endSections - makes a slot one that nobody reads in
 * @returns whether it had a slot
 */
export function releaseDead(
  words: Int32Array,
  base: number,
  id: number,
  cleaner: number,
  endSections: (words: Int32Array, slot: number) => void,
): boolean {
  const mark = -(cleaner || ANONYMOUS);
  let count = 0;
  // Not only up to AGENTS_HIGH: the agent may have died between taking a slot and raising that.
  const agentsMax = Atomics.load(words, base + AGENTS_MAX);
  for (let index = 0; index < agentsMax; index++) {
    const slot = slotWord(base, index);
    const owner = Atomics.load(words, slot + CLAIMED);
    if (owner !== id && owner !== -id) continue;
    if (Atomics.compareExchange(words, slot + CLAIMED, owner, mark) !== owner) continue;
    endSections(words, slot);
    Atomics.store(words, slot + CLAIMED, 0);
    count++;
  }
  announceLeft(words, base);
  return count > 0;
}

/** Stores what STATE becomes on leaving, and tells the writer that waits for it, if one does. */
export function leaveTo(agent: Agent, state: number): void {
  if (Atomics.exchange(agent.words, agent.slot + STATE, state) === AWAITED) announceAgentLeft(agent);
}

/** Tells writers that this agent, which was AWAITED, has left. */
export function announceAgentLeft(agent: Agent): void {
  announceLeft(agent.words, agent.base);
  for (const wake of agent.onLeave.splice(0)) wake();
}

/**
 * AGENTS_HIGH is raised before the slot is first used: a scan that still sees the old value comes before the
 * new reader's first store, so that reader finds what was published before the grace period.
 */
function raiseHigh(words: Int32Array, base: number, count: number): void {
  let high = Atomics.load(words, base + AGENTS_HIGH);
  while (high < count) {
    const seen = Atomics.compareExchange(words, base + AGENTS_HIGH, high, count);
    if (seen === high) return;
    high = seen;
  }
}
