/*
 * The lock of one VMA, as @faultline/mm's VmaLock: readers count themselves in one word, a writer sets one bit in
 * it. A reader never waits for a writer, it fails: one visit of the line to take the lock, one to give it back.
 *
 * A writer stops new readers at once and sleeps until the last one inside has left. Writers exclude each other by
 * mmap_lock, so there is one at most; a second is refused.
 */
import type { Agent, Steps } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";
import type { CacheLine } from "../engine/line.ts";
import { SimError } from "../errors.ts";
import { LockStats } from "./lock-stats.ts";

/** A reader-writer lock in one word whose readers only try. */
export class VmaLock {
  readonly line: CacheLine;
  readonly stats: LockStats;
  /** Readers inside. */
  readers = 0;
  /** Inside, or waiting for the readers to leave. */
  writer: Agent | undefined;
  readonly #engine: Engine;

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

  /** Takes the lock for reading unless a writer is inside or waits. */
  *tryRead(agent: Agent): Steps<boolean> {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    const open = this.writer === undefined;
    if (open) {
      this.readers++;
      this.stats.acquisitions++;
    } else {
      this.stats.failed++;
    }
    this.stats.waiting += this.#engine.now - start;
    return open;
  }

  *unlockRead(agent: Agent): Steps {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    if (this.readers < 1)
      throw new Error(`${this.line.name}: read-unlocked by ${agent.name}, but no reader holds it`);
    this.readers--;
    if (this.readers === 0 && this.writer) yield agent.unpark(this.writer);
    this.stats.waiting += this.#engine.now - start;
  }

  /** Stops new readers at once and waits for those inside. EPERM if there is a writer. */
  *write(agent: Agent): Steps {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    this.#becomeWriter(agent);
    if (this.readers > 0) this.stats.contended++;
    while (this.readers > 0) yield agent.park();
    this.stats.acquisitions++;
    this.stats.waiting += this.#engine.now - start;
  }

  /** Takes the lock for writing if nobody is inside. */
  *tryWrite(agent: Agent): Steps<boolean> {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    const free = this.readers === 0 && this.writer === undefined;
    if (free) {
      this.writer = agent;
      this.stats.acquisitions++;
    } else {
      this.stats.failed++;
    }
    this.stats.waiting += this.#engine.now - start;
    return free;
  }

  *unlockWrite(agent: Agent): Steps {
    const start = this.#engine.now;
    if (this.writer !== agent)
      throw new Error(`${this.line.name}: write-unlocked by ${agent.name}, which does not hold it`);
    yield agent.rmw(this.line);
    this.writer = undefined;
    this.stats.waiting += this.#engine.now - start;
  }

  /** Throws if there are fewer than no readers. */
  validate(): void {
    if (this.readers < 0) throw new Error(`${this.line.name}: ${this.readers} readers`);
  }

  #becomeWriter(agent: Agent): void {
    if (this.writer) {
      throw new SimError(
        "EPERM",
        `${this.line.name}: ${agent.name} write-locks it beside ${this.writer.name}; mmap_lock must exclude that`,
      );
    }
    this.writer = agent;
  }
}
