/*
 * Where an exploration stopped, as text: what it takes to go on there later, or elsewhere. JSON, in which what
 * JSON has no word for is an object with one key that begins with `$`.
 */
import { InterleaveError } from "./errors.ts";
import type { CheckOptions } from "./model.ts";

/** An exploration that was stopped. */
export interface Frontier {
  readonly format: typeof FORMAT;
  readonly threads: number;
  /** Options that say what is explored. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Had the search begun again without reduction? */
  readonly late: boolean;
  /** Must executions know where their operations stand? */
  readonly located: boolean;
  readonly longest: number;
  /** The search of an exhaustive exploration. */
  readonly search: unknown;
  /** Number of the next execution of one by chance. */
  readonly next: number;
  /** Values that may be promised, and how many there were when the pass began. */
  readonly promises: unknown;
  readonly known: number;
}

/** Name and version of the format. */
export const FORMAT = "interleave frontier 1";

/** Options that must be the same when an exploration is resumed; others say how far it goes, and who is told. */
const MEANING: readonly (keyof CheckOptions)[] = [
  ...(["bound", "strategy", "seed", "depth", "reduction", "maxSteps", "spinLimit", "freeReads"] as const),
  ...(["timeouts", "kills", "killable", "races", "fairness", "starvation", "stale", "shard"] as const),
];

/** Those of the options that say what is explored. */
export function meaningOf(options: CheckOptions): Record<string, unknown> {
  return Object.fromEntries(
    MEANING.map((name) => [name, options[name]]).filter(([, value]) => value !== undefined),
  );
}

/** A frontier as text. */
export function formatFrontier(frontier: Frontier): string {
  return JSON.stringify(frontier, (_key, value: unknown) => {
    if (typeof value === "bigint") return { $bigint: String(value) };
    if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
      return { $number: Object.is(value, -0) ? "-0" : String(value) };
    }
    if (value === undefined) return { $undefined: true };
    if (value instanceof Map) return { $map: [...value] };
    if (value instanceof Set) return { $set: [...value] };
    return value;
  });
}

/**
 * Reads a frontier.
 *
 * @throws InterleaveError `EINVAL` if it is none, or one of another model or of other options
 */
export function parseFrontier(text: string, threads: number, options: CheckOptions): Frontier {
  let frontier: Frontier;
  try {
    frontier = JSON.parse(text, revive) as Frontier;
  } catch {
    throw new InterleaveError("EINVAL", "resume: not a saved exploration");
  }
  if (frontier?.format !== FORMAT) {
    throw new InterleaveError("EINVAL", `resume: not a saved exploration of the format "${FORMAT}"`);
  }
  if (frontier.threads !== threads) {
    const message = `resume: saved with ${frontier.threads} threads, the model has ${threads}`;
    throw new InterleaveError("EINVAL", message);
  }
  const now = meaningOf(options);
  for (const name of MEANING) {
    const [before, given] = [frontier.options[name], now[name]].map((value) => JSON.stringify(value));
    if (before === given) continue;
    throw new InterleaveError("EINVAL", `resume: saved with ${name} ${before}, now it is ${given}`);
  }
  return frontier;
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("$undefined" in value) return undefined;
  if ("$bigint" in value) return BigInt(value.$bigint as string);
  if ("$number" in value) return Number(value.$number);
  if ("$map" in value) return new Map(value.$map as [unknown, unknown][]);
  if ("$set" in value) return new Set(value.$set as unknown[]);
  return value;
}
