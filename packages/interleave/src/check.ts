/*
 * A check from its options to its report: loads the model, runs executions until one fails, none is left or
 * the budget is spent, then runs the failing one again, shorter and with stacks.
 */
import { DepthFirst } from "./depth-first.ts";
import type { Ending } from "./ending.ts";
import { InterleaveError } from "./errors.ts";
import { Execution, type ExecutionOptions } from "./execution.ts";
import { install } from "./instrument.ts";
import { drive, quieten } from "./microtasks.ts";
import { minimise } from "./minimise.ts";
import type { CheckOptions, Failure, FailureKind, Model, Report } from "./model.ts";
import type { Choice, Step } from "./op.ts";
import { checkOptions, loadModel } from "./options.ts";
import { Promises } from "./promises.ts";
import type { Race } from "./races.ts";
import { PriorityWalk, RandomWalk } from "./random.ts";
import { formatSchedule, parseSchedule, Replay } from "./schedule.ts";
import type { Scheduler } from "./scheduler.ts";
import { rowsOf, userStack } from "./trace.ts";

/** How often the budget of time is looked at, in executions. */
const LOOK = 64;
const PROGRESS_MS = 1000;

interface Counts {
  executions: number;
  pruned: number;
  points: number;
  longest: number;
}

/** An execution by a schedule. */
interface Followed {
  readonly ending: Ending;
  readonly choices: readonly Choice[];
  readonly steps: readonly Step[];
  /** Why the schedule could not be followed. */
  readonly diverged?: string;
}

/**
 * Runs a model through its interleavings.
 *
 * While it runs, `Atomics`, `SharedArrayBuffer`, `DataView` and the typed-array constructors of this realm are
 * replaced; they are put back before it returns. Give the model as a URL, so that its module is loaded with the
 * replaced globals; a model given as an object must touch them only inside its functions.
 *
 * @param model - the model, or the URL of a module that exports `setup`, `threads` and perhaps `after`
 * @returns the report; a violation is a value, not an exception
 * @throws InterleaveError `EINVAL` for a model or an option that cannot be, `ENOENT` for a missing file,
 * `EBUSY` if another check runs in this realm
 *
 * Cost: an execution costs its steps, plus one re-execution of a thread per switch: quadratic in the length
 * of a thread at worst.
 */
export async function check<Shared>(
  model: Model<Shared> | URL | string,
  options: CheckOptions = {},
): Promise<Report> {
  checkOptions(options);
  const restore = install();
  const loud = quieten();
  try {
    const loaded = await loadModel(model as Model | URL | string, options.exportName);
    return await new Check(loaded, options).run();
  } finally {
    restore();
    // The rejections of the last execution are reported after a turn of the event loop.
    await turn();
    loud();
  }
}

/** One turn of the event loop. */
function turn(): Promise<undefined> {
  return new Promise((done) => setTimeout(done, 0, undefined));
}

class Check {
  readonly #model: Model;
  readonly #options: CheckOptions;
  readonly #counts: Counts = { executions: 0, pruned: 0, points: 0, longest: 0 };
  readonly #start: number = Date.now();
  /**
   * Did a timeout fire because nobody else could run? When it does depends on everybody, which reduction does not
   * know: the search then begins again without it. Until then no execution lacked a timeout that it had room for.
   */
  #late = false;
  /** Values that plain accesses wrote anywhere; only in stale mode. */
  readonly #promises: Promises = new Promises();
  /** Answers about races that were looked at with stacks. */
  readonly #allowed: Map<string, boolean> = new Map();

  constructor(model: Model, options: CheckOptions) {
    this.#model = model;
    this.#options = options;
  }

  async run(): Promise<Report> {
    const { replay } = this.#options;
    if (replay !== undefined) return this.#replay(parseSchedule(replay));
    return (this.#options.strategy ?? "exhaustive") === "exhaustive" ? this.#exhaustive() : this.#byChance();
  }

  async #exhaustive(): Promise<Report> {
    for (;;) {
      const known = this.#promises.size;
      const report = await this.#pass();
      // Values that a later write stores may be read early: once more with all values that were seen.
      if (!report.exhausted || this.#promises.size === known) return report;
      Object.assign(this.#counts, { executions: 0, pruned: 0 });
    }
  }

  async #pass(): Promise<Report> {
    const { bound, stale } = this.#options;
    const reduction = !this.#late && (this.#options.reduction ?? (bound === undefined && stale !== true));
    const search = new DepthFirst({
      reduction,
      bound: bound ?? Number.POSITIVE_INFINITY,
      shard: this.#options.shard,
    });
    const limit = this.#options.maxExecutions ?? 1_000_000;
    const limits: string[] = this.#options.shard === undefined ? [] : ["one shard"];
    for (let from = search.next(); from !== undefined; from = search.next()) {
      const told = this.#pause();
      if (told !== undefined) await told;
      const spent = this.#spent(limit);
      if (spent !== undefined) return this.#report([...limits, spent], undefined, false);
      const found = this.#one(search, from.prefix, from.point);
      const failure = found === undefined ? undefined : await found;
      if (failure !== undefined) return this.#report(limits, failure, false);
      if (reduction && this.#late) return this.#pass();
    }
    if (search.bounded) limits.push(`${bound} preemptions`);
    return this.#report(limits, undefined, true);
  }

  async #byChance(): Promise<Report> {
    const { strategy, seed = 1, depth = 3, maxExecutions: limit = 10_000 } = this.#options;
    const threads = this.#model.threads.length;
    for (let i = 0; ; i++) {
      const told = this.#pause();
      if (told !== undefined) await told;
      const spent = this.#spent(limit);
      if (spent !== undefined) return this.#report([`${strategy} schedules`, spent], undefined, false);
      const length = Math.max(this.#counts.longest, 16);
      const walk =
        strategy === "pct" ? new PriorityWalk(seed, i, threads, depth, length) : new RandomWalk(seed, i);
      const found = this.#one(walk, [], undefined);
      const failure = found === undefined ? undefined : await found;
      if (failure !== undefined) return this.#report([`${limit} schedules by chance`], failure, false);
    }
  }

  /** Says why no further execution may be run, `undefined` while it may. */
  #spent(limit: number): string | undefined {
    if (this.#counts.executions >= limit) return `${limit} executions`;
    const { timeMs } = this.#options;
    if (timeMs === undefined || this.#looks % LOOK !== 0) return undefined;
    return Date.now() - this.#start >= timeMs ? `${timeMs} ms` : undefined;
  }

  #looks = 0;
  #told: number = Date.now();

  /** Tells the progress now and then. Returns a promise only if it does: an await per execution would cost. */
  #pause(): Promise<undefined> | undefined {
    const { onProgress } = this.#options;
    if (this.#looks++ % LOOK !== 0 || onProgress === undefined) return undefined;
    const now = Date.now();
    if (now - this.#told < PROGRESS_MS) return undefined;
    this.#told = now;
    onProgress({ ...this.#progress(), elapsedMs: now - this.#start });
    return turn();
  }

  #progress(): { executions: number; pruned: number; points: number } {
    const { executions, pruned, points } = this.#counts;
    return { executions, pruned, points };
  }

  #executionOptions(traced: boolean): ExecutionOptions {
    const {
      maxSteps = 20_000,
      spinLimit = 200,
      freeReads = 2,
      timeouts = 1,
      kills = 0,
      killable,
      stale = false,
    } = this.#options;
    const races = (this.#options.races ?? true) && !stale;
    return {
      maxSteps,
      spinLimit,
      freeReads,
      timeouts,
      kills,
      killable,
      races,
      stale,
      promises: this.#promises,
      traced: traced || (this.#model.races ?? []).length > 0,
      isAllowed: (race) => this.#isAllowed(race),
    };
  }

  /** Is it a race that the model allows? Executions of models that allow some are traced, so there are stacks. */
  #isAllowed({ first, second }: Race): boolean {
    const rules = this.#model.races ?? [];
    if (rules.length === 0) return false;
    const stacks = [...userStack(first.op.stack), ...userStack(second.op.stack)];
    const key = stacks.join("\n");
    const known = this.#allowed.get(key);
    if (known !== undefined) return known;
    const allowed = rules.some(({ at }) => stacks.some((line) => line.includes(at)));
    this.#allowed.set(key, allowed);
    return allowed;
  }

  /** One execution; a promise only if it failed or has async threads: an await per execution would cost. */
  #one(
    scheduler: Scheduler,
    prefix: readonly Step[],
    point: Parameters<Execution["run"]>[1],
  ): Promise<Failure | undefined> | undefined {
    const execution = new Execution(this.#model, this.#executionOptions(false), scheduler);
    const ending = drive(execution.run(prefix, point));
    if (!(ending instanceof Promise)) return this.#count(execution, prefix, ending);
    return ending.then((came) => this.#count(execution, prefix, came));
  }

  #count(execution: Execution, prefix: readonly Step[], ending: Ending): Promise<Failure> | undefined {
    this.#late ||= execution.steps.some((step) => step.kind === "late");
    const counts = this.#counts;
    counts.points += execution.steps.length - prefix.length;
    counts.longest = Math.max(counts.longest, execution.steps.length);
    if (ending.kind === "pruned") counts.pruned++;
    else counts.executions++;
    if (ending.kind === "complete" || ending.kind === "pruned") return undefined;
    return this.#explain(
      ending,
      execution.steps.map((step) => step.choice),
    );
  }

  /** Runs a failing schedule again from its start: it must fail alike; then shorter, and with stacks. */
  async #explain(ending: Ending, choices: readonly Choice[]): Promise<Failure> {
    if (ending.kind === "nondeterministic") return this.#failure(ending, choices, []);
    const again = await this.#follow(choices, false);
    if (again.ending.kind !== ending.kind) {
      const message =
        `the same schedule ended in ${ending.kind} at first, then in ${again.ending.kind}: ` +
        "the model depends on more than the memory that setup() makes";
      return this.#failure({ kind: "nondeterministic", message }, choices, []);
    }
    const short = await minimise(choices, async (candidate) => {
      const tried = await this.#follow(candidate, false);
      return tried.ending.kind === ending.kind ? tried.choices : undefined;
    });
    const told = await this.#follow(short, true);
    return this.#failure(told.ending, told.choices, told.steps);
  }

  async #follow(choices: readonly Choice[], traced: boolean): Promise<Followed> {
    const scheduler = new Replay(choices);
    const execution = new Execution(this.#model, this.#executionOptions(traced), scheduler);
    const ending = await drive(execution.run([], undefined));
    if (scheduler.diverged !== undefined) {
      const { diverged } = scheduler;
      return { ending: { kind: "nondeterministic", message: diverged }, choices: [], steps: [], diverged };
    }
    return { ending, choices: execution.steps.map((step) => step.choice), steps: execution.steps };
  }

  #failure(ending: Ending, choices: readonly Choice[], steps: readonly Step[]): Failure {
    return {
      kind: ending.kind as FailureKind,
      message: messageOf(ending),
      schedule: formatSchedule(choices),
      preemptions: switches(choices),
      rows: rowsOf(steps),
      stacks: stacksOf(ending),
    };
  }

  async #replay(choices: readonly Choice[]): Promise<Report> {
    const told = await this.#follow(choices, true);
    if (told.diverged !== undefined) throw new InterleaveError("EINVAL", `replay: ${told.diverged}`);
    this.#counts.executions = 1;
    this.#counts.points = told.steps.length;
    this.#counts.longest = told.steps.length;
    const good = told.ending.kind === "complete";
    const failure = good ? undefined : this.#failure(told.ending, told.choices, told.steps);
    return this.#report(["one schedule"], failure, false);
  }

  #report(limits: readonly string[], failure: Failure | undefined, exhausted: boolean): Report {
    return {
      ok: failure === undefined,
      exhausted: exhausted && limits.length === 0,
      limits,
      threads: this.#model.threads.length,
      ...this.#counts,
      elapsedMs: Date.now() - this.#start,
      ...(failure === undefined ? {} : { failure }),
    };
  }
}

function switches(choices: readonly Choice[]): number {
  return choices.filter((choice, i) => i > 0 && choices[i - 1]!.thread !== choice.thread).length;
}

function messageOf(ending: Ending): string {
  switch (ending.kind) {
    case "exception":
      return `thread ${ending.thread} threw ${textOf(ending.error)}`;
    case "after":
      return `after() threw ${textOf(ending.error)}`;
    case "race":
      return (
        `thread ${ending.race.first.choice.thread} and thread ${ending.race.second.choice.thread} ` +
        "touch the same memory, at least one plainly and one writing, with nothing that orders them"
      );
    case "complete":
    case "pruned":
      return ending.kind;
    default:
      return ending.message;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function stacksOf(ending: Ending): string[] {
  if (ending.kind === "race") {
    return [ending.race.first, ending.race.second].map((step) => userStack(step.op.stack).join("\n"));
  }
  if (ending.kind !== "exception" && ending.kind !== "after") return [];
  return ending.error instanceof Error ? [userStack(ending.error.stack).join("\n")] : [];
}
