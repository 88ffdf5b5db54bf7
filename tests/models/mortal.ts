/*
 * Threads that die at any of their operations, with somebody who notices.
 *
 * The checker can kill a thread, but nobody in the model would know, and recovery begins where a death is known.
 * So a mortal thread asks before each operation whether its time has come; another one, fate, says so at any
 * moment. What is left of the thread then reports its death, as the registry of threads does after a thread has
 * ended: that may be at any time later, since others may run in between.
 */
import type { Agents } from "@faultline/sync/robust";
import { inOwnMemory, throughAtomics } from "./own-memory.ts";

/** Words that a model with a mortal thread needs. */
export const MORTAL_WORDS = 2;
const FATE = 0;
const DEAD = 1;

/** Ids of agents: thread `i` of the model, and whoever reports deaths. */
export const agentId = (thread: number): number => 1024 + thread;
const REAPER: number = agentId(16);

class Death extends Error {}

/** What others know of the death of thread 0, the mortal one, seen by the agent `self`. */
export function agentsOf(words: Int32Array, at: number, self: number): Agents {
  return { self, isAlive: (id) => id !== agentId(0) || Atomics.load(words, at + DEAD) === 0 };
}

/** Decides when thread 0 dies. */
export function fate(at: number): (words: Int32Array) => void {
  return (words) => void Atomics.store(words, at + FATE, 1);
}

/** Lives until fate says so, and is then reported by `bury`, as an agent of its own. */
export function mortal(
  at: number,
  live: (words: Int32Array, agents: Agents) => unknown,
  bury: (words: Int32Array, agents: Agents, dead: number) => void,
): (words: Int32Array) => unknown {
  return (given) =>
    inOwnMemory(given, (words) => {
      try {
        return untilDeath(words, at, () => live(words, agentsOf(words, at, agentId(0))));
      } catch (error) {
        if (!(error instanceof Death)) throw error;
      }
      Atomics.store(words, at + DEAD, 1);
      bury(words, agentsOf(words, at, REAPER), agentId(0));
      return "died";
    });
}

/** Runs `fn` with a look at the thread's fate before each operation. Its `finally` blocks do nothing once it is dead. */
function untilDeath<T>(words: Int32Array, at: number, fn: () => T): T {
  const { load } = Atomics;
  let isDead = false;
  const look = (): void => {
    isDead ||= load(words, at + FATE) === 1;
    if (isDead) throw new Death();
  };
  return throughAtomics((operation, given) => {
    look();
    return operation(...given);
  }, fn);
}
