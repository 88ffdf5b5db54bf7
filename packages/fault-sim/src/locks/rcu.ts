/*
 * Read-copy-update: readers touch no shared line, updaters never wait; what is freed stays held back for a grace
 * period. It ends a fixed time after it was asked for, but not before every section that was open then has been
 * left. Callbacks are called in the order of asking, when somebody defers the next time: later than in a kernel,
 * never earlier. A reader that sleeps inside its section is refused by the engine.
 */
import type { Agent } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";

/** Memory that waits for grace periods. */
export interface RcuReport {
  readonly deferred: number;
  /** Largest number of bytes held back at one time. */
  readonly peakBytes: number;
}

interface Deferred {
  readonly since: number;
  readonly bytes: number;
  readonly free: (() => void) | undefined;
}

const CALLBACK_COST = 50_000;

/** Read sections and grace periods of one engine. */
export class Rcu {
  /** Picoseconds; default 20 ms (assumed). */
  readonly gracePeriod: number;
  readonly #engine: Engine;
  #waiting: Deferred[] = [];
  /** Index in `#waiting` of the first that waits. */
  #next = 0;
  #deferred = 0;
  #held = 0;
  #peak = 0;

  constructor(engine: Engine, gracePeriod = 20_000_000_000) {
    this.#engine = engine;
    this.gracePeriod = gracePeriod;
  }

  readLock(agent: Agent): void {
    if (agent.rcuDepth++ === 0) agent.rcuSince = this.#engine.now;
  }

  readUnlock(agent: Agent): void {
    if (agent.rcuDepth < 1) throw new Error(`${agent.name} leaves an RCU section it is not in`);
    agent.rcuDepth--;
  }

  /** Holds `bytes` back for a grace period, then calls `free`; that steals 50 ns of the CPU that asked. */
  defer(agent: Agent, bytes: number, free?: () => void): void {
    this.expire();
    this.#waiting.push({ since: this.#engine.now, bytes, free });
    this.#deferred++;
    this.#held += bytes;
    this.#peak = Math.max(this.#peak, this.#held);
    agent.interruptDebt += CALLBACK_COST;
  }

  /** Calls what has waited for a full grace period. */
  expire(): void {
    const oldest = this.#oldestSection();
    for (;;) {
      const first = this.#waiting[this.#next];
      if (!first || first.since + this.gracePeriod > this.#engine.now || first.since >= oldest) break;
      this.#next++;
      this.#held -= first.bytes;
      first.free?.();
    }
    if (this.#next > 1024 && this.#next * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
  }

  /** Bytes held back now. */
  get heldBytes(): number {
    this.expire();
    return this.#held;
  }

  report(): RcuReport {
    return { deferred: this.#deferred, peakBytes: this.#peak };
  }

  /** When the oldest section that is still open began. */
  #oldestSection(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const agent of this.#engine.agents) {
      if (agent.rcuDepth > 0 && agent.rcuSince < oldest) oldest = agent.rcuSince;
    }
    return oldest;
  }
}
