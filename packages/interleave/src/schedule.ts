/*
 * Schedules as text, such as `0*3,1,0t`: thread 0 makes three steps, thread 1 one, then the wait of thread 0
 * times out. `k` is a death, `vN` a plain read that
 * returns the N-th value the word has had, `pX` one that returns X, which is written later.
 */
import { InterleaveError } from "./errors.ts";
import type { Execution } from "./execution.ts";
import type { Action, Choice, Step } from "./op.ts";
import type { Scheduler } from "./scheduler.ts";

function suffix(action: Action): string {
  if (action === "run") return "";
  if (action === "timeout") return "t";
  if (action === "kill") return "k";
  return typeof action === "number" ? `v${action}` : `p${action.slice(8)}`;
}

/** The schedule of these steps. */
export function formatSchedule(choices: readonly Choice[]): string {
  const parts: { text: string; count: number }[] = [];
  for (const { thread, action } of choices) {
    const text = `${thread}${suffix(action)}`;
    const last = parts[parts.length - 1];
    if (last?.text === text) last.count++;
    else parts.push({ text, count: 1 });
  }
  return parts.map(({ text, count }) => (count === 1 ? text : `${text}*${count}`)).join(",");
}

/**
 * Reads a schedule.
 *
 * @throws InterleaveError `EINVAL` if it is none
 */
export function parseSchedule(text: string): Choice[] {
  const choices: Choice[] = [];
  for (const part of text.split(",").filter((piece) => piece !== "")) {
    const match = /^(\d+)(t|k|v\d+|p[-+.\w]+)?(?:\*(\d+))?$/.exec(part.trim());
    if (match === null) throw new InterleaveError("EINVAL", `replay: "${part}" is no step of a schedule`);
    const [, thread, letter, count] = match;
    const action = actionOf(letter);
    for (let i = 0; i < Number(count ?? 1); i++) choices.push({ thread: Number(thread), action });
  }
  return choices;
}

function actionOf(letter: string | undefined): Action {
  if (letter === undefined) return "run";
  if (letter === "t") return "timeout";
  if (letter === "k") return "kill";
  return letter.startsWith("v") ? Number(letter.slice(1)) : `promise ${letter.slice(1)}`;
}

/** Follows a schedule; behind its end the running thread goes on, then the lowest one. */
export class Replay implements Scheduler {
  readonly #choices: readonly Choice[];
  /** Set when the schedule asks for what cannot happen. */
  diverged: string | undefined;

  constructor(choices: readonly Choice[]) {
    this.#choices = choices;
  }

  choose(execution: Execution): Choice | undefined {
    const at = execution.steps.length;
    const able = execution.able;
    const wanted = this.#choices[at];
    if (wanted === undefined) return continueOn(execution, able);
    const found = able[wanted.thread]?.find((choice) => choice.action === wanted.action);
    if (found === undefined) this.diverged ??= `step ${at}: thread ${wanted.thread} cannot do that`;
    return found;
  }

  forced(): void {}
  stepped(): void {}
  spun(): void {}
}

/** What happens without a preemption: the running thread goes on if it can, else the lowest that can. */
export function continueOn(execution: Execution, able: readonly (readonly Choice[])[]): Choice | undefined {
  const last: Step | undefined = execution.steps[execution.steps.length - 1];
  const order = last === undefined ? able : [able[last.choice.thread]!, ...able];
  for (const list of order) {
    const choice = list.find(({ action }) => action !== "kill");
    if (choice !== undefined) return choice;
  }
  return undefined;
}
