/*
 * Every interleaving of a few protocols, by running them again and again from the start. Runs that have come to the
 * same state are carried on once: same memory, same locks, and the same history of every thread, that is all the
 * effects it has yielded and the answers it got. For that a protocol must show what it has read from words that
 * others write in the very next effect that it yields, in its kind, its lock, its line or its name; those of this
 * package do. (A value read under a lock that keeps it as it is needs no showing.)
 *
 * Merging changes no count: the number of schedules is the number of ways through the graph of states.
 */
import type { Arena } from "@faultline/arena";
import type { Protocol } from "../protocol.ts";
import { type StepEvent, StepsExecutor, type StepsOptions } from "./steps.ts";

/** What one run starts from; made anew for every run. */
export interface ExploreSetup<S> {
  readonly threads: Readonly<Record<string, Protocol<unknown>>>;
  /** For the check. */
  readonly state: S;
  /** The memory the threads share. Without it equal states are not recognised. */
  readonly arena?: Arena;
}

/** What to explore. */
export interface ExploreOptions<S> extends StepsOptions {
  setup(): ExploreSetup<S>;
  /** What is wrong after a complete run; `undefined`: nothing. Throwing is wrong, too. */
  check(state: S, run: StepsExecutor): string | undefined;
  /** Gives up after this many states. Default 200,000. */
  readonly maxStates?: number;
}

/** What was found. */
export interface Exploration {
  /** Complete schedules. Exact up to 2^53. */
  readonly schedules: number;
  /** Schedules that end in a violation, a deadlock or a sleep where none is allowed. */
  readonly violations: number;
  /** States after merging. */
  readonly states: number;
  /** Whether all states were visited. */
  readonly isComplete: boolean;
  /** The violation with the fewest switches between threads. */
  readonly shortest: CounterExample | undefined;
}

/** A schedule that goes wrong. */
export interface CounterExample {
  readonly schedule: readonly string[];
  readonly switches: number;
  /** What went wrong. */
  readonly problem: string;
  readonly events: readonly StepEvent[];
}

interface Node {
  schedule: readonly string[];
  switches: number;
  /** Ways that lead here. */
  ways: number;
  readonly runnable: readonly string[];
  readonly isEnd: boolean;
  readonly problem: string | undefined;
}

/** Runs every interleaving. States of one length are visited before longer ones. */
export function explore<S>(options: ExploreOptions<S>): Exploration {
  const { maxStates = 200_000 } = options;
  const start = runPrefix(options, []);
  let layer: Iterable<Node> = [{ ...start.node, switches: 0, ways: 1 }];
  let states = 0;
  let schedules = 0;
  let violations = 0;
  let shortest: Node | undefined;
  let rest = 1;
  while (rest > 0 && states < maxStates) {
    const next = new Map<string, Node>();
    for (const node of layer) {
      states++;
      if (!node.isEnd) {
        for (const name of node.runnable) extend(options, node, name, next);
        continue;
      }
      schedules += node.ways;
      if (node.problem === undefined) continue;
      violations += node.ways;
      if (shortest === undefined || node.switches < shortest.switches) shortest = node;
    }
    layer = next.values();
    rest = next.size;
  }
  const example = shortest === undefined ? undefined : counterExample(options, shortest);
  return { schedules, violations, states, isComplete: rest === 0, shortest: example };
}

function counterExample<S>(options: ExploreOptions<S>, node: Node): CounterExample {
  const { schedule, switches, problem = "" } = node;
  return { schedule, switches, problem, events: runPrefix(options, schedule).events };
}

function extend<S>(options: ExploreOptions<S>, from: Node, name: string, next: Map<string, Node>): void {
  const schedule = [...from.schedule, name];
  const last = from.schedule.at(-1);
  const switches = from.switches + (last === undefined || last === name ? 0 : 1);
  const { key, node } = runPrefix(options, schedule);
  const known = next.get(key);
  if (known === undefined) {
    next.set(key, { ...node, switches, ways: from.ways });
    return;
  }
  known.ways += from.ways;
  if (switches >= known.switches) return;
  known.schedule = schedule;
  known.switches = switches;
}

interface Prefix {
  readonly key: string;
  readonly node: Pick<Node, "schedule" | "runnable" | "isEnd" | "problem">;
  readonly events: readonly StepEvent[];
}

/** Runs a schedule from the start. */
function runPrefix<S>(options: ExploreOptions<S>, schedule: readonly string[]): Prefix {
  const { threads, state, arena } = options.setup();
  const run = new StepsExecutor(options);
  for (const [name, protocol] of Object.entries(threads)) run.spawn(name, protocol);
  const end = (isEnd: boolean, problem?: string): Prefix => {
    const memory = arena === undefined ? schedule.join() : hashArena(arena);
    const node = { schedule, runnable: run.runnable(), isEnd, problem };
    return { key: `${run.fingerprint()}#${problem}#${memory}`, node, events: run.events };
  };
  try {
    run.runSchedule(schedule);
    if (!run.isDone) return run.runnable().length > 0 ? end(false) : end(true, run.deadlock().message);
    return end(true, options.check(state, run));
  } catch (error) {
    return end(true, error instanceof Error ? error.message : String(error));
  }
}

function hashArena(arena: Arena): string {
  const words = arena.i32;
  const used = Math.min(words.length, arena.stats().bytesUsed / 4);
  let low = 0x811c9dc5;
  let high = 0x1000193;
  for (let word = 0; word < used; word++) {
    const value = words[word]!;
    if (value === 0) continue;
    low = Math.imul(low ^ value ^ word, 0x01000193);
    high = Math.imul(high ^ (value + word), 0x5bd1e995) ^ (high >>> 13);
  }
  return `${low >>> 0}.${high >>> 0}`;
}
