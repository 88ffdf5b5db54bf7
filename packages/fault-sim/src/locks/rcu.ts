import type { Agent } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";

/** Memory that waits for grace periods. */
export interface RcuReport {
  readonly deferred: number;
  /** Largest number of bytes held back at one time. */
  readonly peakBytes: number;
}

/**
 * Read-copy-update: readers touch no shared line, updaters never wait; what is freed stays held back
 * for a grace period. A reader that sleeps inside its section is refused by the engine.
 */
export class Rcu {
  /** Picoseconds; default 20 ms (assumed). */
  readonly gracePeriod: number;
  readonly #engine: Engine;
  readonly #due: number[] = [];
  readonly #bytes: number[] = [];
  #next = 0;
  #held = 0;
  #peak = 0;

  constructor(engine: Engine, gracePeriod = 20_000_000_000) {
    this.#engine = engine;
    this.gracePeriod = gracePeriod;
  }

  readLock(agent: Agent): void {
    agent.rcuDepth++;
  }

  readUnlock(agent: Agent): void {
    if (agent.rcuDepth < 1) throw new Error(`${agent.name} leaves an RCU section it is not in`);
    agent.rcuDepth--;
  }

  /** Holds `bytes` back for a grace period; the callback steals 50 ns of the CPU that asked. */
  defer(agent: Agent, bytes: number): void {
    this.#expire();
    this.#due.push(this.#engine.now + this.gracePeriod);
    this.#bytes.push(bytes);
    this.#held += bytes;
    this.#peak = Math.max(this.#peak, this.#held);
    agent.interruptDebt += 50_000;
  }

  /** Bytes held back now. */
  get heldBytes(): number {
    this.#expire();
    return this.#held;
  }

  report(): RcuReport {
    return { deferred: this.#due.length, peakBytes: this.#peak };
  }

  #expire(): void {
    while (this.#next < this.#due.length && this.#due[this.#next]! <= this.#engine.now) {
      this.#held -= this.#bytes[this.#next]!;
      this.#next++;
    }
  }
}
