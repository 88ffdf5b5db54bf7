/*
 * Turns over robust locks, by lanes and by mortals. A thread that dies inside leaves its name and half a change;
 * whoever gets the lock next repairs both before anybody can see them.
 */
import { RobustMutex, RobustSpinLock, type ThreadRegistry } from "../src/index.ts";
import type { Actor } from "./actor.ts";
import { write } from "./stations.ts";
import { ROBUST_MUTEX, ROBUST_SPIN, type Station } from "./words.ts";

/** The robust locks of one thread. */
export interface RobustLocks {
  readonly spin: RobustSpinLock;
  readonly mutex: RobustMutex;
}

/** Attaches; `onRepair` is told when this thread has repaired what a dead one left. */
export function attachRobust(
  words: Int32Array,
  agents: ThreadRegistry,
  onRepair: () => void = () => {},
): RobustLocks {
  const repair = (at: Station) => () => {
    Atomics.store(words, at.owner, 0);
    words[at.before] = words[at.after];
    onRepair();
  };
  return {
    spin: new RobustSpinLock(words, ROBUST_SPIN.lock, { agents, repair: repair(ROBUST_SPIN) }),
    mutex: new RobustMutex(words, ROBUST_MUTEX.lock, { agents, repair: repair(ROBUST_MUTEX) }),
  };
}

/** One turn over one of them. */
export function robustTurn(actor: Actor, { spin, mutex }: RobustLocks): void {
  const isSpin = actor.oneIn(2);
  const lock = isSpin ? spin : mutex;
  const name = isSpin ? "RobustSpinLock" : "RobustMutex";
  const isGot = actor.oneIn(4) ? lock.lock({ timeoutMs: actor.roll(3) }) : lock.lock();
  if (!isGot) {
    actor.count(`${name} timeouts`);
    return;
  }
  write(actor, name, isSpin ? ROBUST_SPIN : ROBUST_MUTEX, () => actor.hold());
  lock.unlock();
}
