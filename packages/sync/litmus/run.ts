/*
 * Runs litmus tests on real threads and judges what they have seen.
 *
 * A test fails if its outcome was seen although the ECMAScript model (or, for the five that are this
 * package's contract, a lock or RCU) forbids it in the form that was run. What is permitted with plain
 * accesses is counted and shown, never judged: an engine may show it or not.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { decode, type Form, INSTANCES, layoutOf } from "./compile.ts";
import { isTarget, type LitmusTest } from "./format.ts";

/** What a worker is asked to do. */
export interface Order {
  readonly test: string;
  readonly form: Form;
  readonly buffer: SharedArrayBuffer;
  readonly thread: number;
  readonly threadCount: number;
  readonly batches: number;
  /** Locks and RCU are replaced by twins that keep no promise. */
  readonly broken: boolean;
}

/** A worker's answer: how often it has seen each end state, by key. */
export type Counts = readonly (readonly [key: number, count: number])[];

/** One end state. */
export interface Outcome {
  readonly state: string;
  readonly count: number;
  /** Is it the one the test asks about? */
  readonly isTarget: boolean;
}

/** What came of one test in one form. */
export interface LitmusResult {
  readonly name: string;
  readonly form: Form;
  readonly iterations: number;
  /** May the outcome be seen at all? `shown` tests cannot fail. */
  readonly verdict: "never" | "shown";
  readonly outcomes: readonly Outcome[];
  /** How often the outcome the test asks about was seen. */
  readonly targetCount: number;
  readonly passed: boolean;
}

/** Tests that must hold with plain payload too: the contract of the locks and RCU. */
export const PLAIN_CONTRACT: ReadonlySet<string> = new Set([
  "MP+onceassign+derefonce",
  "RCU+sync+free",
  "RCU+sync+read",
  "MP+polocks",
  "MP+porevlocks",
  "DCL-fixed",
]);

/** Threads of the largest tests. */
const THREADS_MAX = 4;
/** A run that takes longer is stuck: a lock or a grace period never came. */
const LIMIT_MS = 300_000;

/** Threads that stay between tests: to start one costs more than a hundred thousand iterations. */
export class LitmusRunner {
  readonly #workers: readonly Worker[] = Array.from(
    { length: THREADS_MAX },
    () => new Worker(new URL("./litmus.worker.ts", import.meta.url)),
  );

  /**
   * Runs one test.
   *
   * @param iterations - how often, `>= 1`; rounded up to whole batches of {@link INSTANCES}
   * @throws Error if a thread throws or does not come back in five minutes
   */
  async run(test: LitmusTest, form: Form, iterations: number, broken = false): Promise<LitmusResult> {
    if (!Number.isInteger(iterations) || iterations < 1) {
      throw new RangeError(`litmus: iterations must be an integer >= 1, got ${iterations}`);
    }
    const batches = Math.ceil(iterations / INSTANCES);
    const buffer = new SharedArrayBuffer(layoutOf(test).wordCount * 4);
    const threadCount = test.threads.length;
    const signal = AbortSignal.timeout(LIMIT_MS);
    const answers = test.threads.map(async (_, thread) => {
      const worker = this.#workers[thread];
      const order: Order = { test: test.name, form, buffer, thread, threadCount, batches, broken };
      worker.postMessage(order);
      const [counts] = (await once(worker, "message", { signal })) as [Counts];
      return counts;
    });
    return judge(test, form, batches * INSTANCES, await Promise.all(answers));
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function judge(test: LitmusTest, form: Form, iterations: number, answers: readonly Counts[]): LitmusResult {
  const total = new Map<number, number>();
  for (const [key, count] of answers.flat()) total.set(key, (total.get(key) ?? 0) + count);
  const outcomes = [...total].map(([key, count]) => {
    const outcome = decode(test, key);
    const state = [...outcome].map(([name, value]) => `${name}=${value}`).join(" ");
    return { state, count, isTarget: isTarget(test, outcome) };
  });
  outcomes.sort((a, b) => b.count - a.count);
  const targetCount = outcomes.reduce((sum, each) => sum + (each.isTarget ? each.count : 0), 0);
  const verdict = form === "atomics" || PLAIN_CONTRACT.has(test.name) ? "never" : "shown";
  const passed = verdict === "shown" || targetCount === 0;
  return { name: test.name, form, iterations, verdict, outcomes, targetCount, passed };
}
