/* Locks that break what the sweep checks, to see that it notices. */
import { type Agents, RobustSpinLock } from "../src/index.ts";

/**
 * `deaf`: takes everybody for alive, so that others wait for the dead. `silent`: frees the lock of a dead owner
 * without telling the next.
 */
export type Broken = "deaf" | "silent";

/** Says of everybody that it lives. */
export function deaf(agents: Agents): Agents {
  return {
    get self(): number {
      return agents.self;
    },
    isAlive: () => true,
  };
}

/** Lets the next owner think that all is well. */
export class SilentLock extends RobustSpinLock {
  override agentDied(id: number): boolean {
    const died = Atomics.compareExchange(this.words, this.state, id, 0) === id;
    return super.agentDied(id) || died;
  }
}
