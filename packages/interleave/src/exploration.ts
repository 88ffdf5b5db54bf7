/*
 * Runs executions until one fails, none is left, or the budget is spent; then says so.
 */
import { DepthFirst, type SavedSearch } from "./depth-first.ts";
import type { Ending } from "./ending.ts";
import { InterleaveError } from "./errors.ts";
import { Execution } from "./execution.ts";
import { explain, failureOf, followSchedule } from "./explain.ts";
import { FORMAT, type Frontier, formatFrontier, meaningOf, parseFrontier } from "./frontier.ts";
import { drive } from "./microtasks.ts";
import type { Failure, Report } from "./model.ts";
import type { Choice, Step } from "./op.ts";
import { PriorityWalk, RandomWalk } from "./random.ts";
import { parseSchedule } from "./schedule.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Subject } from "./subject.ts";
import type { Point } from "./thread.ts";

/** How often the budget of time is looked at, in executions. */
const LOOK = 64;
const PROGRESS_MS = 1000;

interface Counts {
  executions: number;
  pruned: number;
  points: number;
  longest: number;
}

/** One turn of the event loop. */
export function turn(): Promise<undefined> {
  return new Promise((done) => setTimeout(done, 0, undefined));
}

/** One check of a model. */
export class Exploration {
  readonly #subject: Subject;
  readonly #counts: Counts = { executions: 0, pruned: 0, points: 0, longest: 0 };
  readonly #start: number = Date.now();
  /**
   * Did a timeout fire because nobody else could run? When it does depends on everybody, which reduction does not
   * know: the search then begins again without it.
   */
  #late = false;
  /** Must the search begin again, since executions now know where their operations stand? */
  #again = false;
  #frontier: Frontier | undefined;

  constructor(subject: Subject) {
    this.#subject = subject;
    const { resume } = subject.options;
    if (resume === undefined) return;
    const frontier = parseFrontier(resume, subject.model.threads.length, subject.options);
    this.#frontier = frontier;
    this.#late = frontier.late;
    this.#counts.longest = frontier.longest;
    subject.promises.restore(frontier.promises);
    if (frontier.located) subject.locate();
  }

  /** Runs it to its report. */
  run(): Promise<Report> {
    const { replay, strategy = "exhaustive" } = this.#subject.options;
    if (replay !== undefined) return this.#replay(parseSchedule(replay));
    return strategy === "exhaustive" ? this.#exhaustive() : this.#byChance();
  }

  async #exhaustive(): Promise<Report> {
    const { promises } = this.#subject;
    for (;;) {
      const known = this.#frontier?.known ?? promises.size;
      const report = await this.#pass(known);
      // Values that a later write stores may be read early: once more with all values that were seen.
      if (!report.exhausted || promises.size === known) return report;
      this.#restart();
    }
  }

  #restart(): void {
    this.#again = false;
    Object.assign(this.#counts, { executions: 0, pruned: 0 });
  }

  #search(): DepthFirst {
    const { bound, fairness, stale, shard, reduction } = this.#subject.options;
    const isWhole = bound === undefined && fairness === undefined && stale !== true;
    const saved = this.#frontier?.search as SavedSearch | undefined;
    this.#frontier = undefined;
    const options = {
      reduction: !this.#late && (reduction ?? isWhole),
      bound: bound ?? Number.POSITIVE_INFINITY,
      shard,
    };
    return new DepthFirst(options, saved);
  }

  async #pass(known: number): Promise<Report> {
    const { bound, fairness, shard, maxExecutions = 1_000_000 } = this.#subject.options;
    const search = this.#search();
    const limits: string[] = shard === undefined ? [] : ["one shard"];
    if (fairness !== undefined) limits.push(`fairness ${fairness}`);
    for (let from = search.next(); from !== undefined; from = search.next()) {
      const told = this.#pause();
      if (told !== undefined) await told;
      const spent = this.#spent(maxExecutions);
      if (spent !== undefined) return this.#stopped([...limits, spent], search.save(), 0, known);
      const found = this.#one(search, from.prefix, from.point);
      const failure = found === undefined ? undefined : await found;
      if (failure !== undefined) return this.#report(limits, failure, false);
      if (this.#again || (search.reduces && this.#late)) {
        if (this.#again) this.#restart();
        return this.#pass(known);
      }
    }
    if (search.bounded) limits.push(`${bound} preemptions`);
    return this.#report(limits, undefined, true);
  }

  async #byChance(): Promise<Report> {
    const { strategy, maxExecutions = 10_000 } = this.#subject.options;
    for (let i = this.#frontier?.next ?? 0; ; i++) {
      const told = this.#pause();
      if (told !== undefined) await told;
      const spent = this.#spent(maxExecutions);
      if (spent !== undefined) return this.#stopped([`${strategy} schedules`, spent], undefined, i, 0);
      const found = this.#one(this.#walk(i), [], undefined);
      const failure = found === undefined ? undefined : await found;
      if (failure !== undefined) {
        return this.#report([`${maxExecutions} schedules by chance`], failure, false);
      }
      if (this.#again) {
        this.#again = false;
        this.#counts.executions--;
        i--;
      }
    }
  }

  #walk(execution: number): Scheduler {
    const { strategy, seed = 1, depth = 3 } = this.#subject.options;
    if (strategy !== "pct") return new RandomWalk(seed, execution);
    const length = Math.max(this.#counts.longest, 16);
    return new PriorityWalk(seed, execution, this.#subject.model.threads.length, depth, length);
  }

  /** Says why no further execution may be run, `undefined` while it may. */
  #spent(limit: number): string | undefined {
    if (this.#counts.executions >= limit) return `${limit} executions`;
    const { timeMs, signal } = this.#subject.options;
    if (signal?.aborted === true) return "an interruption";
    if (timeMs === undefined || this.#looks % LOOK !== 0) return undefined;
    return Date.now() - this.#start >= timeMs ? `${timeMs} ms` : undefined;
  }

  #looks = 0;
  #told: number = Date.now();

  /**
   * Tells the progress now and then, and lets an interruption come in. Returns a promise only if it does: an await
   * per execution would cost.
   */
  #pause(): Promise<undefined> | undefined {
    const { onProgress, signal } = this.#subject.options;
    if (this.#looks++ % LOOK !== 0 || (onProgress === undefined && signal === undefined)) return undefined;
    const now = Date.now();
    if (now - this.#told < PROGRESS_MS) return undefined;
    this.#told = now;
    const { executions, pruned, points } = this.#counts;
    onProgress?.({ executions, pruned, points, elapsedMs: now - this.#start });
    return turn();
  }

  /** One execution; a promise only if it failed or has async threads: an await per execution would cost. */
  #one(
    scheduler: Scheduler,
    prefix: readonly Step[],
    point: Point | undefined,
  ): Promise<Failure | undefined> | undefined {
    const { model } = this.#subject;
    const execution = new Execution(model, this.#subject.plainOptions, scheduler);
    const ending = drive(execution.run(prefix, point));
    if (!(ending instanceof Promise)) return this.#count(execution, prefix, ending);
    return ending.then((came) => this.#count(execution, prefix, came));
  }

  #count(
    execution: Execution,
    prefix: readonly Step[],
    ending: Ending,
  ): Promise<Failure | undefined> | undefined {
    this.#late ||= execution.steps.some((step) => step.kind === "late");
    const counts = this.#counts;
    counts.points += execution.steps.length - prefix.length;
    counts.longest = Math.max(counts.longest, execution.steps.length);
    if (ending.kind === "pruned") counts.pruned++;
    else counts.executions++;
    if (ending.kind === "complete" || ending.kind === "pruned") return undefined;
    const choices = execution.steps.map((step) => step.choice);
    return ending.kind === "race" ? this.#judge(ending, choices) : explain(this.#subject, ending, choices);
  }

  /** A race may be intended: where its accesses stand in the source says so. */
  async #judge(ending: Ending, choices: readonly Choice[]): Promise<Failure | undefined> {
    const subject = this.#subject;
    if (!subject.isLocated) {
      const { ending: told } = await followSchedule(subject, choices, true, () => false);
      if (told.kind === "race" && subject.isAllowed(told.race)) {
        subject.locate();
        this.#again = true;
        return undefined;
      }
    }
    return explain(subject, ending, choices);
  }

  async #replay(choices: readonly Choice[]): Promise<Report> {
    const told = await followSchedule(this.#subject, choices, true);
    if (told.diverged !== undefined) throw new InterleaveError("EINVAL", `replay: ${told.diverged}`);
    const points = told.steps.length;
    Object.assign(this.#counts, { executions: 1, points, longest: points });
    const failure = told.ending.kind === "complete" ? undefined : failureOf(told);
    return this.#report(["one schedule"], failure, false);
  }

  /** The report of an exploration that can go on later. */
  #stopped(limits: readonly string[], search: unknown, next: number, known: number): Report {
    const report = this.#report(limits, undefined, false);
    if (this.#subject.options.resumable !== true) return report;
    const frontier = formatFrontier({
      format: FORMAT,
      threads: this.#subject.model.threads.length,
      options: meaningOf(this.#subject.options),
      late: this.#late,
      located: this.#subject.isLocated,
      longest: this.#counts.longest,
      search,
      next,
      promises: this.#subject.promises.save(),
      known,
    });
    return { ...report, frontier };
  }

  #report(limits: readonly string[], failure: Failure | undefined, exhausted: boolean): Report {
    const coverage = this.#subject.coverage();
    const intended = this.#subject.intended();
    const warnings = exhausted ? this.#subject.warnings() : [];
    return {
      ok: failure === undefined,
      exhausted: exhausted && limits.length === 0,
      limits,
      threads: this.#subject.model.threads.length,
      ...this.#counts,
      elapsedMs: Date.now() - this.#start,
      ...(failure === undefined ? {} : { failure }),
      ...(coverage === undefined ? {} : { coverage }),
      ...(intended.length === 0 ? {} : { intended }),
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  }
}
