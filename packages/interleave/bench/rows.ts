/*
 * What was measured, and how good is good enough.
 */

/** One line of the report. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: "executions" | "executions/s" | "s" | "steps/s" | "switches/s" | "x";
  /** The least, or with seconds the most, that meets the goal; `null` means shown for comparison only. */
  readonly goal: number | null;
}

/** Steps per second on one core for models of two threads. */
export const STEPS_GOAL: number = 200_000;
/** Seconds for the classic four incrementers, every order. */
export const SECONDS_GOAL: number = 2;
/** How many times fewer executions reduction needs for them. */
export const REDUCTION_GOAL: number = 10;

function textOf(value: number, unit: Row["unit"]): string {
  if (unit === "s") return `${value.toFixed(2)} s`;
  if (unit === "x") return `${value.toFixed(1)} x`;
  return `${Math.round(value).toLocaleString("en")}${unit === "executions" ? "" : ` ${unit}`}`;
}

function goalOf({ goal, unit }: Row): string {
  return goal === null ? "" : `${unit === "s" ? "<" : ">="} ${textOf(goal, unit)}`;
}

function verdict({ value, goal, unit }: Row): string {
  if (goal === null) return "";
  return (unit === "s" ? value < goal : value >= goal) ? "met" : "missed";
}

/** The rows as a Markdown table. */
export function tableOf(rows: readonly Row[]): string {
  const head = ["model", "measured", "goal", ""];
  const table = [
    head,
    ...rows.map((row) => [row.name, textOf(row.value, row.unit), goalOf(row), verdict(row)]),
  ];
  const widths = head.map((_, column) => Math.max(3, ...table.map((line) => line[column]!.length)));
  const lines = table.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`);
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}
