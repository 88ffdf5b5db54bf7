/*
 * What a RobustPerWorkerRwSem's words say of the dead, and how they are made to forget them.
 *
 * Cleaning up takes no lock, and several agents may do it at once: of those who find a dead one's slot, its
 * compareExchange of CLAIMED lets one through; BLOCK goes from the dead one's id to GHOST once.
 */
import { validateEvent } from "../event-count.ts";
import type { RcuDomain } from "../rcu.ts";
import type { Agents } from "../robust/recovery.ts";
import { BLOCK, CLAIMED, COUNT, DRAIN, READERS, slotsOf, WAITING, WRITERS } from "./layout.ts";

/** BLOCK: a writer died, and what it guarded is not repaired. */
export const GHOST = 1;
/** BLOCK: unusable. */
export const UNUSABLE = 2;
/** The smallest agent id. */
export const AGENT_MIN = 1024;

/** How many reads wait for BLOCK to be 0. */
export function waitingReadersOf(words: Int32Array, base: number): number {
  let waiting = 0;
  for (const slot of slotsOf(words, base)) waiting += Atomics.load(words, slot + WAITING);
  return waiting;
}

/** Cleans up after everybody who has died; wakes nobody. @returns whether it found anything of theirs */
export function cleanUp(words: Int32Array, base: number, rcu: RcuDomain, agents: Agents): boolean {
  const isDead = (id: number): boolean => id >= AGENT_MIN && !agents.isAlive(id);
  const mark = -(agents.self || 1);
  let isFound = false;
  for (const slot of slotsOf(words, base)) {
    const claimed = Atomics.load(words, slot + CLAIMED);
    if (!isDead(Math.abs(claimed))) continue;
    if (Atomics.compareExchange(words, slot + CLAIMED, claimed, mark) !== claimed) continue;
    rcu.agentDied(Math.abs(claimed));
    Atomics.store(words, slot + COUNT, 0);
    Atomics.store(words, slot + WAITING, 0);
    Atomics.store(words, slot + CLAIMED, 0); // last: until then it is cleaned up after whoever cleans up
    isFound = true;
  }
  const block = Atomics.load(words, base + BLOCK);
  if (isDead(block)) {
    rcu.agentDied(block);
    Atomics.compareExchange(words, base + BLOCK, block, GHOST);
    isFound = true;
  }
  return isFound;
}

/** Throws an `Error` naming the words and values that break an invariant; exact only while nobody is at work. */
export function validateNamed(words: Int32Array, base: number): void {
  const block = Atomics.load(words, base + BLOCK);
  if (block < 0 || (block > UNUSABLE && block < AGENT_MIN)) {
    throw new Error(`RobustPerWorkerRwSem: BLOCK is ${block}`);
  }
  for (const slot of slotsOf(words, base)) {
    const [count, claimed, waiting] = [COUNT, CLAIMED, WAITING].map((word) =>
      Atomics.load(words, slot + word),
    );
    if (count < 0 || waiting < 0 || (claimed === 0 && count + waiting > 0)) {
      const text = `COUNT ${count}, CLAIMED ${claimed}, WAITING ${waiting}`;
      throw new Error(`RobustPerWorkerRwSem: slot at word ${slot} has ${text}`);
    }
  }
  for (const events of [READERS, WRITERS, DRAIN]) {
    validateEvent("RobustPerWorkerRwSem", words, base + events);
  }
}
