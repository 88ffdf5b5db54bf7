/*
 * Death at a given instruction, in one thread: the shared words change by Atomics operations only, so a thread
 * that is terminated leaves behind what its first n operations did. Here the n-th and all later ones throw,
 * which also makes any `finally` of the victim harmless: it cannot touch the words any more.
 *
 * A victim that would sleep dies in its sleep; only a wait with no time left returns.
 */

import { canBlock } from "../../src/words.ts";

canBlock(); // which tries Atomics.wait, the first time

/** Thrown out of the victim. */
export class Death extends Error {}

const OPERATIONS = [
  "add",
  "and",
  "compareExchange",
  "exchange",
  "load",
  "notify",
  "or",
  "store",
  "sub",
  "wait",
] as const;

type Operation = (...args: unknown[]) => unknown;

/** How a victim ended. */
export type End = "alive" | "killed" | "asleep";

/** Runs `victim`, which dies instead of its Atomics operation number `survived`, counted from 0. */
export function dieAfter(survived: number, victim: () => unknown): End {
  const atomics = Atomics as unknown as Record<string, Operation>;
  const originals = OPERATIONS.map((name) => [name, atomics[name]] as const);
  let done = 0;
  let end: End = "alive";
  for (const [name, original] of originals) {
    atomics[name] = (...args) => {
      if (end === "alive" && name === "wait" && !(Number(args[3]) <= 0)) end = "asleep";
      if (end === "alive" && done++ >= survived) end = "killed";
      if (end !== "alive") throw new Death(name);
      return original(...args);
    };
  }
  try {
    victim();
    return end;
  } catch (error) {
    if (error instanceof Death) return end;
    throw error;
  } finally {
    for (const [name, original] of originals) atomics[name] = original;
  }
}
