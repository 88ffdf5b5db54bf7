/*
 * What a check is about: the model, the options, and all that one execution learns for the next: values that
 * may be promised, places in the source, and which races are intended.
 */

import { coverageOf } from "./coverage.ts";
import type { ExecutionOptions } from "./execution-options.ts";
import type { AllowedRace, CheckOptions, Coverage, Model } from "./model.ts";
import { isAtomic } from "./op.ts";
import { Promises } from "./promises.ts";
import type { Race } from "./races.ts";
import { Sites } from "./sites.ts";
import { Sources } from "./sources.ts";
import { placeOf, userStack } from "./trace.ts";

/** A model under check. */
export class Subject {
  readonly model: Model;
  readonly options: CheckOptions;
  /** Values that plain accesses wrote anywhere; only in stale mode. */
  readonly promises: Promises = new Promises();
  readonly #endless: Set<string> = new Set();
  readonly #sources: Sources = new Sources();
  #sites: Sites | undefined;
  /** Answers about races by the stacks of both accesses. */
  readonly #allowed: Map<string, boolean> = new Map();
  readonly #used: Set<AllowedRace> = new Set();

  constructor(model: Model, options: CheckOptions, url: URL | string | undefined) {
    this.model = model;
    this.options = options;
    if (url !== undefined) this.#sources.addModule(url);
    if (options.coverage === true || this.#rules.length > 0) this.locate();
  }

  get #rules(): readonly AllowedRace[] {
    return this.model.races ?? [];
  }

  /** Do executions know where their operations stand? */
  get isLocated(): boolean {
    return this.#sites !== undefined;
  }

  /** From now on they do. */
  locate(): void {
    this.#sites ??= new Sites(this.model.threads.length);
    this.#plain = undefined;
  }

  #plain: ExecutionOptions | undefined;

  /** Options of the executions that explore. */
  get plainOptions(): ExecutionOptions {
    this.#plain ??= this.executionOptions(false);
    return this.#plain;
  }

  /** Options of an execution; a traced one takes the stack of every operation, even when it is replayed. */
  executionOptions(traced: boolean, isAllowed?: (race: Race) => boolean): ExecutionOptions {
    const { maxSteps = 20_000, spinLimit = 200, freeReads = 2, timeouts = 1, kills = 0 } = this.options;
    const { killable, fairness, starvation, stale = false } = this.options;
    return {
      maxSteps,
      spinLimit,
      freeReads,
      timeouts,
      kills,
      killable,
      fairness,
      starvation,
      races: (this.options.races ?? true) && !stale,
      stale,
      promises: this.promises,
      endless: this.#endless,
      sites: this.#sites,
      traced,
      isAllowed: isAllowed ?? ((race) => this.isAllowed(race)),
    };
  }

  /** Is the race intended? Its accesses have stacks, or nothing is known of them. */
  isAllowed({ first, second }: Race): boolean {
    if (first.op.stack === undefined || second.op.stack === undefined) return false;
    const key = `${first.op.stack}\n${second.op.stack}`;
    const known = this.#allowed.get(key);
    if (known !== undefined) return known;
    const allowed = this.#byRule([first.op.stack, second.op.stack]) || this.#byComment({ first, second });
    this.#allowed.set(key, allowed);
    return allowed;
  }

  #byRule(stacks: readonly string[]): boolean {
    const lines = stacks.flatMap(userStack);
    const rule = this.#rules.find(({ at }) => lines.some((line) => line.includes(at)));
    if (rule !== undefined) this.#used.add(rule);
    return rule !== undefined;
  }

  /** Every plain access of the two must say so. */
  #byComment({ first, second }: Race): boolean {
    const plain = [first.op, second.op].filter((op) => !isAtomic(op));
    return plain.map(({ stack }) => this.#sources.isIntended(placeOf(stack))).every(Boolean);
  }

  /** Races that were seen and are intended. */
  intended(): AllowedRace[] {
    return [...this.#used, ...this.#sources.intended()];
  }

  /** Rules and annotations that did not matter, or cannot be read. */
  warnings(): string[] {
    const ops = this.#sites?.ops ?? [];
    this.#sources.addOps(ops);
    const unused = this.#rules.filter((rule) => !this.#used.has(rule));
    return [
      ...unused.map(({ at, reason }) => `races: no race was seen at ${at} (${reason})`),
      ...this.#sources.complaints(),
    ];
  }

  /** What of the source was reached; only if that was asked for. */
  coverage(): Coverage | undefined {
    if (this.options.coverage !== true || this.#sites === undefined) return undefined;
    this.#sources.addOps(this.#sites.ops);
    return coverageOf(this.#sources, this.#sites.ops);
  }
}
