/*
 * Checks of what the user gives, and the loading of a model's module.
 */
import { InterleaveError } from "./errors.ts";
import type { CheckOptions, Model } from "./model.ts";

const LOWEST: Readonly<Record<string, number>> = {
  bound: 0,
  seed: 0,
  depth: 0,
  maxExecutions: 1,
  timeMs: 1,
  maxSteps: 1,
  spinLimit: 1,
  freeReads: 0,
  timeouts: 0,
  kills: 0,
  fairness: 1,
  starvation: 0,
};

/** @throws InterleaveError `EINVAL` for an option out of range */
export function checkOptions(options: CheckOptions): void {
  for (const [name, lowest] of Object.entries(LOWEST)) {
    const value = (options as Record<string, unknown>)[name];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || (value as number) < lowest) {
      throw new InterleaveError("EINVAL", `check: ${name} must be an integer >= ${lowest}, got ${value}`);
    }
  }
  const { shard, strategy = "exhaustive" } = options;
  if (!["exhaustive", "random", "pct"].includes(strategy)) {
    throw new InterleaveError("EINVAL", `check: strategy must be exhaustive, random or pct, got ${strategy}`);
  }
  if (shard !== undefined && !(shard.index >= 1 && shard.index <= shard.count)) {
    throw new InterleaveError(
      "EINVAL",
      `check: shard must be 1..count of count, got ${shard.index}/${shard.count}`,
    );
  }
  if (options.fairness !== undefined && options.reduction === true) {
    throw new InterleaveError("EINVAL", "check: bounded fairness makes reduction miss executions; give one");
  }
  if (options.resume !== undefined && options.replay !== undefined) {
    throw new InterleaveError("EINVAL", "check: a replay is one execution; resume or replay");
  }
  if (options.bound !== undefined && options.reduction === true) {
    throw new InterleaveError(
      "EINVAL",
      "check: a bound on preemptions makes reduction miss executions; give one",
    );
  }
  if (options.stale === true && options.reduction === true) {
    throw new InterleaveError("EINVAL", "check: stale values and reduction do not go together; give one");
  }
}

let loads = 0;

/** @throws InterleaveError `ENOENT` if there is no such file, `EINVAL` if it exports no model */
export async function loadModel(given: Model | URL | string, exportName?: string): Promise<Model> {
  if (typeof given === "object" && !(given instanceof URL)) return checkModel(given, "the model");
  const url = new URL(given);
  // A module that was imported before may have kept the real globals: load it anew.
  url.searchParams.set("interleave", String(++loads));
  const name = String(given);
  let module: Record<string, unknown>;
  try {
    module = (await import(/* @vite-ignore */ url.href)) as Record<string, unknown>;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ERR_MODULE_NOT_FOUND" || code === "ENOENT") {
      throw new InterleaveError("ENOENT", `check: cannot load ${name}: ${(error as Error).message}`);
    }
    throw error;
  }
  if (exportName !== undefined) {
    const chosen = module[exportName];
    if (typeof chosen === "object" && chosen !== null)
      return checkModel(chosen as Model, `${exportName} of ${name}`);
    throw new InterleaveError("EINVAL", `check: ${name} exports no model ${exportName}`);
  }
  const exported =
    module["default"] !== undefined && module["setup"] === undefined ? module["default"] : module;
  return checkModel(exported as Model, name);
}

function checkModel(model: Model, name: string): Model {
  const { setup, threads, after, races = [] } = model;
  if (typeof setup !== "function")
    throw new InterleaveError("EINVAL", `check: ${name} has no function setup`);
  if (
    !Array.isArray(threads) ||
    threads.length === 0 ||
    threads.some((thread) => typeof thread !== "function")
  ) {
    throw new InterleaveError("EINVAL", `check: threads of ${name} must be an array of functions, not empty`);
  }
  if (after !== undefined && typeof after !== "function") {
    throw new InterleaveError("EINVAL", `check: after of ${name} must be a function`);
  }
  if (races.some(({ at, reason }) => !at || !reason)) {
    throw new InterleaveError("EINVAL", `check: each race that ${name} allows needs a place and a reason`);
  }
  return model;
}
