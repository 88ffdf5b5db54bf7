/*
 * Drives protocols in the order the caller chooses. A thread stands before an effect; one step performs it and runs
 * the protocol up to its next effect. What is between two effects happens at once, so the order of steps decides
 * everything, and a schedule is a list of names.
 */
import type { Effect, Protocol } from "../protocol.ts";
import { checkMaySleep, DeadlockError, describeEffect } from "./context.ts";
import { LockModel, type RwPolicy } from "./lock-model.ts";
import { RcuModel } from "./rcu-model.ts";

/** One thing that has happened. */
export interface StepEvent {
  /** Steps before it. */
  readonly time: number;
  readonly thread: string;
  /** `op` of the effect; `grant`: a lock waited for; `free`: callbacks after a grace period; `done`. */
  readonly op: Effect["op"] | "grant" | "free" | "done";
  readonly text: string;
  /** What the thread holds after it: `mmap_lock R`, `rcu`. */
  readonly locksHeld: readonly string[];
}

/** Options of {@link StepsExecutor}. */
export interface StepsOptions {
  /** Who gets into an rwsem first. Default `linux`. */
  readonly policy?: RwPolicy;
  /** Whether blocking calls in an RCU section and under a spinlock are errors. Default true. */
  readonly checkSleep?: boolean;
}

/** What a thread is doing. */
export type ThreadState = "ready" | "blocked" | "done";

interface Thread {
  readonly name: string;
  readonly protocol: Protocol<unknown>;
  pending: Effect | undefined;
  state: ThreadState;
  /** The pending effect has been performed by somebody else's release. */
  granted: boolean;
  result: unknown;
  failure: { readonly error: unknown } | undefined;
  /** Everything it has seen, for telling states apart. */
  history: string;
}

/** Runs protocols step by step over model locks and a model of RCU. */
export class StepsExecutor {
  /** What has happened so far. */
  readonly events: StepEvent[] = [];
  readonly #threads = new Map<string, Thread>();
  readonly #locks: LockModel;
  readonly #rcu = new RcuModel();
  readonly #checkSleep: boolean;
  #time = 0;

  constructor(options: StepsOptions = {}) {
    this.#locks = new LockModel(options.policy ?? "linux");
    this.#checkSleep = options.checkSleep ?? true;
  }

  /** Adds a thread; it stands before the first effect of `protocol`. @throws RangeError if the name is taken */
  spawn(name: string, protocol: Protocol<unknown>): void {
    if (name === "" || this.#threads.has(name)) {
      throw new RangeError(`spawn: name must be new and not empty, got ${JSON.stringify(name)}`);
    }
    const thread: Thread = {
      name,
      protocol,
      pending: undefined,
      state: "ready",
      granted: false,
      result: undefined,
      failure: undefined,
      history: "",
    };
    this.#threads.set(name, thread);
    this.#advance(thread, undefined);
  }

  /** Names of all threads. */
  get threads(): string[] {
    return [...this.#threads.keys()];
  }
  /** Names of those that can make a step. */
  runnable(): string[] {
    return [...this.#threads.values()].filter(({ state }) => state === "ready").map(({ name }) => name);
  }
  /** Whether all threads have ended. */
  get isDone(): boolean {
    return [...this.#threads.values()].every(({ state }) => state === "done");
  }
  stateOf(name: string): ThreadState {
    return this.#thread(name).state;
  }
  /** What the thread will do next, or waits for; empty if it has ended. */
  pendingText(name: string): string {
    const { pending } = this.#thread(name);
    return pending === undefined ? "" : describeEffect(pending);
  }
  /** What the thread holds. */
  locksHeld(name: string): string[] {
    const held = this.#locks.heldBy(name);
    return this.#rcu.isReading(name) ? [...held, "rcu"] : held;
  }
  /** Callbacks that wait for a grace period. */
  get deferred(): number {
    return this.#rcu.pending;
  }

  /** What the thread has returned. @throws what it has thrown; Error if it has not ended */
  result(name: string): unknown {
    const { state, failure, result } = this.#thread(name);
    if (state !== "done") throw new Error(`result: ${name} has not ended`);
    if (failure !== undefined) throw failure.error;
    return result;
  }

  /**
   * One step of a thread. A lock that is not free makes it wait: that is a step too, the place in the queue counts.
   *
   * @throws Error if the thread cannot make a step; SleepError
   */
  step(name: string): void {
    const thread = this.#thread(name);
    if (thread.state !== "ready") throw new Error(`step: ${name} is ${thread.state}`);
    this.#time++;
    if (thread.granted) {
      thread.granted = false;
      this.#advance(thread, undefined);
      return;
    }
    const effect = thread.pending!;
    if (this.#checkSleep) checkMaySleep(name, effect, this.#locks, this.#rcu);
    this.#perform(thread, effect);
  }

  /**
   * Runs a schedule: names, or a string of letters each of which is the beginning of one thread's name.
   *
   * @throws Error naming the position if a letter fits no thread, or the thread cannot make a step
   */
  runSchedule(schedule: string | readonly string[]): void {
    const names =
      typeof schedule === "string" ? [...schedule].map((letter) => this.#named(letter)) : schedule;
    for (const name of names) this.step(name);
  }

  /** Steps of `name` alone until it stands before an effect whose text begins with `text`. */
  runUntil(name: string, text: string): void {
    while (!this.pendingText(name).startsWith(text)) {
      if (this.stateOf(name) !== "ready") {
        throw new Error(
          `runUntil: ${name} is ${this.stateOf(name)} and never came to ${JSON.stringify(text)}`,
        );
      }
      this.step(name);
    }
  }

  /** Steps of `name` alone until it ends, or waits. */
  runThread(name: string): void {
    while (this.stateOf(name) === "ready") this.step(name);
  }

  /** Everybody in turn until all have ended. @throws DeadlockError */
  runToEnd(): void {
    while (!this.isDone) {
      const names = this.runnable();
      if (names.length === 0) throw this.deadlock();
      for (const name of names) if (this.stateOf(name) === "ready") this.step(name);
    }
  }

  /** The error that says who waits for whom. */
  deadlock(): DeadlockError {
    const waits: string[] = [];
    for (const { name, state, pending } of this.#threads.values()) {
      if (state !== "blocked" || pending?.op !== "acquire") continue;
      waits.push(
        `${name} waits for ${pending.lock.name}, held by ${this.#locks.holders(pending.lock).join(", ")}`,
      );
    }
    return new DeadlockError(waits);
  }

  /** Locks, RCU and what each thread has seen: equal strings and equal memory have equal futures. */
  fingerprint(): string {
    const threads = [...this.#threads.values()].map(
      ({ state, granted, history }) => state + granted + history,
    );
    return `${threads.join("/")}/${this.#locks.fingerprint()}/${this.#rcu.fingerprint()}`;
  }

  #thread(name: string): Thread {
    const thread = this.#threads.get(name);
    if (thread === undefined) throw new RangeError(`no thread ${JSON.stringify(name)}`);
    return thread;
  }

  #named(letter: string): string {
    const fits = this.threads.filter((name) => name.startsWith(letter));
    if (fits.length === 1) return fits[0]!;
    throw new Error(`runSchedule: letter ${JSON.stringify(letter)} fits ${fits.length} threads`);
  }

  #perform(thread: Thread, effect: Effect): void {
    const { name } = thread;
    switch (effect.op) {
      case "acquire":
        if (!this.#locks.acquire(name, effect.lock, effect.mode)) return this.#block(thread, effect);
        return this.#complete(thread, effect, undefined);
      case "try-acquire": {
        const answer = this.#locks.tryAcquire(name, effect.lock, effect.mode);
        return this.#complete(thread, effect, answer, answer ? ": got it" : ": refused");
      }
      case "release":
        return this.#completeRelease(thread, effect, this.#locks.release(name, effect.lock, effect.mode));
      case "downgrade":
        return this.#completeRelease(thread, effect, this.#locks.downgrade(name, effect.lock));
      case "rcu-lock":
        this.#rcu.enter(name);
        return this.#complete(thread, effect, undefined);
      case "rcu-unlock":
        return this.#completeRcu(thread, effect, () => this.#rcu.leave(name));
      case "rcu-defer":
        return this.#completeRcu(thread, effect, () => this.#rcu.defer(effect.bytes, effect.free));
      default:
        return this.#complete(thread, effect, undefined);
    }
  }

  #block(thread: Thread, effect: Effect & { op: "acquire" }): void {
    const holders = this.#locks.holders(effect.lock).filter((holder) => holder !== thread.name);
    const verb = effect.lock.kind === "spinlock" ? "spins" : "waits";
    thread.state = "blocked";
    this.#log(thread, effect.op, `${describeEffect(effect)}: ${verb}, held by ${holders.join(", ")}`);
  }

  #completeRelease(
    thread: Thread,
    effect: Effect & { op: "release" | "downgrade" },
    granted: string[],
  ): void {
    this.#log(thread, effect.op, describeEffect(effect));
    for (const name of granted) {
      const waiter = this.#thread(name);
      waiter.state = "ready";
      waiter.granted = true;
      this.#log(waiter, "grant", `gets ${effect.lock.name}`);
    }
    this.#advance(thread, undefined);
  }

  #completeRcu(thread: Thread, effect: Effect, act: () => number): void {
    this.#log(thread, effect.op, describeEffect(effect));
    const freed = act();
    if (freed > 0) this.#log(thread, "free", `grace period over, ${freed} freed`);
    this.#advance(thread, undefined);
  }

  #complete(thread: Thread, effect: Effect, answer: boolean | undefined, suffix = ""): void {
    this.#log(thread, effect.op, describeEffect(effect) + suffix);
    this.#advance(thread, answer);
  }

  /** Runs the protocol to its next effect. */
  #advance(thread: Thread, answer: boolean | undefined): void {
    try {
      const { done, value } = thread.protocol.next(answer);
      if (done !== true) {
        thread.pending = value;
        thread.history = digest(thread.history, `${answer}${describeEffect(value)}@${wordOf(value)}`);
        return;
      }
      thread.result = value;
      thread.history = digest(thread.history, JSON.stringify(value) ?? "");
    } catch (error) {
      thread.failure = { error };
      thread.history = digest(thread.history, String(error));
    }
    thread.pending = undefined;
    thread.state = "done";
    this.#log(thread, "done", thread.failure === undefined ? "done" : `fails: ${thread.failure.error}`);
  }

  #log(thread: Thread, op: StepEvent["op"], text: string): void {
    const locksHeld = this.locksHeld(thread.name);
    this.events.push({ time: this.#time, thread: thread.name, op, text, locksHeld });
  }
}

function wordOf(effect: Effect): number {
  if ("lock" in effect) return effect.lock.word;
  return "line" in effect ? effect.line.word : 0;
}

/** Appends to a hash of 64 bits, written as two numbers. */
function digest(history: string, text: string): string {
  let low = 0x811c9dc5;
  let high = 0x1000193;
  for (const part of [history, text]) {
    for (let index = 0; index < part.length; index++) {
      low = Math.imul(low ^ part.charCodeAt(index), 0x01000193);
      high = Math.imul(high ^ part.charCodeAt(index), 0x5bd1e995) ^ (high >>> 15);
    }
  }
  return `${low >>> 0}.${high >>> 0}`;
}
