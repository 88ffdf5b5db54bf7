/*
 * Which slot is mine? An agent (the main thread or one worker) claims one slot per domain, on its first read
 * section or first offline(), and every RcuDomain object of that agent over the same words shares it. The
 * slot index is this agent's identity in the domain and can live nowhere but here: shared words cannot know
 * which thread is asking. Everything else (state, nesting) is in the slot.
 */
import { SyncError } from "../errors.ts";
import { isShared } from "../words.ts";
import { AGENTS_HIGH, AGENTS_MAX, CLAIMED, DEPTH, IDLE, STATE, slotWord } from "./layout.ts";

/** A callback of `call()` and the cookie it waits for. */
export interface Callback {
  readonly cookie: number;
  readonly fn: () => void;
}

/** What one agent keeps about one domain. */
export interface Agent {
  /** First word of its slot, 0 if it has none. */
  slot: number;
  /** RcuDomain objects that share this record; the last one to close gives the slot back. */
  users: number;
  /** Callbacks in the order of call(), their cookies never decreasing. */
  callbacks: Callback[];
  /** Guards against callbacks that run callbacks. */
  isRunning: boolean;
  /** Resolved when a section of this very agent that held up a grace period ends (ArrayBuffer only). */
  onLeave: (() => void)[];
}

const agents = new WeakMap<ArrayBufferLike, Map<number, Agent>>();

/** This agent's record for the domain at `base`, created on first use. */
export function agentFor(words: Int32Array, base: number): Agent {
  let byBase = agents.get(words.buffer);
  if (byBase === undefined) {
    byBase = new Map();
    agents.set(words.buffer, byBase);
  }
  let agent = byBase.get(base);
  if (agent === undefined) {
    agent = { slot: 0, users: 0, callbacks: [], isRunning: false, onLeave: [] };
    byBase.set(base, agent);
  }
  return agent;
}

/** Makes `agent` the record for `words` too, after the words were copied to a larger buffer. */
export function adoptAgent(words: Int32Array, base: number, agent: Agent): void {
  let byBase = agents.get(words.buffer);
  if (byBase === undefined) {
    byBase = new Map();
    agents.set(words.buffer, byBase);
  }
  byBase.set(base, agent);
}

/**
 * Claims a slot for this agent, the lowest free one.
 *
 * @throws SyncError `ENOSPC` if every slot is taken
 */
export function claimSlot(words: Int32Array, base: number): number {
  const agentsMax = Atomics.load(words, base + AGENTS_MAX);
  // Only one agent can ever see an ArrayBuffer, so a slot claimed there is ours: perhaps these words were
  // copied from a smaller buffer while we were reading.
  const isOurs = !isShared(words);
  for (let index = 0; index < agentsMax; index++) {
    const slot = slotWord(base, index);
    const wasClaimed = Atomics.compareExchange(words, slot + CLAIMED, 0, 1) !== 0;
    if (wasClaimed && !isOurs) continue;
    raiseHigh(words, base, index + 1);
    return slot;
  }
  throw new SyncError(
    "ENOSPC",
    `RcuDomain: all ${agentsMax} agent slots are taken; close() domains of workers that end, or raise agentsMax`,
  );
}

/** Gives a slot back. The agent is outside every read section. */
export function releaseSlot(words: Int32Array, slot: number): void {
  words[slot + DEPTH] = 0;
  Atomics.store(words, slot + STATE, IDLE);
  Atomics.store(words, slot + CLAIMED, 0);
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
