/*
 * One execution of a model in one realm. A thread runs until another one is to go next; then it is left by an
 * exception, and when its turn comes again it is executed from its start, the results of its earlier
 * operations being replayed. A prefix that an earlier execution has run is not run again: its writes are
 * redone, and each thread is executed again only when it goes on.
 *
 * It is written as generators that yield where the microtasks of an async thread are to be drained: with
 * synchronous threads none ever does, and an execution is one synchronous call.
 */
import { isProgress } from "./choices.ts";
import { type Ending, endless, stuck } from "./ending.ts";
import { NondeterminismError, Suspend } from "./errors.ts";
import type { ExecutionOptions } from "./execution-options.ts";
import { Fairness } from "./fairness.ts";
import { type Host, NOT_DONE, setHost } from "./host.ts";
import type { Memory } from "./memory.ts";
import type { Model } from "./model.ts";
import {
  type Choice,
  describeOp,
  type ElementName,
  type Logged,
  type Op,
  type OpKind,
  type Step,
  type StepKind,
  sameOp,
  type Value,
} from "./op.ts";
import { Outside } from "./outside.ts";
import type { Scheduler } from "./scheduler.ts";
import { isUndisturbed, park, pastOf, repeats } from "./spins.ts";
import { State } from "./state.ts";
import { firstDue, isAlive, type Point, type Thread } from "./thread.ts";

const SUSPEND = new Suspend("the checker leaves this thread; let the exception pass");

/** Runs one execution. */
export class Execution implements Host {
  readonly threads: Thread[];
  readonly steps: Step[];
  readonly traced: boolean;
  /** What each thread could do at the current point; empty for threads that cannot go on. */
  able: readonly (readonly Choice[])[] = [];
  ending: Ending | undefined;
  readonly #model: Model;
  readonly #options: ExecutionOptions;
  readonly #scheduler: Scheduler;
  readonly #state: State;
  readonly #memory: Memory;
  readonly #fairness: Fairness | undefined;
  readonly #outside: Outside;
  #shared: unknown;
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
    const count = model.threads.length;
    this.#state = new State(count, options);
    this.threads = this.#state.threads;
    this.steps = this.#state.steps;
    this.#memory = this.#state.memory;
    this.#outside = new Outside(this.#memory, options.sites);
    if (options.fairness !== undefined) this.#fairness = new Fairness(count, options.fairness);
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
    this.#state.redo(prefix, point);
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
    const all = this.#state.choices.of(this.threads);
    for (const thread of this.#state.choices.denied) this.#scheduler.denied?.(this, thread);
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
        this.#step(thread, next, "kill", thread.sleeps.length > 0 ? 0 : -1);
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
    return this.#state.choices.mayTimeOut ? "timeout" : "late";
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
      if (!this.#state.isOwed) {
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
    return this.#state.isOwed ? { kind: "pruned" } : (this.#doubted ?? ending);
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
    if (this.#state.isOwed) this.ending = { kind: "pruned" };
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
    if (thread === undefined) return this.#outside.access(op);
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
    const race = this.#state.make(thread, choice, kind, sleep);
    const step = this.steps[this.steps.length - 1]!;
    const { starves } = this.#state;
    if (starves !== undefined) this.ending ??= { kind: "starvation", message: starves };
    if (race !== undefined && this.#options.races && !this.#options.isAllowed(race)) {
      this.ending = { kind: "race", race };
    }
    this.#scheduler.stepped(this, step);
    return step;
  }

  idOf(buffer: ArrayBufferLike): number {
    const id = this.#memory.idOf(buffer);
    if (id < 0 && !this.#outside.isPrivate(buffer)) {
      this.refuse("a SharedArrayBuffer that setup() did not make in this execution (module-level state?)");
    }
    return id;
  }

  allocate(bytes: number, options?: { maxByteLength?: number }): SharedArrayBuffer {
    if (this.#phase === "setup") return this.#memory.allocate(bytes, options);
    return this.#outside.allocate(bytes, options);
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
