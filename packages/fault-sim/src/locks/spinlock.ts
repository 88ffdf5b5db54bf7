/*
 * Queued spinlock (Linux: kernel/locking/qspinlock.c). Free: one atomic. Taken: each waiter spins on a
 * line of its own; a release writes the next waiter's line, who then takes its place on the lock's line.
 */
import type { Agent, Steps } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";
import type { CacheLine } from "../engine/line.ts";
import { LockStats } from "./lock-stats.ts";

/** A spinlock with first-come first-served hand-over. Its holder may not sleep. */
export class Spinlock {
  readonly line: CacheLine;
  readonly stats: LockStats;
  readonly #engine: Engine;
  readonly #queue: Agent[] = [];
  #owner: Agent | undefined;

  /** `line`: the line the lock word lives in; by default one of its own. */
  constructor(
    engine: Engine,
    name: string,
    stats: LockStats = new LockStats(name),
    line: CacheLine = engine.line(name),
  ) {
    this.#engine = engine;
    this.stats = stats;
    this.line = line;
  }

  get isLocked(): boolean {
    return this.#owner !== undefined;
  }

  *lock(agent: Agent): Steps {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    if (this.#owner === undefined) {
      this.#owner = agent;
    } else {
      this.stats.contended++;
      this.#queue.push(agent);
      while (this.#owner !== agent) yield agent.spin();
      yield agent.read(this.#engine.nodeLine(agent));
      yield agent.rmw(this.line);
    }
    agent.spinlocksHeld++;
    this.stats.acquisitions++;
    this.stats.waiting += this.#engine.now - start;
  }

  *unlock(agent: Agent): Steps {
    if (this.#owner !== agent)
      throw new Error(`${this.line.name}: unlocked by ${agent.name}, which does not hold it`);
    const start = this.#engine.now;
    yield agent.write(this.line);
    agent.spinlocksHeld--;
    const next = this.#queue.shift();
    if (next === undefined) {
      this.#owner = undefined;
    } else {
      yield agent.write(this.#engine.nodeLine(next));
      this.#owner = next;
      yield agent.signal(next);
    }
    this.stats.waiting += this.#engine.now - start;
  }
}
