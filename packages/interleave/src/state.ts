/*
 * The state of an execution: memory, how each thread stands, who sleeps where, and the clocks. Steps change it;
 * a step taken from an earlier execution does so in the same way, without the code that made it.
 */
import { Choices } from "./choices.ts";
import type { ExecutionOptions } from "./execution-options.ts";
import { Memory } from "./memory.ts";
import { type Choice, type Op, promisedBy, type Step, type StepKind, type Value } from "./op.ts";
import { Guesses } from "./promises.ts";
import { HappensBefore, type Race } from "./races.ts";
import { follow } from "./sites.ts";
import { look } from "./spins.ts";
import { Patience } from "./starvation.ts";
import { newThread, nextOp, type Point, type Thread } from "./thread.ts";
import { WaitLists } from "./wait-lists.ts";

const NOBODY: Step["woken"] = [];

/** State of one execution. */
export class State {
  readonly threads: Thread[];
  readonly steps: Step[] = [];
  readonly memory: Memory = new Memory();
  readonly choices: Choices;
  /** Who starves, and why; set by the step that shows it. */
  starves: string | undefined;
  readonly #order: HappensBefore;
  readonly #guesses: Guesses | undefined;
  readonly #patience: Patience | undefined;
  readonly #waiters: WaitLists = new WaitLists();

  constructor(count: number, options: ExecutionOptions) {
    this.threads = [];
    for (let i = 0; i < count; i++) {
      const thread = newThread(i);
      thread.site = options.sites?.of(i, thread.log);
      this.threads.push(thread);
    }
    this.#order = new HappensBefore(count, options.stale);
    this.choices = new Choices(options, this.memory, this.#order);
    if (options.stale) this.#guesses = new Guesses(options.promises, this.#order);
    if (options.starvation !== undefined) this.#patience = new Patience(count, options.starvation);
  }

  /** Did a promised write not come? Then the execution does not count. */
  get isOwed(): boolean {
    return this.#guesses?.isOwed === true;
  }

  /** Takes in the steps of an earlier execution, whose threads then stood as `point` says. */
  redo(prefix: readonly Step[], point: Point): void {
    for (const step of prefix) {
      const before = this.memory.peek(step.op);
      if (step.changed) this.memory.redo(step);
      this.#commit(step, before);
    }
    for (const thread of this.threads) {
      thread.pending = point.pending[thread.index];
      thread.status = point.status[thread.index]!;
      thread.parking = point.parking[thread.index]!;
    }
  }

  /** A thread makes a step; `sleep` is as in {@link Step}. Returns the race that it completes. */
  make(thread: Thread, choice: Choice, kind: StepKind, sleep: number): Race | undefined {
    const op = nextOp(thread, sleep)!;
    const before = this.memory.peek(op);
    const woken = kind === "op" && op.kind === "notify" ? this.#waiters.wokenBy(op) : NOBODY;
    const result = this.#result(thread, choice, kind, op, before, woken.length);
    const after = this.memory.peek(op);
    return this.#commit(
      { choice, kind, op, result, changed: !Object.is(before, after), after, woken, sleep },
      before,
    );
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
    return this.memory.perform(op);
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
      this.choices.kills++;
      thread.status = "dead";
      thread.waiting = "no";
      this.#waiters.leaveAll(thread.index);
    } else this.#log(thread, step);
    look(this.threads, thread, step, before);
    this.#guesses?.onStep(step);
    const starves = this.#patience?.onStep(step, before);
    if (starves !== undefined) this.starves = starves;
    return this.#order.onStep(step, before);
  }

  #log(thread: Thread, step: Step): void {
    const { op, kind, sleep, result } = step;
    thread.log.push({ op, result, sleep });
    if (thread.site !== undefined) thread.site = follow(thread.site, result, sleep);
    if (kind === "timeout" || kind === "late") this.choices.timeouts++;
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
}
