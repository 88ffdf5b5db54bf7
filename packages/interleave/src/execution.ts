/*
 * One execution of a model in one realm. A thread runs until another one is to go next; then it is left by an
 * exception, and when its turn comes again it is executed from its start, the results of its earlier
 * operations being replayed. A prefix that an earlier execution has run is not run again: its writes are
 * redone, and each thread is executed again only when it goes on.
 *
 * Spinning. An operation that reads what the thread has read before, with no write by it since, repeats. The
 * first few repetitions (`freeReads`) are operations like any other; a thread that goes on so is taken to spin,
 * that is, not to care how often it has looked. As long as nobody writes the words read, what it does commutes
 * with everything others do. So at the first repetition that is a spin
 * there is one choice. Either the thread spins on undisturbed (a bounded spin ends and goes on; an unbounded
 * one reaches the limit, is taken back, and the thread is parked hard), or others go and it is parked until
 * one of its words is written, or until nobody else can run.
 */
import { NondeterminismError, Suspend } from "./errors.ts";
import { type Host, setHost } from "./instrument.ts";
import { Memory } from "./memory.ts";
import type { Model } from "./model.ts";
import {
  type Action,
  type Choice,
  describeOp,
  type Op,
  overlaps,
  promisedBy,
  type Step,
  type StepKind,
  sameOp,
  type Value,
} from "./op.ts";
import type { Promises } from "./promises.ts";
import { HappensBefore, type Race } from "./races.ts";

/** How a thread stands. */
export type Status = "ready" | "done" | "dead";
/** Is it left aside because it spins? */
export type Parking = "no" | "soft" | "hard";

/** One thread of an execution. */
export interface Thread {
  readonly index: number;
  readonly log: { readonly op: Op; readonly result: unknown }[];
  position: number;
  status: Status;
  pending: Op | undefined;
  waiting: "no" | "asleep" | "notified";
  parking: Parking;
  /** Words read since its last write, and what was read. */
  readonly window: Map<number, { readonly op: Op; readonly value: Value; readonly count: number }>;
  /** Repetitions since the spin began; 0 outside spins. */
  repeats: number;
  /** Steps done when the spin began. */
  spinStart: number;
  spinLog: number;
  suspended: boolean;
  /** Was its function executed to its end in this execution? */
  ran: boolean;
  result: unknown;
  nowMs: number;
}

/** State of the threads at a scheduling point, from which an execution can go on. */
export interface Point {
  readonly pending: readonly (Op | undefined)[];
  readonly status: readonly Status[];
  readonly parking: readonly Parking[];
}

/** How an execution ended. */
export type Ending =
  | { readonly kind: "complete" | "pruned" }
  | { readonly kind: "exception"; readonly error: unknown; readonly thread: number }
  | { readonly kind: "after"; readonly error: unknown }
  | { readonly kind: "race"; readonly race: Race }
  | { readonly kind: "deadlock" | "livelock" | "nondeterministic"; readonly message: string };

/** Who decides which thread goes next. */
export interface Scheduler {
  /** Called at each scheduling point with at least one thread able to run; `undefined` gives the execution up. */
  choose(execution: Execution): Choice | undefined;
  /** Steps that are no choice, such as those of a spin. */
  forced(execution: Execution): void;
  /** Called after each step but those of a redone prefix. */
  stepped(execution: Execution, step: Step): void;
  /** The spin that began at the point of that many steps never ends: the choice was none. */
  spun(execution: Execution, depth: number): void;
}

/** What executions need to know. */
export interface ExecutionOptions {
  readonly maxSteps: number;
  readonly spinLimit: number;
  readonly freeReads: number;
  readonly timeouts: number;
  readonly kills: number;
  readonly killable: readonly number[] | undefined;
  readonly races: boolean;
  readonly stale: boolean;
  readonly promises: Promises;
  readonly traced: boolean;
  /** Is the race meant? */
  readonly isAllowed: (race: Race) => boolean;
}

const SUSPEND = new Suspend("the checker leaves this thread; let the exception pass");

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
  readonly #waiters: number[] = [];
  #shared: unknown;
  #current: Thread | undefined;
  #phase: "setup" | "starting" | "running" | "after" = "setup";
  #chosen: Choice | undefined;
  #next: Choice | undefined;
  #timeouts = 0;
  #kills = 0;

  constructor(model: Model, options: ExecutionOptions, scheduler: Scheduler) {
    this.#model = model;
    this.#options = options;
    this.#scheduler = scheduler;
    this.traced = options.traced;
    this.threads = model.threads.map((_, index) => newThread(index));
    this.#order = new HappensBefore(model.threads.length, options.stale);
  }

  /** Runs to the end, starting after `prefix`, whose last point was `point`. */
  run(prefix: readonly Step[], point: Point | undefined): Ending {
    setHost(this);
    try {
      this.#shared = this.#model.setup();
      if (point === undefined) this.#start();
      else this.#redo(prefix, point);
      this.#phase = "running";
      if (this.ending === undefined) this.#loop(this.#decide());
      return this.ending ?? this.#finish();
    } finally {
      setHost(undefined);
    }
  }

  #start(): void {
    this.#phase = "starting";
    for (const thread of this.threads) if (this.ending === undefined) this.#execute(thread);
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
  }

  /** State of the threads, to go on from here in another execution. */
  point(): Point {
    return {
      pending: this.threads.map((thread) => thread.pending),
      status: this.threads.map((thread) => thread.status),
      parking: this.threads.map((thread) => thread.parking),
    };
  }

  #choices(): Choice[][] {
    const ready = this.threads.map((thread) => this.#actions(thread));
    if (ready.some((list) => list.some(isProgress))) return ready;
    // Nobody else can run: spinners that may give up, and timeouts beyond the budget, get their turn.
    return this.threads.map((thread, i) => [...this.#lastResort(thread), ...ready[i]!]);
  }

  #actions(thread: Thread): Choice[] {
    const list: Choice[] = [];
    const op = thread.pending;
    if (thread.status !== "ready" || op === undefined) return list;
    if (thread.waiting === "asleep") {
      if (op.timeoutMs !== Number.POSITIVE_INFINITY && this.#timeouts < this.#options.timeouts) {
        list.push({ thread: thread.index, action: "timeout" });
      }
    } else if (thread.parking === "no") {
      list.push({ thread: thread.index, action: "run" });
      if (this.#options.stale) list.push(...this.#otherValues(thread, op));
    }
    if (this.#mayDie(thread)) list.push({ thread: thread.index, action: "kill" });
    return list;
  }

  /** What a racing read may return besides the value in memory. */
  #otherValues(thread: Thread, op: Op): Choice[] {
    if (op.kind !== "read" && op.kind !== "load") return [];
    const current = this.#memory.peek(op);
    const ranks =
      op.kind === "read" ? this.#order.staleRanks(thread.index, op.buffer, op.offset, current) : [];
    const promised = this.#options.promises.of(op, thread.index).filter((value) => value !== current);
    const actions: Action[] = [
      ...ranks,
      ...promised.map((value) => `promise ${typeof value === "bigint" ? `${value}n` : value}` as const),
    ];
    return actions.map((action) => ({ thread: thread.index, action }));
  }

  #mayDie(thread: Thread): boolean {
    const { kills, killable } = this.#options;
    return this.#kills < kills && (killable === undefined || killable.includes(thread.index));
  }

  #lastResort(thread: Thread): Choice[] {
    const op = thread.pending;
    if (thread.status !== "ready" || op === undefined) return [];
    if (thread.waiting === "asleep") {
      return op.timeoutMs === Number.POSITIVE_INFINITY ? [] : [{ thread: thread.index, action: "timeout" }];
    }
    return thread.parking === "soft" ? [{ thread: thread.index, action: "run" }] : [];
  }

  /** Asks the scheduler, unless the execution is over. */
  #decide(): Choice | undefined {
    if (this.ending !== undefined) return undefined;
    if (this.threads.every((thread) => thread.status !== "ready")) return undefined;
    if (this.steps.length >= this.#options.maxSteps) {
      this.ending = { kind: "livelock", message: `no end after ${this.steps.length} steps` };
      return undefined;
    }
    const able = this.#choices();
    this.able = able;
    if (!able.some((list) => list.some(isProgress))) {
      this.ending = this.#stuck();
      return undefined;
    }
    const choice = this.#scheduler.choose(this);
    if (choice === undefined) this.ending ??= { kind: "pruned" };
    else this.#park(choice);
    return choice;
  }

  /** A thread that is about to repeat a read, and is not chosen, waits for a write. */
  #park(choice: Choice): void {
    for (const thread of this.threads) {
      if (thread.index === choice.thread) {
        if (thread.parking === "soft") thread.parking = "no";
      } else if (thread.parking === "no" && thread.waiting === "no" && this.#repeats(thread)) {
        thread.parking = "soft";
      }
    }
  }

  #stuck(): Ending {
    const asleep = this.threads.filter((thread) => thread.waiting === "asleep" && thread.status === "ready");
    const spinning = this.threads.filter((thread) => thread.parking === "hard" && thread.status === "ready");
    const name = (thread: Thread): string =>
      `thread ${thread.index} at ${thread.pending === undefined ? "?" : describeOp(thread.pending)}`;
    if (spinning.length === 0) {
      return { kind: "deadlock", message: `nobody wakes ${asleep.map(name).join(", ")}` };
    }
    const sleepers = asleep.length === 0 ? "" : `; asleep: ${asleep.map(name).join(", ")}`;
    const words = spinning.map(name).join(", ");
    return { kind: "livelock", message: `nobody writes what is spun on: ${words}${sleepers}` };
  }

  #loop(first: Choice | undefined): void {
    let next = first;
    while (next !== undefined && this.ending === undefined) {
      const thread = this.threads[next.thread]!;
      if (next.action === "kill") {
        this.#step(thread, next, "kill");
        next = this.#decide();
        continue;
      }
      if (thread.waiting === "no") this.#chosen = next;
      else this.#step(thread, next, this.#endOfWait(next));
      if (this.ending !== undefined) return;
      this.#next = undefined;
      this.#execute(thread);
      next = thread.status === "done" ? this.#decide() : this.#next;
    }
  }

  #endOfWait({ action }: Choice): StepKind {
    if (action !== "timeout") return "wake";
    return this.#timeouts < this.#options.timeouts ? "timeout" : "late";
  }

  /** Executes a thread from its start until it ends or is left. */
  #execute(thread: Thread): void {
    thread.position = 0;
    thread.nowMs = 0;
    thread.suspended = false;
    this.#current = thread;
    try {
      thread.result = this.#model.threads[thread.index]!(this.#shared);
      // Refused below; its rejection would be nobody's.
      if (isThenable(thread.result)) thread.result.then(undefined, () => {});
      if (!thread.suspended || isThenable(thread.result)) this.#ended(thread);
    } catch (error) {
      if (error !== SUSPEND && !thread.suspended) this.#threw(thread, error);
    } finally {
      this.#current = undefined;
    }
  }

  #ended(thread: Thread): void {
    if (isThenable(thread.result)) {
      this.#nondeterministic(`thread ${thread.index} is async; threads must be synchronous functions`);
    } else if (thread.position < thread.log.length) {
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
    } else this.ending = { kind: "exception", error, thread: thread.index };
  }

  #nondeterministic(message: string): void {
    this.ending = { kind: "nondeterministic", message };
  }

  #finish(): Ending {
    for (const thread of this.threads) {
      // Finished in the prefix: what it left outside the shared memory is wanted by `after`.
      if (thread.status === "done" && !thread.ran) this.#execute(thread);
    }
    this.#phase = "after";
    if (this.ending !== undefined) return this.ending;
    if (this.#owed.length > 0) return { kind: "pruned" };
    try {
      this.#model.after?.(
        this.#shared,
        this.threads.map((thread) => thread.result),
      );
    } catch (error) {
      return { kind: "after", error };
    }
    return { kind: "complete" };
  }

  // --- what the code under test calls -------------------------------------------------------------------

  access(op: Op): unknown {
    const thread = this.#current;
    if (thread === undefined) return op.kind === "notify" ? 0 : this.#memory.perform(op);
    if (thread.suspended) throw SUSPEND;
    if (op.kind === "waitAsync") this.refuse("Atomics.waitAsync, which is not modelled");
    const logged = thread.log[thread.position];
    if (logged !== undefined) return this.#replay(thread, logged, op);
    if (thread.status === "done") this.refuse("going on after the end");
    const chosen = this.#chosen;
    if (chosen !== undefined) {
      this.#chosen = undefined;
      if (!this.traced && thread.pending !== undefined && !sameOp(thread.pending, op)) {
        this.#leave(
          thread,
          undefined,
          `was about to do ${describeOp(thread.pending)}, now does ${describeOp(op)}`,
        );
      }
      thread.pending = op;
      return this.#do(thread, chosen);
    }
    thread.pending = op;
    if (this.#phase === "starting") this.#leave(thread, undefined);
    return this.#arrive(thread);
  }

  #replay(thread: Thread, logged: { readonly op: Op; readonly result: unknown }, op: Op): unknown {
    if (!sameOp(logged.op, op)) {
      this.#leave(thread, undefined, `did ${describeOp(logged.op)} at first, then ${describeOp(op)}`);
    }
    thread.position++;
    if (op.kind === "wait" && logged.result === "timed-out") thread.nowMs += op.timeoutMs;
    return logged.result;
  }

  #leave(thread: Thread, next: Choice | undefined, complaint?: string): never {
    if (complaint !== undefined) this.#nondeterministic(`thread ${thread.index} ${complaint}`);
    thread.suspended = true;
    this.#next = next;
    throw SUSPEND;
  }

  #arrive(thread: Thread): unknown {
    if (!this.#repeats(thread)) thread.repeats = 0;
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
    // An endless spin: taken back, as if the thread had not begun it.
    this.#scheduler.spun(this, thread.spinStart);
    this.steps.length = thread.spinStart;
    thread.pending = thread.log[thread.spinLog]!.op;
    thread.log.length = thread.spinLog;
    thread.repeats = 0;
    thread.parking = "hard";
    this.#leave(thread, this.#decide());
  }

  /** Would the thread's next operation read again what it has read, with no write of its own since? */
  #repeats(thread: Thread): boolean {
    const op = thread.pending;
    if (op === undefined || thread.window.size === 0) return false;
    const seen = thread.window.get(keyOf(op));
    if (seen === undefined || seen.count <= this.#options.freeReads || seen.op.type !== op.type) return false;
    const value = this.#memory.peek(op);
    return value === seen.value && isSilent(op, value);
  }

  #do(thread: Thread, choice: Choice): unknown {
    const op = thread.pending!;
    if (this.#repeats(thread)) {
      if (thread.repeats++ === 0) {
        thread.spinStart = this.steps.length;
        thread.spinLog = thread.log.length;
      }
    } else thread.repeats = 0;
    const sleeps = op.kind === "wait" && this.#memory.peek(op) === op.value && op.timeoutMs > 0;
    const step = this.#step(thread, choice, sleeps ? "enter" : "op");
    if (this.ending !== undefined) this.#leave(thread, undefined);
    if (sleeps) this.#leave(thread, this.#decide());
    thread.position++;
    return step.result;
  }

  #step(thread: Thread, choice: Choice, kind: StepKind): Step {
    const op = thread.pending!;
    const before = this.#memory.peek(op);
    const woken = kind === "op" && op.kind === "notify" ? this.#sleepers(op) : [];
    const result = this.#result(choice, kind, op, before, woken.length);
    const after = this.#memory.peek(op);
    const step: Step = { choice, kind, op, result, changed: !Object.is(before, after), after, woken };
    const race = this.#commit(step, before);
    if (race !== undefined && this.#options.races && !this.#options.isAllowed(race)) {
      this.ending = { kind: "race", race };
    }
    this.#scheduler.stepped(this, step);
    return step;
  }

  #result(choice: Choice, kind: StepKind, op: Op, before: Value, woken: number): unknown {
    if (kind === "timeout" || kind === "late") return "timed-out";
    if (kind === "wake") return "ok";
    if (kind === "kill" || kind === "enter") return undefined;
    if (op.kind === "notify") return woken;
    if (op.kind === "wait") return before === op.value ? "timed-out" : "not-equal";
    const promised = promisedBy(choice.action);
    if (promised !== undefined) return promised;
    if (typeof choice.action === "number") return this.#order.staleValue(op.buffer, op.offset, choice.action);
    return this.#memory.perform(op);
  }

  /** Longest waiters on the word, in order of arrival. */
  #sleepers(op: Op): number[] {
    const here = this.#waiters.filter((index) => keyOf(this.threads[index]!.pending!) === keyOf(op));
    return here.slice(0, Math.min(here.length, Number(op.value)));
  }

  /** All that a step changes but memory: the same live and redone. */
  #commit(step: Step, before: Value): Race | undefined {
    const thread = this.threads[step.choice.thread]!;
    this.steps.push(step);
    if (step.kind === "enter") {
      thread.pending = step.op;
      thread.waiting = "asleep";
      this.#waiters.push(thread.index);
    } else if (step.kind === "kill") {
      this.#kills++;
      thread.status = "dead";
      this.#forget(thread);
    } else {
      if (step.kind === "timeout" || step.kind === "late") this.#timeouts++;
      this.#forget(thread);
      thread.log.push({ op: step.op, result: step.result });
      for (const index of step.woken) {
        this.#forget(this.threads[index]!);
        this.threads[index]!.waiting = "notified";
      }
    }
    this.#window(thread, step, before);
    if (this.#options.stale) this.#settle(step);
    return this.#order.onStep(step, before);
  }

  /** Reads whose value must still be written, by a thread that does not know of the read. */
  #owed: { readonly op: Op; readonly reader: number; readonly time: number; readonly value: Value }[] = [];
  #guessed = false;

  #settle(step: Step): void {
    const { op, choice } = step;
    const value = promisedBy(choice.action);
    if (value !== undefined) {
      this.#guessed = true;
      this.#owed.push({ op, reader: choice.thread, time: this.#order.timeOf(choice.thread), value });
    } else if (op.kind === "write") {
      if (!this.#guessed) this.#options.promises.add(op, choice.thread, step.after);
      this.#owed = this.#owed.filter(
        (read) =>
          !sameOp({ ...read.op, kind: op.kind, value: op.value }, op) ||
          read.value !== step.after ||
          read.reader === choice.thread ||
          this.#order.knows(choice.thread, read.reader, read.time),
      );
    }
  }

  #forget(thread: Thread): void {
    thread.waiting = "no";
    const at = this.#waiters.indexOf(thread.index);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  #window(thread: Thread, step: Step, before: Value): void {
    const silent = step.kind === "op" && isSilent(step.op, before);
    if (!silent) {
      if (thread.window.size > 0) thread.window.clear();
    } else if (step.choice.action === "run") {
      const key = keyOf(step.op);
      const seen = thread.window.get(key);
      const isNews = seen !== undefined && seen.value !== before;
      if (isNews) thread.window.clear();
      const count = seen === undefined || isNews ? 1 : seen.count + 1;
      thread.window.set(key, { op: step.op, value: before, count });
    }
    if (silent) return;
    for (const other of this.threads) {
      if (other.parking === "no" || other === thread) continue;
      for (const seen of other.window.values()) {
        if (overlaps(seen.op, step.op)) {
          other.parking = "no";
          break;
        }
      }
    }
  }

  idOf(buffer: ArrayBufferLike): number {
    const id = this.#memory.idOf(buffer);
    if (id < 0 && !this.#private.has(buffer)) {
      this.refuse("a SharedArrayBuffer that setup() did not make in this execution (module-level state?)");
    }
    return id;
  }

  readonly #private: WeakSet<ArrayBufferLike> = new WeakSet();

  /** A buffer made by a thread is seen by this thread alone: it cannot be passed through shared memory. */
  allocate(bytes: number, options?: { maxByteLength?: number }): SharedArrayBuffer {
    if (this.#phase === "setup") return this.#memory.allocate(bytes, options);
    const buffer = new Memory().allocate(bytes, options);
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

function isProgress(choice: Choice): boolean {
  return choice.action !== "kill";
}

/** Does the operation leave memory as it is, given the value there? */
function isSilent(op: Op, value: Value): boolean {
  switch (op.kind) {
    case "read":
    case "load":
      return true;
    case "compareExchange":
      return value !== op.value || op.value === op.replacement;
    case "exchange":
      return value === op.value;
    case "or":
      return (BigInt(value) | BigInt(op.value)) === BigInt(value);
    case "add":
    case "sub":
    case "xor":
      return Number(op.value) === 0;
    case "wait":
      return value !== op.value;
    default:
      return false;
  }
}

function keyOf(op: Op): number {
  return op.buffer * 2 ** 32 + op.offset;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function newThread(index: number): Thread {
  return {
    index,
    log: [],
    position: 0,
    status: "ready",
    pending: undefined,
    waiting: "no",
    parking: "no",
    window: new Map(),
    repeats: 0,
    spinStart: 0,
    spinLog: 0,
    suspended: false,
    ran: false,
    result: undefined,
    nowMs: 0,
  };
}
