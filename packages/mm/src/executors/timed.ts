/*
 * Drives protocols in virtual time, on a few cores or as many as there are threads. Every effect costs what the
 * caller says, by default nothing except sleeping; so the times that come out are those of waiting, exactly. What
 * happens at the same time happens in the order in which it was caused.
 *
 * A thread that waits for an rwsem or sleeps gives up its core. One that spins keeps it, and nothing takes it away:
 * there is no preemption.
 */
import type { Effect, Protocol } from "../protocol.ts";
import { checkMaySleep, DeadlockError, describeEffect } from "./context.ts";
import { LockModel, type RwPolicy } from "./lock-model.ts";
import { RcuModel } from "./rcu-model.ts";

/** Options of {@link TimedExecutor}. */
export interface TimedOptions {
  /** Who gets into an rwsem first. Default `linux`. */
  readonly policy?: RwPolicy;
  /** Default: one for every thread. */
  readonly cores?: number;
  /** Ticks of an effect, `>= 0`. Default: `ns` of a sleep, 0 of everything else. */
  readonly cost?: (effect: Effect, thread: string) => number;
  /** Whether blocking calls in an RCU section and under a spinlock are errors. Default false: see what happens. */
  readonly checkSleep?: boolean;
}

/** How one thread fared; times in ticks. */
export interface TimedThread {
  readonly name: string;
  readonly at: number;
  /** `undefined`: not by the end of the run. */
  readonly finish: number | undefined;
  /** From `at` to `finish`, or to the end of the run. */
  readonly latency: number;
  /** Asleep in the queues of locks, up to the end of the run. */
  readonly waited: number;
  /** Spinning. */
  readonly burned: number;
  readonly result: unknown;
}

/** One thing that has happened. */
export interface TimedEvent {
  readonly time: number;
  readonly thread: string;
  readonly text: string;
}

type Phase = "ready" | "running" | "waiting" | "spinning" | "sleeping" | "done";

interface Thread {
  readonly name: string;
  readonly protocol: Protocol<unknown>;
  readonly at: number;
  phase: Phase;
  pending: Effect | undefined;
  /** When the wait in progress began. */
  since: number;
  waited: number;
  burned: number;
  finish: number | undefined;
  result: unknown;
}

interface Timer {
  readonly time: number;
  readonly order: number;
  readonly act: () => void;
}

/** Runs protocols in virtual time. */
export class TimedExecutor {
  readonly events: TimedEvent[] = [];
  readonly #threads: Thread[] = [];
  readonly #timers: Timer[] = [];
  readonly #ready: Thread[] = [];
  readonly #locks: LockModel;
  readonly #rcu = new RcuModel();
  readonly #cost: (effect: Effect, thread: string) => number;
  readonly #checkSleep: boolean;
  #idleCores: number;
  #now = 0;
  #order = 0;

  constructor(options: TimedOptions = {}) {
    const { cores = Number.POSITIVE_INFINITY } = options;
    if (!(cores >= 1)) throw new RangeError(`TimedExecutor: cores must be at least 1, got ${cores}`);
    this.#locks = new LockModel(options.policy ?? "linux");
    this.#cost = options.cost ?? ((effect) => (effect.op === "sleep" ? effect.ns : 0));
    this.#checkSleep = options.checkSleep ?? false;
    this.#idleCores = cores;
  }

  /** Current tick. */
  get now(): number {
    return this.#now;
  }
  /** The RCU state, with what deferred frees have held back. */
  get rcu(): RcuModel {
    return this.#rcu;
  }

  /** Adds a thread that starts at tick `at`. */
  spawn(name: string, protocol: Protocol<unknown>, at = 0): void {
    if (this.#threads.some((thread) => thread.name === name)) {
      throw new RangeError(`spawn: name ${JSON.stringify(name)} is taken`);
    }
    if (!(at >= this.#now)) throw new RangeError(`spawn: at must be at least ${this.#now}, got ${at}`);
    const thread: Thread = {
      name,
      protocol,
      at,
      phase: "sleeping",
      pending: undefined,
      since: at,
      waited: 0,
      burned: 0,
      finish: undefined,
      result: undefined,
    };
    this.#threads.push(thread);
    this.#after(at - this.#now, () => this.#makeReady(thread));
  }

  /**
   * Runs until all threads have ended or tick `until` has passed.
   *
   * @throws DeadlockError if nobody can go on; SleepError; what a protocol throws
   */
  run(until: number = Number.POSITIVE_INFINITY): TimedThread[] {
    for (let timer = this.#take(until); timer !== undefined; timer = this.#take(until)) {
      this.#now = timer.time;
      timer.act();
    }
    if (this.#timers.length > 0) this.#now = until;
    else if (this.#threads.some(({ phase }) => phase !== "done")) throw this.#deadlock();
    return this.#threads.map((thread) => this.#report(thread));
  }

  #after(ticks: number, act: () => void): void {
    this.#timers.push({ time: this.#now + ticks, order: this.#order++, act });
  }

  #take(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      const isEarlier =
        first === undefined ||
        timer.time < first.time ||
        (timer.time === first.time && timer.order < first.order);
      if (isEarlier) first = timer;
    }
    if (first === undefined || first.time > until) return undefined;
    this.#timers.splice(this.#timers.indexOf(first), 1);
    return first;
  }

  #makeReady(thread: Thread): void {
    thread.phase = "ready";
    this.#ready.push(thread);
    this.#dispatch();
  }

  #dispatch(): void {
    while (this.#idleCores > 0 && this.#ready.length > 0) {
      const thread = this.#ready.shift()!;
      this.#idleCores--;
      thread.phase = "running";
      this.#after(0, () => this.#resume(thread, undefined));
    }
  }

  #leaveCore(thread: Thread, phase: Phase): void {
    thread.phase = phase;
    thread.since = this.#now;
    this.#idleCores++;
    this.#dispatch();
  }

  /** Runs the protocol until something takes time. */
  #resume(thread: Thread, first: boolean | undefined): void {
    let answer = first;
    for (;;) {
      const { done, value } = thread.protocol.next(answer);
      if (done === true) return this.#finish(thread, value);
      thread.pending = value;
      if (this.#checkSleep) checkMaySleep(thread.name, value, this.#locks, this.#rcu);
      const ticks = this.#cost(value, thread.name);
      if (value.op === "sleep") return this.#sleep(thread, value, ticks);
      if (ticks > 0) return this.#after(ticks, () => this.#goOn(thread, value));
      const outcome = this.#perform(thread, value);
      if (outcome === "waits") return;
      answer = outcome;
    }
  }

  #goOn(thread: Thread, effect: Effect): void {
    const outcome = this.#perform(thread, effect);
    if (outcome !== "waits") this.#resume(thread, outcome);
  }

  #finish(thread: Thread, result: unknown): void {
    thread.result = result;
    thread.finish = this.#now;
    this.#log(thread, "done");
    this.#leaveCore(thread, "done");
  }

  #sleep(thread: Thread, effect: Effect, ticks: number): void {
    this.#log(thread, describeEffect(effect));
    this.#leaveCore(thread, "sleeping");
    this.#after(ticks, () => this.#makeReady(thread));
  }

  #perform(thread: Thread, effect: Effect): boolean | undefined | "waits" {
    const { name } = thread;
    let answer: boolean | undefined;
    switch (effect.op) {
      case "acquire":
        if (!this.#locks.acquire(name, effect.lock, effect.mode)) return this.#wait(thread, effect);
        break;
      case "try-acquire":
        answer = this.#locks.tryAcquire(name, effect.lock, effect.mode);
        break;
      case "release":
        this.#wake(this.#locks.release(name, effect.lock, effect.mode));
        break;
      case "downgrade":
        this.#wake(this.#locks.downgrade(name, effect.lock));
        break;
      case "rcu-lock":
        this.#rcu.enter(name);
        break;
      case "rcu-unlock":
        this.#rcu.leave(name);
        break;
      case "rcu-defer":
        this.#rcu.defer(effect.bytes, effect.free);
        break;
      default:
        break;
    }
    this.#log(thread, describeEffect(effect));
    return answer;
  }

  #wait(thread: Thread, effect: Effect & { op: "acquire" }): "waits" {
    const spins = effect.lock.kind === "spinlock";
    this.#log(thread, `${describeEffect(effect)}: ${spins ? "spins" : "waits"}`);
    if (spins) {
      thread.phase = "spinning";
      thread.since = this.#now;
    } else this.#leaveCore(thread, "waiting");
    return "waits";
  }

  #wake(names: readonly string[]): void {
    for (const name of names) {
      const thread = this.#threads.find((candidate) => candidate.name === name)!;
      const ticks = this.#now - thread.since;
      this.#log(thread, `gets it after ${ticks}`);
      if (thread.phase === "spinning") {
        thread.burned += ticks;
        thread.phase = "running";
        this.#after(0, () => this.#resume(thread, undefined));
      } else {
        thread.waited += ticks;
        this.#makeReady(thread);
      }
    }
  }

  #report(thread: Thread): TimedThread {
    const { name, at, finish, result, phase, since } = thread;
    const open = this.#now - since;
    return {
      name,
      at,
      finish,
      result,
      latency: (finish ?? this.#now) - at,
      waited: thread.waited + (phase === "waiting" ? open : 0),
      burned: thread.burned + (phase === "spinning" ? open : 0),
    };
  }

  #deadlock(): DeadlockError {
    const stuck = this.#threads.filter(({ phase }) => phase !== "done");
    return new DeadlockError(
      stuck.map(({ name, phase, pending }) => {
        if (phase === "ready") return `${name} wants a core`;
        const lock = pending?.op === "acquire" ? pending.lock : undefined;
        if (lock === undefined) return `${name} is ${phase}`;
        const verb = phase === "spinning" ? "spins on" : "waits for";
        return `${name} ${verb} ${lock.name}, held by ${this.#locks.holders(lock).join(", ")}`;
      }),
    );
  }

  #log(thread: Thread, text: string): void {
    this.events.push({ time: this.#now, thread: thread.name, text });
  }
}
