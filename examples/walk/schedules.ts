/** A thread of a small model: each yield is a point where another thread may run. */
export type ModelThread = Generator<ModelStep, void>;

/** What a thread did; with `until`, the thread can go on only once the condition holds. */
export interface ModelStep {
  readonly does: string;
  readonly until?: () => boolean;
}

export interface Model {
  readonly threads: readonly { readonly name: string; readonly steps: ModelThread }[];
  /** What went wrong, if anything; asked after all threads have ended. */
  readonly verdict: () => string | undefined;
}

export interface Exploration {
  /** Complete schedules run. */
  readonly schedules: number;
  /** Schedules that went wrong, by what went wrong. */
  readonly wrong: ReadonlyMap<string, number>;
  /** The first shortest schedule that went wrong, one line a step. */
  readonly shortest: readonly string[] | undefined;
}

/**
 * Runs a model through every order of its threads' steps, each on a fresh model made by `make`.
 *
 * Depth first over the choices of thread; a generator cannot be rewound, so every schedule starts anew. Fit for
 * models of a few dozen schedules up to some thousands.
 */
export function everySchedule(make: () => Model): Exploration {
  const wrong = new Map<string, number>();
  let schedules = 0;
  let shortest: readonly string[] | undefined;
  const pending: number[][] = [[]];
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    const { log, verdict } = runSchedule(make(), prefix, pending);
    schedules += 1;
    if (verdict === undefined) continue;
    wrong.set(verdict, (wrong.get(verdict) ?? 0) + 1);
    if (shortest === undefined || log.length < shortest.length) shortest = log;
  }
  return { schedules, wrong, shortest };
}

/** Follows `prefix`, then always the first thread that can run; the choices not taken go to `pending`. */
function runSchedule(model: Model, prefix: readonly number[], pending: number[][]): Run {
  const waits: (() => boolean)[] = model.threads.map(() => () => true);
  const done = model.threads.map(() => false);
  const log: string[] = [];
  const taken: number[] = [];
  for (;;) {
    const runnable = model.threads.flatMap((_, index) => (!done[index] && waits[index]?.() ? [index] : []));
    const chosen = prefix[taken.length] ?? runnable[0];
    if (chosen === undefined) break;
    if (taken.length >= prefix.length) {
      for (const other of runnable.slice(1)) pending.push([...taken, other]);
    }
    taken.push(chosen);
    const thread = model.threads[chosen];
    const step = thread?.steps.next();
    if (thread === undefined || step === undefined || step.done) {
      done[chosen] = true;
      continue;
    }
    log.push(`${thread.name}  ${step.value.does}`);
    waits[chosen] = step.value.until ?? (() => true);
  }
  const stuck = done.includes(false) ? "deadlock" : undefined;
  return { log, verdict: stuck ?? model.verdict() };
}

interface Run {
  readonly log: readonly string[];
  readonly verdict: string | undefined;
}
