/*
 * One execution of a model in one realm. A thread runs until another one is to go next; then it is left by an
 * exception, and when its turn comes again it is executed from its start, the results of its earlier
 * operations being replayed. A prefix that an earlier execution has run is not run again: its writes are
 * redone, and each thread is executed again only when it goes on.
 *
 * It is written as generators that yield where the microtasks of an async thread are to be drained: with
 * synchronous threads none ever does, and an execution is one synchronous call.
 */
import { Choices, isProgress } from "./choices.ts";
import { type Ending, endless, stuck } from "./ending.ts";
import { NondeterminismError, Suspend } from "./errors.ts";
import { Fairness } from "./fairness.ts";
import { type Host, NOT_DONE, setHost } from "./host.ts";
import { Memory } from "./memory.ts";
import type { Model } from "./model.ts";
import {
  type Choice,
  describeOp,
  type ElementName,
  type Op,
  type OpKind,
  promisedBy,
  type Step,
  type StepKind,
  sameOp,
  type Value,
} from "./op.ts";
import { Guesses, type Promises } from "./promises.ts";
import { HappensBefore, type Race } from "./races.ts";
import type { Scheduler } from "./scheduler.ts";
import { follow, type Site, type Sites } from "./sites.ts";
import { isUndisturbed, look, park, pastOf, repeats } from "./spins.ts";
import { Patience } from "./starvation.ts";
import { firstDue, isAlive, type Logged, newThread, nextOp, type Point, type Thread } from "./thread.ts";
import { WaitLists } from "./wait-lists.ts";

/** What executions need to know. */
export interface ExecutionOptions {
  readonly maxSteps: number;
  readonly spinLimit: number;
  readonly freeReads: number;
  readonly timeouts: number;
  readonly kills: number;
  readonly killable: readonly number[] | undefined;
  readonly races: boolean;
  /** How often a thread may be passed over in a row. */
  readonly fairness: number | undefined;
  /** How often a thread may be overtaken before it starves. */
  readonly starvation: number | undefined;
  readonly stale: boolean;
  readonly promises: Promises;
  /** Pasts of threads behind which an endless spin begins. */
  readonly endless: Set<string>;
  readonly traced: boolean;
  /** Where operations stand; `undefined` if nobody asks. */
  readonly sites: Sites | undefined;
  /** Is the race meant? */
  readonly isAllowed: (race: Race) => boolean;
}

const SUSPEND = new Suspend("the checker leaves this thread; let the exception pass");
const NOBODY: Step["woken"] = [];

/** Runs one execution. */
export class Execution implements Host {
  readonly threads: Thread[];
  readonly steps: Step[] = [];
  readonly traced: boolean;
  /** What each thread could do at the current point; empty for threads that cannot go on. */
  able: readonly (readonly Choice[])[] = [];
  ending: Ending | undefined;
  readonly #model: Model;
  readonly #options: ExecutionOptions;
  readonly #scheduler: Scheduler;
  readonly #memory: Memory = new Memory();
  readonly #order: HappensBefore;
  readonly #choices: Choices;
  readonly #guesses: Guesses | undefined;
  readonly #fairness: Fairness | undefined;
  readonly #patience: Patience | undefined;
  readonly #waiters: WaitLists = new WaitLists();
  #private: Set<ArrayBufferLike> | undefined;
  #shared: unknown;
  #outsideSite: Site | undefined;
  #current: Thread | undefined;
  #phase: "setup" | "starting" | "running" | "after" = "setup";
  #chosen: Choice | undefined;
  #next: Choice | undefined;
  /** An exception, which counts if all that was promised to readers is written in the end. */
  #doubted: Ending | undefined;

  constructor(model: Model, options: ExecutionOptions, scheduler: Scheduler) {
    this.#model = model;
    this.#options = options;
    this.#scheduler = scheduler;
    this.traced = options.traced;
    this.threads = model.threads.map((_, index) => newThread(index));
    this.#order = new HappensBefore(model.threads.length, options.stale);
    this.#choices = new Choices(options, this.#memory, this.#order);
    const count = model.threads.length;
    if (options.fairness !== undefined) this.#fairness = new Fairness(count, options.fairness);
    if (options.starvation !== undefined) this.#patience = new Patience(count, options.starvation);
    for (const thread of this.threads) thread.site = options.sites?.of(thread.index, thread.log);
    if (options.stale) this.#guesses = new Guesses(options.promises, this.#order);
  }

  /** Runs to the end, starting after `prefix`, whose last point was `point`. Yields to have microtasks drained. */
  *run(prefix: readonly Step[], point: Point | undefined): Generator<undefined, Ending> {
    setHost(this);
    try {
      this.#shared = this.#model.setup();
      if (point === undefined) yield* this.#start();
      else this.#redo(prefix, point);
      this.#phase = "running";
      if (this.ending === undefined) yield* this.#loop(this.#decide());
      if (this.ending === undefined) yield* this.#finish();
      return this.ending ?? { kind: "complete" };
    } finally {
      setHost(undefined);
    }
  }

  *#start(): Generator<undefined, void> {
    this.#phase = "starting";
    for (const thread of this.threads) {
      if (this.ending !== undefined) return;
      const promise = this.#execute(thread);
      if (promise !== undefined) yield* this.#follow(thread, promise);
    }
  }

  #redo(prefix: readonly Step[], point: Point): void {
    for (const step of prefix) {
      const before = this.#memory.peek(step.op);
      if (step.changed) this.#memory.redo(step);
      this.#commit(step, before);
    }
    for (const thread of this.threads) {
      thread.pending = point.pending[thread.index];
      thread.status = point.status[thread.index]!;
      thread.parking = point.parking[thread.index]!;
    }
    if (this.#fairness !== undefined) this.#fairness.passed = point.passed!;
  }

  /** State of the threads, to go on from here in another execution. */
  point(): Point {
    return {
      pending: this.threads.map((thread) => thread.pending),
      status: this.threads.map((thread) => thread.status),
      parking: this.threads.map((thread) => thread.parking),
      passed: this.#fairness?.passed,
    };
  }

  /** Asks the scheduler, unless the execution is over. */
  #decide(): Choice | undefined {
    if (this.ending !== undefined || !this.threads.some(isAlive)) return undefined;
    if (this.steps.length >= this.#options.maxSteps) {
      this.ending = this.#believed(endless(this.threads, this.steps, this.#options.fairness));
      return undefined;
    }
    const all = this.#choices.of(this.threads);
    for (const thread of this.#choices.denied) this.#scheduler.denied?.(this, thread);
    const able = this.#fairness === undefined ? all : this.#fairness.restrict(all);
    this.able = able;
    if (!able.some((list) => list.some(isProgress))) {
      this.ending = this.#believed(stuck(this.threads));
      return undefined;
    }
    const choice = this.#scheduler.choose(this);
    if (choice === undefined) {
      this.ending ??= { kind: "pruned" };
      return undefined;
    }
    this.#fairness?.chose(choice.thread, all);
    park(this.threads, choice, this.#memory, this.#options.freeReads);
    return choice;
  }

  *#loop(first: Choice | undefined): Generator<undefined, void> {
    let next = first;
    while (next !== undefined && this.ending === undefined) {
      const thread = this.threads[next.thread]!;
      if (next.action === "kill") {
        this.#step(thread, next, "kill", thread.status === "idle" ? 0 : -1);
        next = this.#decide();
        continue;
      }
      if (thread.status === "idle") this.#endSleep(thread, next);
      else if (thread.waiting === "no") this.#chosen = next;
      else this.#step(thread, next, this.#endOfWait(next), -1);
      if (this.ending !== undefined) return;
      this.#next = undefined;
      const promise = this.#execute(thread);
      if (promise !== undefined) yield* this.#follow(thread, promise);
      next = thread.status === "ready" ? this.#next : this.#decide();
    }
  }

  #endOfWait({ action }: Choice): StepKind {
    if (action !== "timeout") return "wake";
    return this.#choices.mayTimeOut ? "timeout" : "late";
  }

  #endSleep(thread: Thread, choice: Choice): void {
    const sleep = choice.action === "timeout" ? firstDue(thread) : thread.notified[0]!;
    this.#step(thread, choice, this.#endOfWait(choice), sleep);
  }

  /** Executes a thread from its start until it ends or is left; returns the promise of an async one. */
  #execute(thread: Thread): PromiseLike<unknown> | undefined {
    thread.position = 0;
    thread.nowMs = 0;
    thread.suspended = false;
    thread.settlers.length = 0;
    this.#current = thread;
    try {
      const result = this.#model.threads[thread.index]!(this.#shared);
      if (isThenable(result)) return result;
      thread.result = result;
      if (!thread.suspended) this.#ended(thread);
    } catch (error) {
      if (error !== SUSPEND && !thread.suspended) this.#threw(thread, error);
    } finally {
      this.#current = undefined;
    }
    return undefined;
  }

  /** Goes on with an async thread until it ends, is left, or idles behind all that it has done so far. */
  *#follow(thread: Thread, promise: PromiseLike<unknown>): Generator<undefined, void> {
    const end: { came?: "result" | "error"; value?: unknown } = {};
    promise.then(
      (value) => void Object.assign(end, { came: "result", value }),
      (error: unknown) => void Object.assign(end, { came: "error", value: error }),
    );
    for (;;) {
      this.#current = thread;
      yield;
      this.#current = undefined;
      if (thread.suspended || this.ending !== undefined) return;
      if (end.came === "error") return this.#threw(thread, end.value);
      if (end.came === "result") {
        thread.result = end.value;
        return this.#ended(thread);
      }
      const logged = thread.log[thread.position];
      if (logged === undefined) return this.#idles(thread);
      if (logged.sleep < 0) {
        return this.#nondeterministic(
          `thread ${thread.index} did ${describeOp(logged.op)} at first, then waits`,
        );
      }
      this.#deliver(thread, logged);
    }
  }

  #deliver(thread: Thread, { sleep, result }: Logged): void {
    thread.position++;
    if (result === "timed-out") thread.nowMs = Math.max(thread.nowMs, thread.sleeps[sleep]!.dueMs);
    thread.settlers[sleep]!(result);
  }

  #idles(thread: Thread): void {
    if (this.#chosen !== undefined && this.#phase === "running") {
      this.#nondeterministic(`thread ${thread.index} did not repeat its next operation`);
    } else if (thread.notified.length > 0 || thread.sleeps.some(({ asleep }) => asleep)) {
      thread.status = "idle";
      thread.pending = undefined;
    } else {
      const message = `thread ${thread.index} awaits a promise that no Atomics.waitAsync of its own settles`;
      this.ending = { kind: "deadlock", message };
    }
  }

  #ended(thread: Thread): void {
    if (thread.position < thread.log.length) {
      this.#nondeterministic(`thread ${thread.index} ended earlier than before`);
    } else if (this.#chosen !== undefined && this.#phase === "running") {
      this.#nondeterministic(`thread ${thread.index} did not repeat its next operation`);
    } else {
      thread.status = "done";
      thread.ran = true;
      thread.pending = undefined;
    }
  }

  #threw(thread: Thread, error: unknown): void {
    if (this.ending !== undefined) return;
    if (error instanceof NondeterminismError) this.#nondeterministic(error.message);
    else if (this.#chosen !== undefined && this.#phase === "running") {
      this.#nondeterministic(`thread ${thread.index} did not repeat its next operation but threw ${error}`);
    } else {
      const ending: Ending = { kind: "exception", error, thread: thread.index };
      if (this.#guesses?.isOwed !== true) {
        this.ending = ending;
        return;
      }
      // It may have thrown because it was told what is never written: the others go on, and show whether it is.
      this.#doubted ??= ending;
      thread.status = "done";
      thread.ran = true;
      thread.pending = undefined;
    }
  }

  /** An execution in which nobody writes what was promised does not count, however it ended. */
  #believed(ending: Ending): Ending {
    return this.#guesses?.isOwed === true ? { kind: "pruned" } : (this.#doubted ?? ending);
  }

  #nondeterministic(message: string): void {
    this.ending = { kind: "nondeterministic", message };
  }

  *#finish(): Generator<undefined, void> {
    for (const thread of this.threads) {
      // Finished in the prefix: what it left outside the shared memory is wanted by `after`.
      if (thread.status !== "done" || thread.ran) continue;
      const promise = this.#execute(thread);
      if (promise !== undefined) yield* this.#follow(thread, promise);
    }
    this.#phase = "after";
    if (this.ending !== undefined) return;
    if (this.#guesses?.isOwed) this.ending = { kind: "pruned" };
    else if (this.#doubted !== undefined) this.ending = this.#doubted;
    else this.#after();
  }

  #after(): void {
    const results = this.threads.map((thread) => thread.result);
    try {
      this.#model.after?.(this.#shared, results);
    } catch (error) {
      this.ending ??= { kind: "after", error };
    }
  }

  // --- what the code under test calls -------------------------------------------------------------------

  access(op: Op): unknown {
    const thread = this.#current;
    if (thread === undefined) return this.#outside(op);
    if (thread.status === "done") this.refuse("going on after the end");
    const chosen = this.#chosen;
    if (chosen !== undefined) {
      this.#chosen = undefined;
      const { pending } = thread;
      if (!this.traced && pending !== undefined && !sameOp(pending, op)) {
        this.#leave(thread, undefined, `was about to do ${describeOp(pending)}, now does ${describeOp(op)}`);
      }
      thread.pending = op;
      return this.#do(thread, chosen);
    }
    thread.pending = op;
    if (this.#phase === "starting") this.#leave(thread, undefined);
    return this.#arrive(thread);
  }

  /** In `setup` and `after` nobody else is there: nobody sleeps, and nobody would wake a sleeper. */
  #outside(op: Op): unknown {
    const result = this.#alone(op);
    const { sites } = this.#options;
    if (sites !== undefined) {
      this.#outsideSite ??= sites.outside;
      sites.withStack(this.#outsideSite, op);
      this.#outsideSite = follow(this.#outsideSite, result, -1);
    }
    return result;
  }

  #alone(op: Op): unknown {
    if (op.kind === "notify") return 0;
    if (op.kind !== "wait" && op.kind !== "waitAsync") return this.#memory.perform(op);
    const value = this.#memory.peek(op) === op.value ? "timed-out" : "not-equal";
    return op.kind === "wait" ? value : { async: false, value };
  }

  repeat(
    kind: OpKind,
    type: ElementName,
    buffer: number,
    offset: number,
    value: Value,
    replacement: Value,
    timeoutMs: number,
  ): unknown {
    const thread = this.#current;
    if (thread === undefined) return NOT_DONE;
    if (thread.suspended) throw SUSPEND;
    const logged = thread.log[thread.position];
    if (logged === undefined) return NOT_DONE;
    const { op } = logged;
    const isSame =
      logged.sleep < 0 &&
      op.kind === kind &&
      op.offset === offset &&
      op.buffer === buffer &&
      op.type === type &&
      Object.is(op.value, value) &&
      Object.is(op.replacement, replacement) &&
      op.timeoutMs === timeoutMs;
    if (!isSame) {
      const first = logged.sleep >= 0 ? "slept" : `did ${describeOp(op)}`;
      const now = describeOp({ ...op, kind, type, buffer, offset, value, replacement });
      this.#leave(thread, undefined, `${first} at first, then does ${now}`);
    }
    thread.position++;
    if (kind === "wait" && logged.result === "timed-out") thread.nowMs += timeoutMs;
    return kind === "waitAsync" ? this.#promise(thread, logged.result) : logged.result;
  }

  /** What `Atomics.waitAsync` returns, given what is in the log: the number of the sleep or why there is none. */
  #promise(thread: Thread, result: unknown): unknown {
    if (typeof result !== "number") return { async: false, value: result };
    const value = new Promise<unknown>((resolve) => {
      thread.settlers[result] = resolve;
    });
    return { async: true, value };
  }

  #leave(thread: Thread, next: Choice | undefined, complaint?: string): never {
    if (complaint !== undefined) this.#nondeterministic(`thread ${thread.index} ${complaint}`);
    thread.suspended = true;
    this.#next = next;
    throw SUSPEND;
  }

  #arrive(thread: Thread): unknown {
    if (!repeats(thread, this.#memory, this.#options.freeReads)) thread.repeats = 0;
    else if (thread.repeats > 0) return this.#spin(thread);
    const choice = this.#decide();
    if (choice === undefined || choice.thread !== thread.index || choice.action === "kill") {
      this.#leave(thread, choice);
    }
    return this.#do(thread, choice);
  }

  #spin(thread: Thread): unknown {
    if (thread.repeats <= this.#options.spinLimit) {
      this.#scheduler.forced(this);
      return this.#do(thread, { thread: thread.index, action: "run" });
    }
    // Taken back, as if the thread had not begun it.
    this.steps.length = thread.spinStart;
    thread.pending = thread.log[thread.spinLog]!.op;
    thread.log.length = thread.spinLog;
    thread.site = this.#options.sites?.of(thread.index, thread.log);
    this.#options.endless.add(pastOf(thread));
    return this.#giveUp(thread);
  }

  /** Its next operation begins an endless spin: others go on in its place. */
  #giveUp(thread: Thread): never {
    this.#scheduler.spun(this, this.steps.length);
    thread.repeats = 0;
    thread.parking = "hard";
    this.#leave(thread, this.#decide());
  }

  #do(thread: Thread, choice: Choice): unknown {
    if (thread.site !== undefined) {
      thread.pending = this.#options.sites!.withStack(thread.site, thread.pending!);
    }
    const op = thread.pending!;
    if (repeats(thread, this.#memory, this.#options.freeReads)) {
      if (thread.repeats++ === 0) {
        const { endless } = this.#options;
        if (endless.size > 0 && isUndisturbed(thread, this.#memory) && endless.has(pastOf(thread))) {
          return this.#giveUp(thread);
        }
        thread.spinStart = this.steps.length;
        thread.spinLog = thread.log.length;
      }
    } else thread.repeats = 0;
    const sleeps = op.kind === "wait" && this.#memory.peek(op) === op.value && op.timeoutMs > 0;
    const step = this.#step(thread, choice, sleeps ? "enter" : "op", -1);
    if (this.ending !== undefined) this.#leave(thread, undefined);
    if (sleeps) this.#leave(thread, this.#decide());
    thread.position++;
    return op.kind === "waitAsync" ? this.#promise(thread, step.result) : step.result;
  }

  #step(thread: Thread, choice: Choice, kind: StepKind, sleep: number): Step {
    const op = nextOp(thread, sleep)!;
    const before = this.#memory.peek(op);
    const woken = kind === "op" && op.kind === "notify" ? this.#waiters.wokenBy(op) : NOBODY;
    const result = this.#result(thread, choice, kind, op, before, woken.length);
    const after = this.#memory.peek(op);
    const step: Step = { choice, kind, op, result, changed: !Object.is(before, after), after, woken, sleep };
    const race = this.#commit(step, before);
    if (race !== undefined && this.#options.races && !this.#options.isAllowed(race)) {
      this.ending = { kind: "race", race };
    }
    this.#scheduler.stepped(this, step);
    return step;
  }

  #result(thread: Thread, choice: Choice, kind: StepKind, op: Op, before: Value, woken: number): unknown {
    if (kind === "timeout" || kind === "late") return "timed-out";
    if (kind === "wake") return "ok";
    if (kind === "kill" || kind === "enter") return undefined;
    if (op.kind === "notify") return woken;
    if (op.kind === "wait" || op.kind === "waitAsync") {
      if (before !== op.value) return "not-equal";
      return op.kind === "wait" || op.timeoutMs === 0 ? "timed-out" : thread.sleeps.length;
    }
    const promised = promisedBy(choice.action);
    if (promised !== undefined) return promised;
    if (typeof choice.action === "number") return this.#order.staleValue(op.buffer, op.offset, choice.action);
    return this.#memory.perform(op);
  }

  /** All that a step changes but memory: the same live and redone. */
  #commit(step: Step, before: Value): Race | undefined {
    const thread = this.threads[step.choice.thread]!;
    this.steps.push(step);
    if (step.kind === "enter") {
      thread.pending = step.op;
      thread.waiting = "asleep";
      this.#waiters.enter(thread.index, -1, step.op);
    } else if (step.kind === "kill") {
      this.#choices.kills++;
      thread.status = "dead";
      thread.waiting = "no";
      this.#waiters.leaveAll(thread.index);
    } else this.#log(thread, step);
    look(this.threads, thread, step, before);
    this.#guesses?.onStep(step);
    const starves = this.#patience?.onStep(step, before);
    if (starves !== undefined) this.ending ??= { kind: "starvation", message: starves };
    return this.#order.onStep(step, before);
  }

  #log(thread: Thread, step: Step): void {
    const { op, kind, sleep, result } = step;
    thread.log.push({ op, result, sleep });
    if (thread.site !== undefined) thread.site = follow(thread.site, result, sleep);
    if (kind === "timeout" || kind === "late") this.#choices.timeouts++;
    if (sleep >= 0) this.#wokeUp(thread, step);
    else if (thread.waiting !== "no") {
      thread.waiting = "no";
      this.#waiters.leave(thread.index, -1);
      if (result === "timed-out") thread.clockMs += op.timeoutMs;
    } else if (op.kind === "waitAsync" && typeof result === "number") {
      thread.sleeps.push({ op, dueMs: thread.clockMs + op.timeoutMs, asleep: true });
      this.#waiters.enter(thread.index, result, op);
    }
    for (const woken of step.woken) {
      const other = this.threads[woken.thread]!;
      this.#waiters.leave(woken.thread, woken.sleep);
      if (woken.sleep < 0) other.waiting = "notified";
      else {
        other.sleeps[woken.sleep]!.asleep = false;
        other.notified.push(woken.sleep);
      }
    }
  }

  /** An idle thread goes on with the end of one of its sleeps. */
  #wokeUp(thread: Thread, { kind, sleep }: Step): void {
    thread.status = "ready";
    if (kind === "wake") thread.notified.shift();
    else {
      const ended = thread.sleeps[sleep]!;
      ended.asleep = false;
      this.#waiters.leave(thread.index, sleep);
      thread.clockMs = Math.max(thread.clockMs, ended.dueMs);
    }
  }

  idOf(buffer: ArrayBufferLike): number {
    const id = this.#memory.idOf(buffer);
    if (id < 0 && this.#private?.has(buffer) !== true) {
      this.refuse("a SharedArrayBuffer that setup() did not make in this execution (module-level state?)");
    }
    return id;
  }

  /** A buffer made by a thread is seen by this thread alone: it cannot be passed through shared memory. */
  allocate(bytes: number, options?: { maxByteLength?: number }): SharedArrayBuffer {
    if (this.#phase === "setup") return this.#memory.allocate(bytes, options);
    const buffer = new Memory().allocate(bytes, options);
    this.#private ??= new Set();
    this.#private.add(buffer);
    return buffer;
  }

  now(): number {
    return this.#current?.nowMs ?? 0;
  }

  refuse(what: string): never {
    this.#nondeterministic(`the model uses ${what}, so that it could not be repeated`);
    const thread = this.#current;
    if (thread !== undefined) this.#leave(thread, undefined);
    throw new NondeterminismError(`the model uses ${what}, so that it could not be repeated`);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
