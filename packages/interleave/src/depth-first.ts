/*
 * Depth-first search over the choices of an execution, with or without reduction.
 *
 * Reduction is source-set DPOR with sleep sets (Abdulla, Aronis, Jonsson, Sagonas, "Optimal Dynamic Partial
 * Order Reduction", POPL 2014, algorithm 1). A node first follows one thread. Whenever a step races with an
 * earlier one, some thread that starts the reversed order is added to the node before the earlier step.
 * Threads whose subtree was explored sleep until a step that depends on theirs.
 *
 * A preemption bound makes reduction unsound (an equivalent execution may need more preemptions), so with a
 * bound every order within it is run.
 */
import { isProgress } from "./choices.ts";
import type { Execution } from "./execution.ts";
import { type Choice, dependent, type Step, wakes } from "./op.ts";
import type { Scheduler } from "./scheduler.ts";
import { firstDue, nextOp, type Point, type Thread } from "./thread.ts";

interface Node {
  /** Empty where nothing can be explored but what was chosen first. */
  point: Point;
  /** A step of a spin: no choice. */
  readonly forced: boolean;
  /** Thread that ran before, `-1` at the start. */
  readonly previous: number;
  readonly preemptions: number;
  /** Choices by thread. */
  readonly able: readonly (readonly Choice[])[];
  /** Choices that wait to be explored, next one last. */
  readonly todo: Choice[];
  /** Threads that are, or were, to be explored here. */
  readonly backtrack: number[];
  /** Threads whose subtree was seen, with the steps that they would make. */
  sleep: Map<number, readonly Step[]>;
  /** Threads whose subtree was explored from here. */
  readonly explored: number[];
  /** Does the thread that is explored at the moment repeat a read here? The others parked it when they went. */
  repeats: boolean;
  /** Steps made here by the thread that is explored at the moment. */
  current: Step[];
  chosen: Choice | undefined;
}

/** A search between two executions. */
export interface SavedSearch {
  readonly nodes: readonly Node[];
  readonly steps: readonly Step[];
  readonly clocks: readonly (readonly number[])[];
  readonly times: readonly number[];
  readonly bounded: boolean;
}

/** Options of a depth-first search. */
export interface DepthFirstOptions {
  readonly reduction: boolean;
  readonly bound: number;
  readonly shard: { readonly index: number; readonly count: number } | undefined;
}

/** Number of first choices by which a search is spread over shards. */
const SHARD_DEPTH = 6;

/** Shared by nodes of searches without reduction, which do not use them. */
const NOWHERE: Point = { pending: [], status: [], parking: [] };
const ASLEEP: Map<number, readonly Step[]> = new Map();

/** Explores every execution once; ask {@link next} before each. */
export class DepthFirst implements Scheduler {
  readonly #options: DepthFirstOptions;
  readonly #nodes: Node[] = [];
  /** Of the execution at hand: its steps, the clock of each, and each thread's clock. */
  #steps: Step[] = [];
  #clocks: number[][] = [];
  #known: boolean[] = [];
  #times: number[] = [];
  #started = false;
  /** Was an execution left out because of the bound? */
  bounded = false;

  constructor(options: DepthFirstOptions, saved?: SavedSearch) {
    this.#options = options;
    if (saved === undefined) return;
    this.#nodes.push(...saved.nodes);
    this.#steps = [...saved.steps];
    this.#clocks = saved.clocks.map((clock) => [...clock]);
    this.#times = [...saved.times];
    this.bounded = saved.bounded;
    this.#started = saved.nodes.length > 0;
  }

  /** What it takes to go on from here, in place of the {@link next} execution. */
  save(): SavedSearch {
    return {
      nodes: this.#nodes,
      steps: this.#steps,
      clocks: this.#clocks,
      times: this.#times,
      bounded: this.bounded,
    };
  }

  /** Does it leave out executions that are equivalent to others? */
  get reduces(): boolean {
    return this.#options.reduction;
  }

  /** Prefix of the next execution, `undefined` when all were run. */
  next(): { readonly prefix: readonly Step[]; readonly point: Point | undefined } | undefined {
    if (!this.#started) {
      this.#started = true;
      return { prefix: [], point: undefined };
    }
    const nodes = this.#nodes;
    while (nodes.length > 0) {
      const node = nodes[nodes.length - 1]!;
      if (!node.forced) {
        this.#retire(node);
        if (this.#hasMore(node)) break;
      }
      nodes.pop();
    }
    const last = nodes[nodes.length - 1];
    if (last === undefined) return undefined;
    this.#truncate(nodes.length - 1);
    return { prefix: this.#steps.slice(), point: last.point };
  }

  /** The thread that was explored here sleeps once all it could do here was explored. */
  #retire(node: Node): void {
    const chosen = node.chosen;
    if (chosen === undefined) return;
    if (node.todo.some((choice) => choice.thread === chosen.thread)) return;
    if (node.current.length > 0) {
      node.explored.push(chosen.thread);
      // Of a parked spinner only the death was explored: it must not sleep when it may go on.
      if (this.#options.reduction && node.point.parking[chosen.thread] === "no") {
        node.sleep = new Map(node.sleep).set(chosen.thread, node.current);
      }
    }
    node.current = [];
    node.chosen = undefined;
  }

  #hasMore(node: Node): boolean {
    while (node.todo.length > 0) {
      const choice = node.todo[node.todo.length - 1]!;
      if (
        !this.#options.reduction ||
        !node.sleep.has(choice.thread) ||
        node.chosen?.thread === choice.thread
      ) {
        return true;
      }
      node.todo.pop();
    }
    return false;
  }

  #truncate(depth: number): void {
    this.#steps.length = Math.min(this.#steps.length, depth);
    this.#clocks.length = Math.min(this.#clocks.length, depth);
    this.#times.length = Math.min(this.#times.length, depth);
  }

  choose(execution: Execution): Choice | undefined {
    const depth = execution.steps.length;
    let node = this.#nodes[depth];
    if (node === undefined) {
      node = this.#newNode(execution, false);
      this.#nodes.push(node);
      if (this.#options.reduction) this.#plan(node);
      else this.#planAll(node);
      if (!this.#options.reduction && node.todo.length > 1) node.point = execution.point();
    } else if (this.#spun) {
      this.#replan(execution);
      node = this.#nodes[depth]!;
    }
    if (!this.#hasMore(node)) return undefined;
    node.chosen = node.todo.pop()!;
    return node.chosen;
  }

  forced(execution: Execution): void {
    this.#nodes.push(this.#newNode(execution, true));
  }

  spun(_execution: Execution, depth: number): void {
    this.#nodes.length = depth + 1;
    this.#truncate(depth);
    this.#spun = true;
  }

  /** Set between the end of an endless spin and the choice of who goes on instead. */
  #spun = false;

  /** The spinner's turn was none. The others go on from here, unless they have a turn here anyway. */
  #replan(execution: Execution): void {
    this.#spun = false;
    const node = this.#nodes[this.#nodes.length - 1]!;
    const spinner = node.chosen!.thread;
    node.current = [];
    node.chosen = undefined;
    if (node.explored.length > 0 || node.todo.length > 0) return;
    const fresh: Node = { ...node, able: execution.able, point: execution.point(), todo: [] };
    this.#nodes[this.#nodes.length - 1] = fresh;
    if (this.#options.reduction) this.#plan(fresh);
    else this.#planAll(fresh);
    if (this.#options.reduction) fresh.backtrack.push(spinner);
  }

  #newNode(execution: Execution, forced: boolean): Node {
    const depth = this.#nodes.length;
    const parent = this.#nodes[depth - 1];
    const step = execution.steps[depth - 1];
    const previous = step?.choice.thread ?? -1;
    return {
      point: forced || !this.#options.reduction ? NOWHERE : execution.point(),
      forced,
      previous,
      preemptions: parent === undefined ? 0 : parent.preemptions + preempts(parent, step!),
      able: forced ? [] : execution.able,
      todo: [],
      backtrack: [],
      sleep: this.#options.reduction && parent !== undefined ? stillAsleep(parent, step!) : ASLEEP,
      explored: [],
      repeats: false,
      current: [],
      chosen: undefined,
    };
  }

  #planAll(node: Node): void {
    const spare = this.#options.bound - node.preemptions;
    const { able, previous } = node;
    const runs = previous >= 0 && able[previous]!.some(isProgress);
    for (let i = able.length - 1; i >= 0; i--) {
      if (i === previous) continue;
      if (runs && spare <= 0 && able[i]!.length > 0) this.bounded = true;
      else pushBackwards(node.todo, able[i]!);
    }
    if (previous >= 0) pushBackwards(node.todo, able[previous]!);
    this.#shardOut(node);
  }

  /** The first free choices decide which shard explores what lies behind them. */
  #shardOut(node: Node): void {
    const { shard } = this.#options;
    if (shard === undefined || this.#nodes.length !== SHARD_DEPTH) return;
    const path = this.#nodes.map((at) => (at.chosen === undefined ? "" : at.chosen.thread)).join("");
    let hash = 7;
    for (const letter of path) hash = (hash * 31 + letter.charCodeAt(0)) % 1_000_003;
    if (hash % shard.count !== shard.index - 1) node.todo.length = 0;
  }

  #plan(node: Node): void {
    const { able, sleep, previous } = node;
    const isAwake = (i: number): boolean => !sleep.has(i) && able[i]!.some(isProgress);
    const first = previous >= 0 && isAwake(previous) ? previous : able.findIndex((_, i) => isAwake(i));
    if (first >= 0) add(node, first);
    // Above the depth of shards races are not known to every shard: all threads are explored there.
    const isShared = this.#options.shard !== undefined && this.#nodes.length < SHARD_DEPTH;
    for (let i = 0; i < able.length; i++) {
      if (able[i]!.length === 0) continue;
      // A sleeper in Atomics.wait can only die; nothing races with that, so it is planned at once.
      if (isShared || (!sleep.has(i) && !able[i]!.some(isProgress))) add(node, i);
    }
    this.#shardOut(node);
  }

  stepped(execution: Execution, step: Step): void {
    const depth = execution.steps.length - 1;
    // A spin is one choice: whatever depends on any of its steps wakes its thread.
    let at = depth;
    while (this.#nodes[at]?.forced) at--;
    const node = this.#nodes[at];
    if (node !== undefined) {
      if (at === depth) node.repeats = execution.threads[step.choice.thread]!.repeats > 0;
      node.current.push(step);
    }
    if (!this.#options.reduction) {
      this.#steps.push(step);
      return;
    }
    this.#reduce(step, depth);
  }

  /** Finds the races that the step completes and plans their reversal. */
  #reduce(step: Step, depth: number): void {
    const { thread } = step.choice;
    const clock = this.#clockOf(thread, depth);
    // A thread of which one step is known to have come before is known in all its earlier ones.
    const known = this.#known.fill(false);
    known[thread] = true;
    let unknown = clock.length - 1;
    for (let i = depth - 1; i >= 0 && unknown > 0; i--) {
      const earlier = this.#steps[i]!;
      const other = earlier.choice.thread;
      if (known[other]) continue;
      if (clock[other]! >= this.#times[i]!) {
        known[other] = true;
        unknown--;
        continue;
      }
      if (!dependent(earlier, step) && !wakes(earlier, step)) continue;
      // A sleeper without a timeout could do nothing before it was woken.
      if (step.kind !== "wake" || step.sleep >= 0 || step.op.timeoutMs !== Number.POSITIVE_INFINITY)
        this.#reverse(i, step, depth);
      join(clock, this.#clocks[i]!);
    }
    clock[thread] = (clock[thread] ?? 0) + 1;
    this.#steps.push(step);
    this.#clocks.push(clock);
    this.#times.push(clock[thread]!);
  }

  /**
   * A sleeper could time out here, had not others used up the limit. That one of them did not is a choice that
   * no step tells of: it is planned as if this timeout had come, as one that theirs depend on.
   */
  denied(execution: Execution, thread: Thread): void {
    if (!this.#options.reduction) return;
    const depth = execution.steps.length;
    const { index } = thread;
    const sleep = thread.status === "idle" ? firstDue(thread) : -1;
    const choice: Choice = { thread: index, action: "timeout" };
    const op = nextOp(thread, sleep)!;
    const missed: Step = {
      choice,
      kind: "timeout",
      op,
      result: "",
      changed: false,
      after: 0,
      woken: [],
      sleep,
    };
    const known = this.#clockOf(index, depth);
    for (let i = depth - 1; i >= 0; i--) {
      const spent = this.#steps[i]!;
      const other = spent.choice.thread;
      if (spent.kind !== "timeout" || other === index || known[other]! >= this.#times[i]!) continue;
      this.#reverse(i, missed, depth);
    }
  }

  #clockOf(thread: number, depth: number): number[] {
    for (let i = depth - 1; i >= 0; i--) {
      if (this.#steps[i]!.choice.thread === thread) return [...this.#clocks[i]!];
    }
    return new Array<number>(this.#nodes[0]!.able.length).fill(0);
  }

  /** Plans, before step `at`, a thread that starts an execution in which `step` comes before it. */
  #reverse(at: number, step: Step, depth: number): void {
    const first = this.#initials(at, step, depth);
    // Steps of a spin, and places where a spinner was parked, stand for the point where the spin began.
    for (let i = at; i >= 0; i--) {
      const node = this.#nodes[i]!;
      if (node.forced) continue;
      if (first.some((thread) => node.backtrack.includes(thread))) return;
      const able = first.filter((thread) => node.able[thread]!.length > 0);
      const pick = able.includes(step.choice.thread) ? step.choice.thread : able[0];
      if (pick !== undefined) {
        add(node, pick);
        return;
      }
      if (!first.some((thread) => node.point.parking[thread] !== "no")) return;
    }
  }

  /** Threads whose first step after `at`, among the steps that do not depend on `at`, has no predecessor there. */
  #initials(at: number, step: Step, depth: number): number[] {
    const origin = this.#steps[at]!.choice.thread;
    const time = this.#times[at]!;
    const kept: number[] = [];
    const first: number[] = [];
    const isFree = (clock: readonly number[] | undefined, candidate: Step): boolean =>
      kept.every((k) => {
        const before = this.#steps[k]!;
        if (clock !== undefined) return clock[before.choice.thread]! < this.#times[k]!;
        return before.choice.thread !== candidate.choice.thread && !dependent(before, candidate);
      });
    for (let i = at + 1; i < depth; i++) {
      const clock = this.#clocks[i]!;
      if (clock[origin]! >= time) continue;
      const candidate = this.#steps[i]!;
      if (isFree(clock, candidate)) first.push(candidate.choice.thread);
      kept.push(i);
    }
    const known = this.#clockOf(step.choice.thread, depth);
    const free = kept.every((k) => known[this.#steps[k]!.choice.thread]! < this.#times[k]!);
    if (free && isFree(undefined, step)) first.push(step.choice.thread);
    return first;
  }
}

function add(node: Node, thread: number): void {
  if (node.backtrack.includes(thread)) return;
  node.backtrack.push(thread);
  if (node.sleep.has(thread)) return;
  // Below what is being explored: all actions of one thread are explored together.
  node.todo.unshift(...[...node.able[thread]!].reverse());
}

function pushBackwards(todo: Choice[], choices: readonly Choice[]): void {
  for (let i = choices.length - 1; i >= 0; i--) todo.push(choices[i]!);
}

function preempts(node: Node, step: Step): number {
  const { previous, able } = node;
  if (node.forced || previous < 0 || previous === step.choice.thread) return 0;
  return able[previous]!.some(isProgress) ? 1 : 0;
}

function stillAsleep(parent: Node, step: Step): Map<number, readonly Step[]> {
  if (parent.sleep.size === 0) return ASLEEP;
  const asleep = new Map<number, readonly Step[]>();
  for (const [thread, steps] of parent.sleep) {
    if (thread === step.choice.thread) continue;
    // Where it went from here the spinner was parked: what the spinner does next has not been seen there.
    if (parent.repeats && parent.explored.includes(thread)) continue;
    if (
      !steps.some((other) => dependent(other, step)) &&
      !step.woken.some((woken) => woken.thread === thread)
    )
      asleep.set(thread, steps);
  }
  return asleep;
}

function join(into: number[], from: readonly number[]): void {
  for (let i = 0; i < into.length; i++) if (from[i]! > into[i]!) into[i] = from[i]!;
}
