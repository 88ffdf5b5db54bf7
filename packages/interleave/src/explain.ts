/*
 * A failing execution, run again from its start: it must fail alike; then with fewer switches, and with stacks.
 */
import type { Ending } from "./ending.ts";
import { Execution } from "./execution.ts";
import { drive } from "./microtasks.ts";
import { minimise } from "./minimise.ts";
import type { Failure, FailureKind } from "./model.ts";
import type { Choice, Step } from "./op.ts";
import type { Race } from "./races.ts";
import { formatSchedule, Replay } from "./schedule.ts";
import type { Subject } from "./subject.ts";
import { rowsOf, userStack } from "./trace.ts";

/** An execution by a schedule. */
export interface Followed {
  readonly ending: Ending;
  readonly choices: readonly Choice[];
  readonly steps: readonly Step[];
  /** Why the schedule could not be followed. */
  readonly diverged?: string;
}

/** Runs a schedule, with the stack of every operation if `traced`. */
export async function followSchedule(
  subject: Subject,
  choices: readonly Choice[],
  traced: boolean,
  isAllowed?: (race: Race) => boolean,
): Promise<Followed> {
  const scheduler = new Replay(choices);
  const execution = new Execution(subject.model, subject.executionOptions(traced, isAllowed), scheduler);
  const ending = await drive(execution.run([], undefined));
  if (scheduler.diverged !== undefined) {
    const { diverged } = scheduler;
    return { ending: { kind: "nondeterministic", message: diverged }, choices: [], steps: [], diverged };
  }
  return { ending, choices: execution.steps.map((step) => step.choice), steps: execution.steps };
}

/** The failure of an execution that ended so after these choices. */
export async function explain(
  subject: Subject,
  ending: Ending,
  choices: readonly Choice[],
): Promise<Failure> {
  if (ending.kind === "nondeterministic") return failureOf({ ending, choices, steps: [] });
  const again = await followSchedule(subject, choices, false);
  if (again.ending.kind !== ending.kind) {
    const message =
      `the same schedule ended in ${ending.kind} at first, then in ${again.ending.kind}: ` +
      "the model depends on more than the memory that setup() makes";
    return failureOf({ ending: { kind: "nondeterministic", message }, choices, steps: [] });
  }
  const short = await minimise(choices, async (candidate) => {
    const tried = await followSchedule(subject, candidate, false);
    return tried.ending.kind === ending.kind ? tried.choices : undefined;
  });
  return failureOf(await followSchedule(subject, short, true));
}

/** Says what came of an execution that did not end well. */
export function failureOf({ ending, choices, steps }: Followed): Failure {
  return {
    kind: ending.kind as FailureKind,
    message: messageOf(ending),
    schedule: formatSchedule(choices),
    preemptions: switches(choices),
    rows: rowsOf(steps),
    stacks: stacksOf(ending),
  };
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
