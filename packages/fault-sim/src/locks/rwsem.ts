/*
 * Reader-writer semaphore (Linux: kernel/locking/rwsem.c). Count and owner share the hot line: a read
 * lock is an atomic and a store in one visit, a read unlock an atomic, so each pair costs two visits.
 *
 * Rules: a reader that finds a writer, waiters or a hand-off request leaves the fast path; it may still
 * take a lock nobody holds, otherwise it queues. So once a writer waits behind readers, later readers
 * queue behind it. Writers spin while the owner runs, then queue and sleep. A woken reader has been
 * given the lock, together with all other queued readers (up to 256); a woken writer must try.
 *
 * Between two yields a program runs alone, so a decision made right after `rmw` is the atomic's.
 * Lock order: wait_lock is innermost; nobody sleeps while holding it.
 */
import type { Agent, Steps } from "../engine/agent.ts";
import { State } from "../engine/breakdown.ts";
import type { Engine } from "../engine/engine.ts";
import type { CacheLine } from "../engine/line.ts";
import { LockStats } from "./lock-stats.ts";
import { Spinlock } from "./spinlock.ts";

/** `sleep`: no spinning (up to about Linux 3.15); `spin`: writers spin; `handoff`: and waiters may stop stealing (5.3). */
export type RwsemGeneration = "sleep" | "spin" | "handoff";

const READER_BATCH = 256;
const HANDOFF_AFTER = 4_000_000_000;

interface Waiter {
  readonly agent: Agent;
  readonly write: boolean;
  readonly since: number;
  granted: boolean;
}

/** A sleeping reader-writer lock. Times are picoseconds. */
export class Rwsem {
  readonly line: CacheLine;
  readonly stats: LockStats;
  readonly generation: RwsemGeneration;
  /** Readers that hold the lock. */
  readers = 0;
  writer: Agent | undefined;
  waitersBit = false;
  handoffBit = false;
  readonly #engine: Engine;
  readonly #waitLock: Spinlock;
  readonly #queue: Waiter[] = [];
  readonly #spinners: Agent[] = [];

  constructor(
    engine: Engine,
    name: string,
    stats: LockStats = new LockStats(name),
    generation: RwsemGeneration = "handoff",
    line: CacheLine = engine.line(name),
  ) {
    this.#engine = engine;
    this.stats = stats;
    this.generation = generation;
    this.line = line;
    this.#waitLock = new Spinlock(engine, `${name} wait_lock`);
  }

  /** Waiters in the queue, asleep or about to be. */
  get queued(): number {
    return this.#queue.length;
  }

  *downRead(agent: Agent): Steps {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    if (this.#readFastPathOpen() || this.#mayStealRead()) {
      this.readers++;
      yield agent.write(this.line);
    } else {
      this.stats.contended++;
      yield* this.#queueRead(agent);
    }
    this.stats.acquisitions++;
    this.stats.waiting += this.#engine.now - start;
  }

  /** Takes the lock if that needs no waiting. */
  *tryDownRead(agent: Agent): Steps<boolean> {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    const open = this.#readFastPathOpen();
    if (open) {
      this.readers++;
      yield agent.write(this.line);
      this.stats.acquisitions++;
    } else {
      this.stats.failed++;
    }
    this.stats.waiting += this.#engine.now - start;
    return open;
  }

  *upRead(agent: Agent): Steps {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    if (this.readers < 1)
      throw new Error(`${this.line.name}: read-unlocked by ${agent.name}, but no reader holds it`);
    this.readers--;
    if (this.readers === 0) yield* this.#released(agent);
    this.stats.waiting += this.#engine.now - start;
  }

  *downWrite(agent: Agent): Steps {
    const start = this.#engine.now;
    yield agent.rmw(this.line);
    if (this.#isFree() && !this.waitersBit) {
      this.writer = agent;
      yield agent.write(this.line);
    } else {
      this.stats.contended++;
      const spun = this.generation !== "sleep" && (yield* this.#spinForWrite(agent));
      if (!spun) yield* this.#queueWrite(agent);
    }
    this.stats.acquisitions++;
    this.stats.waiting += this.#engine.now - start;
  }

  *upWrite(agent: Agent): Steps {
    const start = this.#engine.now;
    this.#checkWriter(agent, "write-unlocked");
    yield agent.rmw(this.line);
    this.writer = undefined;
    yield* this.#released(agent);
    this.stats.waiting += this.#engine.now - start;
  }

  /** Turns the held write lock into a read lock; queued readers come in. */
  *downgradeWrite(agent: Agent): Steps {
    const start = this.#engine.now;
    this.#checkWriter(agent, "downgraded");
    yield agent.rmw(this.line);
    this.writer = undefined;
    this.readers = 1;
    if (this.#spinners[0]) yield agent.signal(this.#spinners[0]);
    if (this.waitersBit) yield* this.#wakeFirst(agent);
    this.stats.waiting += this.#engine.now - start;
  }

  /** Throws if holders or queue contradict each other. */
  validate(): void {
    if (this.writer && this.readers > 0)
      throw new Error(`${this.line.name}: a writer and ${this.readers} readers hold it`);
    if (this.readers < 0) throw new Error(`${this.line.name}: ${this.readers} readers`);
    if (this.waitersBit && this.#queue.length === 0)
      throw new Error(`${this.line.name}: waiters bit without waiters`);
  }

  #readFastPathOpen(): boolean {
    return !this.writer && !this.waitersBit && !this.handoffBit;
  }

  #mayStealRead(): boolean {
    return this.#isFree() && !this.handoffBit;
  }

  #isFree(): boolean {
    return !this.writer && this.readers === 0;
  }

  *#released(agent: Agent): Steps {
    if (this.#spinners[0]) yield agent.signal(this.#spinners[0]);
    if (this.waitersBit) yield* this.#wakeFirst(agent);
  }

  *#queueRead(agent: Agent): Steps {
    yield* this.#waitLock.lock(agent);
    const waiter: Waiter = { agent, write: false, since: this.#engine.now, granted: false };
    this.#queue.push(waiter);
    yield agent.rmw(this.line);
    this.waitersBit = true;
    // Whoever released the lock before the bit was set wakes nobody: look again.
    const open = !this.writer && (this.readers === 0 || this.#queue[0] === waiter);
    const woken = open ? yield* this.#markWake(agent) : [];
    yield* this.#waitLock.unlock(agent);
    yield* this.#unparkAll(agent, woken);
    while (!waiter.granted) yield agent.park();
  }

  *#queueWrite(agent: Agent): Steps {
    const waiter: Waiter = { agent, write: true, since: this.#engine.now, granted: false };
    yield* this.#waitLock.lock(agent);
    this.#queue.push(waiter);
    for (;;) {
      yield agent.rmw(this.line);
      this.waitersBit = true;
      if (this.#tryQueuedWrite(waiter)) break;
      const woken = this.#isFree() ? yield* this.#markWake(agent) : [];
      yield* this.#waitLock.unlock(agent);
      yield* this.#unparkAll(agent, woken);
      yield agent.park();
      yield* this.#waitLock.lock(agent);
    }
    yield* this.#waitLock.unlock(agent);
  }

  #tryQueuedWrite(waiter: Waiter): boolean {
    const first = this.#queue[0] === waiter;
    if (this.#isFree() && (!this.handoffBit || first)) {
      this.writer = waiter.agent;
      this.#queue.splice(this.#queue.indexOf(waiter), 1);
      if (first) this.handoffBit = false;
      this.waitersBit = this.#queue.length > 0;
      return true;
    }
    if (first && this.generation === "handoff" && this.#engine.now - waiter.since > HANDOFF_AFTER)
      this.handoffBit = true;
    return false;
  }

  *#wakeFirst(agent: Agent): Steps {
    yield* this.#waitLock.lock(agent);
    const woken = yield* this.#markWake(agent);
    yield* this.#waitLock.unlock(agent);
    yield* this.#unparkAll(agent, woken);
  }

  /** Called with wait_lock held: decides who is to be woken, and gives the lock to readers. */
  *#markWake(agent: Agent): Steps<Agent[]> {
    const first = this.#queue[0];
    if (!first) return [];
    if (first.write) return this.#isFree() ? [first.agent] : [];
    yield agent.rmw(this.line);
    if (this.writer) return [];
    const readers = this.#queue.filter((waiter) => !waiter.write).slice(0, READER_BATCH);
    for (const waiter of readers) {
      waiter.granted = true;
      this.#queue.splice(this.#queue.indexOf(waiter), 1);
    }
    this.readers += readers.length;
    this.handoffBit = false;
    this.waitersBit = this.#queue.length > 0;
    return readers.map((waiter) => waiter.agent);
  }

  *#unparkAll(agent: Agent, woken: readonly Agent[]): Steps {
    for (const other of woken) if (other !== agent) yield agent.unpark(other);
  }

  /** Optimistic spinning: only the head of the spinners looks at the count. True: has the lock. */
  *#spinForWrite(agent: Agent): Steps<boolean> {
    if (this.writer?.state === State.sleep) return false;
    this.#spinners.push(agent);
    while (this.#spinners[0] !== agent) yield agent.spin();
    const got = yield* this.#spinAtHead(agent);
    this.#spinners.shift();
    if (this.#spinners[0]) yield agent.signal(this.#spinners[0]);
    return got;
  }

  *#spinAtHead(agent: Agent): Steps<boolean> {
    let deadline = Number.POSITIVE_INFINITY;
    for (;;) {
      yield agent.read(this.line);
      if (this.handoffBit || this.writer?.state === State.sleep) return false;
      if (this.#isFree()) {
        yield agent.rmw(this.line);
        if (this.#isFree() && !this.handoffBit) {
          this.writer = agent;
          return true;
        }
        continue;
      }
      if (this.writer) {
        deadline = Number.POSITIVE_INFINITY;
        yield agent.spin();
      } else {
        // Readers: 10 us and 0.5 us per reader, at most 25 us, then it is not worth spinning on.
        deadline = Math.min(
          deadline,
          this.#engine.now + Math.min(25_000_000, 10_000_000 + 500_000 * this.readers),
        );
        if (this.#engine.now >= deadline) return false;
        yield agent.spin(deadline - this.#engine.now);
        if (agent.timedOut) return false;
      }
    }
  }

  #checkWriter(agent: Agent, what: string): void {
    if (this.writer !== agent)
      throw new Error(`${this.line.name}: ${what} by ${agent.name}, which does not hold it`);
  }
}
