/*
 * Replays a case of the kernel's own test-suite, or of random calls on long-lived cursors, recorded call by
 * call: `[operation, arguments, result, state after, further results]`. See test/data/README.md.
 */
import { cursorOperation } from "./suite-cursor.ts";
import { SuiteState } from "./suite-state.ts";
import { treeOperation } from "./suite-tree.ts";
import {
  type Differences,
  differs,
  type Json,
  type Line,
  type Outcome,
  parse,
  type ReplayOptions,
} from "./trace.ts";

/** What a replay of this format counts. */
export interface SuiteCounts {
  operations: number;
  validations: number;
}

/** Replays all lines of a case. */
export function replaySuite(
  lines: readonly string[],
  differences: Differences,
  options: ReplayOptions,
): SuiteCounts {
  const state = new SuiteState(mayFail(lines), options);
  const every = options.validateEvery ?? 100;
  const counts: SuiteCounts = { operations: 0, validations: 0 };
  for (const [n, text] of lines.entries()) {
    if (text === "") continue;
    const fail = (message: string): void => differences.add(n + 1, text, message);
    counts.operations++;
    try {
      const line = parse(text);
      replayLine(state, line, fail);
      const validates = Array.isArray(line) && line[0] === "mt_validate";
      if (!validates && counts.operations % every !== 0) continue;
      counts.validations++;
      for (const violation of state.validate()) fail(violation);
    } catch (error) {
      fail(`threw ${String(error)}`);
    }
  }
  return counts;
}

function replayLine(state: SuiteState, line: Json | undefined, fail: (message: string) => void): void {
  if (!Array.isArray(line)) return fail("not a JSON array");
  const outcome = run(state, line);
  if (outcome === undefined) return;
  const message = differs(outcome, line.slice(2, 2 + outcome.length));
  if (message !== undefined) fail(message);
}

/** Allocation failures are acted out only where one was recorded: elsewhere they left no trace. */
function mayFail(lines: readonly string[]): boolean {
  return lines.some((text) => /,-12[,\]]/.test(text));
}

function run(state: SuiteState, line: Line): Outcome {
  const [operation, args] = line;
  if (!Array.isArray(args)) throw new Error("the line lacks arguments");
  switch (operation) {
    case "case":
    case "end":
    case "fn":
      return undefined;
    case "mt_set_non_kernel":
      state.budget = Number(args[0]);
      return undefined;
    case "gfp":
      state.nowait = args[0] === "nowait";
      return undefined;
  }
  const cursors = /^(mas_|__mas_|MA_STATE$|poke$|seek$)/.test(String(operation));
  const outcome = cursors ? cursorOperation(state, line, args) : treeOperation(state, line, args);
  state.nowait = false;
  return outcome;
}
