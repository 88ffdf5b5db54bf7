/*
 * Robust locks: a thread may be terminated between any two instructions, and the others go on.
 *
 * Owner. The word that is changed to take a lock holds the owner's agent id, so taking and writing down who took it
 * are one compareExchange: there is no moment in which the lock is held and nobody knows by whom.
 *
 * Who finds out. sync.md §9 proposes what pthreads do: each thread keeps a list of what it holds, which the
 * reaper walks. That costs three more stores on each way (pending, list, pending), half of the lock's price,
 * and a list has room for so many locks, in one buffer. Here nothing is written down but the owner:
 *
 *   - Whoever must wait asks the registry whether the owner lives: one load, on the slow path only. If it does
 *     not, the waiter itself recovers the lock.
 *   - Who sleeps already looks again after RECHECK_MS. That also makes good for a wake-up lost in a death (a
 *     holder that had freed the lock and not notified yet; a waiter that was woken and died before it looked).
 *     Any number of locks, in any number of buffers, is covered without being registered anywhere.
 *   - `registry.protect(lock)` makes recovery prompt: the thread that reports a death then calls `agentDied` of
 *     every lock it has been told of, which wakes those who sleep there. Nothing depends on it but the time.
 *
 * A death must be reported before anybody can see it, and who started a worker hears of its end in its event
 * loop (threads/spawn.ts). So the thread that starts the others must not block for a lock one of them may die
 * with: `lockAsync` there.
 *
 * Recovery is code like any other: it can die half-way, and several threads can do it at once. So each step is
 * a compareExchange from a value that names the dead agent, or one that does no harm when repeated, and none
 * of them waits for another. It uses Atomics on the lock's words and `Agents`, nothing of a thread.
 *
 * What the lock guards may be half changed. The next owner is told, repairs it and says so (markConsistent);
 * if it gives the lock back without, or cannot, the lock is unusable for everybody, for ever: ENOTRECOVERABLE.
 * Nobody can overlook that, because whoever makes a lock must say how to repair, or that the caller looks.
 */

/** As much of a thread registry as a robust lock asks; {@link ThreadRegistry} is one. */
export interface Agents {
  /** Id of the calling agent, 1024 … 2^30 - 1; 0 if it has not joined. */
  readonly self: number;
  /** `false` if the agent is certain never to run again, or has left. */
  isAlive(id: number): boolean;
}

/** What a death can be told to: robust locks, RCU domains. */
export interface Recoverable {
  /**
   * Cleans up after the agent `id`, which never runs again, and wakes those whose wake-up may have died with
   * it. May be called by several threads, several times.
   *
   * @returns whether it found anything of the agent's
   */
  agentDied(id: number): boolean;
}

/**
 * How what the lock guards becomes usable again after an owner's death. A function runs in the next owner, with
 * the lock held, before `lock()` returns; when it returns the lock is consistent, when it throws the lock is
 * unusable. It must not be async. `"manual"`: who takes the lock looks at `ownerDied`, repairs, and calls
 * `markConsistent()`; who does not makes the lock unusable when it gives it back, also with `withLock`.
 */
export type Repair = (() => void) | "manual";

/** Options of every robust lock; each thread gives its own. */
export interface RobustOptions {
  /** Who lives; a `ThreadRegistry`. */
  readonly agents: Agents;
  /** See {@link Repair}. */
  readonly repair: Repair;
  /**
   * How long this thread sleeps, in ms, before it looks whether who it waits for still lives; default 100. With
   * `Infinity` it relies on `registry.protect` in the thread that reports deaths.
   */
  readonly recheckMs?: number;
}

/** Default of {@link RobustOptions.recheckMs}. */
export const RECHECK_MS = 100;

/** The option, checked. */
export function checkRecheck(what: string, recheckMs: number = RECHECK_MS): number {
  if (recheckMs > 0) return recheckMs;
  throw new RangeError(`${what}: recheckMs must be a number > 0, got ${recheckMs}`);
}

/** Layout of a word that names an owner: that of a robust futex. */
export const OWNER_MASK = 0x3fffffff;
/** The owner died, and what it guarded has not been repaired. Stays set while the next owner repairs. */
export const OWNER_DIED: number = 1 << 30;
/** Somebody may be waiting. */
export const WAITERS: number = 1 << 31;
/** In place of an owner: given back unrepaired, nobody gets it any more. No agent has such an id. */
export const UNUSABLE = 1;
