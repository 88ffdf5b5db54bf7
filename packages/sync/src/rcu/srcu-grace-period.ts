/*
 * Grace periods for readers that may sleep or await in their sections, many of them in one agent.
 *
 *   word             name         meaning
 *   0, 3, 4                       as in layout.ts: AGENTS_MAX, READER_LEFT, AGENTS_HIGH
 *   1                SEQ          4 * (grace periods completed) + phase; wraps at 2^32
 *   2                WANTED       cookie somebody asked for while a grace period was in progress (a hint)
 *   16 + 16 i + 1    CLAIMED      as in layout.ts
 *   16 + 16 i + 4,5  LOCKS        agent i: 2 * sections begun under index 0 and 1
 *   16 + 16 i + 6,7  UNLOCKS      agent i: 2 * sections ended, + 1 if a writer waits for one of them
 *
 * phase 0 idle | 1 waits for the index that new readers do not use | 2 the indexes have been swapped, waits for
 * the other one. The index of new readers follows from SEQ, so phase and index change in one compareExchange.
 *
 * Why it is enough. An agent's sections under an index are all over at some instant between two loads if
 * UNLOCKS, loaded first, equals LOCKS, loaded second: at any instant in between LOCKS was no larger than what
 * was loaded, UNLOCKS no smaller, and sections ended never exceed sections begun. A phase ends only after such
 * an instant for every agent, and both loads come after the phase began. Hence between the beginning of a
 * grace period and its end there is, for each agent and for BOTH indexes, an instant with no section open.
 *
 *     writer                                reader
 *     U: unpublish the old version          L: load SEQ, which gives the index
 *     B: compareExchange SEQ to phase 1     A: add to LOCKS[index]
 *     phase 1, swap, phase 2                P: load the pointer, use what it names
 *     E: end, free the old version          X: add to UNLOCKS[index]
 *
 *   - A reader that can see the old version has A < P < U < B in the order of Atomics operations, whatever L
 *     found. The instant for its agent and index comes after B, so it has left before: X < E, and the load of
 *     UNLOCKS synchronises with X, so its plain accesses come before E too.
 *   - A reader with A after that instant has P after B, hence finds the new version.
 *
 * So the swap is not needed for safety, it makes writers terminate: in each phase the index waited for gets
 * no new readers, except one section per thread that was delayed between L and A. Phase 1 exists for exactly
 * those: they may hold the unused index when the next grace period begins.
 *
 * Sums over all agents, as in the kernel, are not needed, because a section ends in the agent it began in.
 * Counts are compared for equality modulo 2^32, which 2^31 open sections of one agent could fool.
 *
 * Waking. A writer loads READER_LEFT, sets bit 0 of the UNLOCKS it waits for, and looks again; a reader whose
 * add returns that bit clears it and then increments READER_LEFT. If its add came before the bit was set, the
 * writer's second look sees it; if after, the increment makes the sleep return. Whoever ends a phase
 * increments READER_LEFT as well: a sleeper may have marked a late reader that no longer matters.
 *
 * Source: Linux kernel/rcu/srcutree.c, for the two indexes and the order of the two loads.
 */
import type { Agent } from "./agent.ts";
import { announceAgentLeft } from "./agent.ts";
import { AGENTS_HIGH, GP_SEQ, GP_WANTED, READER_LEFT, slotWord } from "./layout.ts";

/** Sections begun: this word for index 0, the next for index 1. */
export const LOCKS = 4;
/** Sections ended, and the AWAITED bit. */
export const UNLOCKS = 6;
/** One section in LOCKS and UNLOCKS. */
export const ONE = 2;
/** Bit of UNLOCKS: a writer waits for a section of this agent under this index. */
export const AWAITED_BIT = 1;

const PHASE_MASK = 3;
/** A live cookie is at most so many steps ahead of SEQ. */
const STEPS_MAX = 7;

/** Index under which a reader that finds SEQ = `seq` counts itself. */
export function indexOf(seq: number): 0 | 1 {
  return (((seq + 2) >>> 2) & 1) as 0 | 1;
}

/** Has SEQ = `seq` reached `cookie`? */
export function isSrcuElapsed(seq: number, cookie: number): boolean {
  const stepsLeft = (cookie - seq) | 0;
  return stepsLeft < 1 || stepsLeft > STEPS_MAX;
}

/** Sections open in the slot under `index`, in steps of {@link ONE}; UNLOCKS is loaded first. */
export function openIn(words: Int32Array, slot: number, index: number): number {
  const ended = Atomics.load(words, slot + UNLOCKS + index) & ~AWAITED_BIT;
  return (Atomics.load(words, slot + LOCKS + index) - ended) | 0;
}

/** Cookie of the grace period after the one in progress, `undefined` if none is. */
export function srcuCookieDuring(seq: number): number | undefined {
  return (seq & PHASE_MASK) === 0 ? undefined : ((seq & ~PHASE_MASK) + 8) | 0;
}

/** Names the end of the first grace period that has not begun yet, and begins it if none is in progress. */
export function requestSrcuCookie(words: Int32Array, base: number): number {
  const seq = Atomics.load(words, base + GP_SEQ);
  const cookie = srcuCookieDuring(seq);
  if (cookie === undefined) {
    // Losing this race means that another agent began a grace period after our load: that one will do.
    Atomics.compareExchange(words, base + GP_SEQ, seq, (seq + 1) | 0);
    return (seq + 4) | 0;
  }
  Atomics.store(words, base + GP_WANTED, cookie);
  return cookie;
}

/** Moves grace periods on as far as the readers allow. @returns whether `cookie` has been reached */
export function advanceSrcu(agent: Agent, cookie: number): boolean {
  const { words, base } = agent;
  for (;;) {
    const seq = Atomics.load(words, base + GP_SEQ);
    if (isSrcuElapsed(seq, cookie)) return true;
    if ((seq & PHASE_MASK) !== 0 && findSrcuBlocker(words, base, seq) !== -1) return false;
    if (Atomics.compareExchange(words, base + GP_SEQ, seq, nextOf(seq)) !== seq) continue;
    if ((seq & PHASE_MASK) === 2) continueIfWanted(words, base, nextOf(seq));
    if ((seq & PHASE_MASK) !== 0) announceAgentLeft(agent);
  }
}

function nextOf(seq: number): number {
  return (seq + ((seq & PHASE_MASK) === 2 ? 2 : 1)) | 0;
}

/** After ending a grace period, begins the next one at once if its cookie has been handed out. */
function continueIfWanted(words: Int32Array, base: number, idle: number): void {
  if (Atomics.load(words, base + GP_WANTED) !== ((idle + 4) | 0)) return;
  Atomics.compareExchange(words, base + GP_SEQ, idle, (idle + 1) | 0);
}

/** Slot of the first agent that holds up the phase of `seq`, or -1. */
export function findSrcuBlocker(words: Int32Array, base: number, seq: number): number {
  const drained = indexOf(seq) ^ 1; // in both phases it is the index that new readers do not use
  const high = Atomics.load(words, base + AGENTS_HIGH);
  for (let agent = 0; agent < high; agent++) {
    const slot = slotWord(base, agent);
    if (openIn(words, slot, drained) !== 0) return slot;
  }
  return -1;
}

/** Marks one reader that holds up the phase. @returns value of READER_LEFT to sleep on, if there is one */
export function awaitSrcuBlocker(words: Int32Array, base: number): number | undefined {
  const ticket = Atomics.load(words, base + READER_LEFT);
  const seq = Atomics.load(words, base + GP_SEQ);
  if ((seq & PHASE_MASK) === 0) return undefined;
  const slot = findSrcuBlocker(words, base, seq);
  if (slot === -1) return undefined;
  const drained = indexOf(seq) ^ 1;
  Atomics.or(words, slot + UNLOCKS + drained, AWAITED_BIT);
  return openIn(words, slot, drained) !== 0 && Atomics.load(words, base + GP_SEQ) === seq
    ? ticket
    : undefined;
}

/** Ends every section of a dead agent: what it had begun it will never end. */
export function endSections(words: Int32Array, slot: number): void {
  for (const index of [0, 1]) {
    Atomics.store(words, slot + UNLOCKS + index, Atomics.load(words, slot + LOCKS + index));
  }
}
