/*
 * Replays a case of the kernel's own test-suite, or of random calls on long-lived cursors, recorded call by
 * call: `[operation, arguments, result, state after, further results]`. See test/data/README.md.
 */
import { cursorOperation } from "./suite-cursor.ts";
import { SuiteState } from "./suite-state.ts";
import { treeOperation } from "./suite-tree.ts";
import { differs, type Differences, type Json, type Line, parse, type ReplayOptions } from "./trace.ts";

/** What a replay of this format counts. */
export interface SuiteCounts {
  operations: number;
  validations: number;
}

/** Result, state after and further results of one call, as far as the line records them. */
export type Outcome = Json[] | undefined;

/** Replays all lines of a case. */
export function replaySuite(
  lines: readonly string[],
  differences: Differences,
  options: ReplayOptions,
): SuiteCounts {
  const state = new SuiteState(mayFail(lines), options);
  const every = options.validateEvery ?? 100;
  const counts: SuiteCounts = { operations: 0, validations: 0 };
  lines.forEach((text, n) => {
    if (text === "") return;
    const fail = (message: string): void => differences.add(n + 1, text, message);
    const line = parse(text);
    if (!Array.isArray(line)) return fail("not a JSON array");
    counts.operations++;
    try {
      const message = compare(line, run(state, line));
      if (message !== undefined) fail(message);
      if (line[0] !== "mt_validate" && counts.operations % every !== 0) return;
      counts.validations++;
      for (const violation of state.validate()) fail(violation);
    } catch (error) {
      fail(`threw ${String(error)}`);
    }
  });
  return counts;
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

function compare(line: Line, outcome: Outcome): string | undefined {
  return outcome === undefined ? undefined : differs(outcome, line.slice(2, 2 + outcome.length));
}
