/*
 * A report as text: what was run, and the failing schedule with time downwards and a column per thread.
 */
import type { Coverage, Failure, Report, Row } from "./model.ts";

/** How text is emphasised; identity without colours. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
}

/** No colours. */
export const PLAIN: Paint = {
  bold: (text) => text,
  dim: (text) => text,
  red: (text) => text,
  green: (text) => text,
};

/** Longest runs of equal rows are shown once, with their number. */
interface Line {
  readonly row: Row;
  readonly first: number;
  readonly count: number;
}

function linesOf(rows: readonly Row[]): Line[] {
  const lines: Line[] = [];
  rows.forEach((row, i) => {
    const last = lines[lines.length - 1];
    const isAgain =
      last !== undefined &&
      last.row.thread === row.thread &&
      last.row.operation === row.operation &&
      last.row.outcome === row.outcome &&
      last.row.at === row.at;
    if (isAgain) lines[lines.length - 1] = { ...last, count: last.count + 1 };
    else lines.push({ row, first: i, count: 1 });
  });
  return lines;
}

function cellOf({ row, count }: Line): string {
  const outcome = row.outcome === "" ? "" : ` = ${row.outcome}`;
  return `${row.operation}${outcome}${count > 1 ? ` (${count} times)` : ""}`;
}

/** The schedule of a failure: a row per step, a column per thread, the source line at the right. */
export function scheduleTable(rows: readonly Row[], threads: number, paint: Paint = PLAIN): string {
  const lines = linesOf(rows);
  const widths = Array.from({ length: threads }, (_, i) =>
    Math.max(
      `thread ${i}`.length,
      ...lines.filter((line) => line.row.thread === i).map((line) => cellOf(line).length),
    ),
  );
  const digits = Math.max(4, String(rows.length).length);
  const heads = widths.map((width, i) => `thread ${i}`.padEnd(width));
  const out = [paint.bold(`${"step".padStart(digits)}  ${heads.join("  ")}  source`.trimEnd())];
  for (const line of lines) {
    const cells = widths.map((width, i) => (i === line.row.thread ? cellOf(line) : "").padEnd(width));
    out.push(
      `${String(line.first + 1).padStart(digits)}  ${cells.join("  ")}  ${paint.dim(line.row.at)}`.trimEnd(),
    );
  }
  return out.join("\n");
}

/** A failure: what, the schedule, the stacks. */
export function failureText(failure: Failure, threads: number, paint: Paint = PLAIN): string {
  const parts = [paint.red(`${failure.kind}: ${failure.message}`)];
  if (failure.rows.length > 0) parts.push(scheduleTable(failure.rows, threads, paint));
  const titles = failure.kind === "race" ? ["first access", "second access"] : ["thrown"];
  failure.stacks.forEach((stack, i) => {
    if (stack !== "") parts.push(`${titles[i] ?? "stack"}\n${stack.replace(/^/gm, "    ")}`);
  });
  return parts.join("\n\n");
}

/** One line on how much was run and what that means. */
export function summaryText(report: Report): string {
  const { executions, pruned, points, elapsedMs, limits } = report;
  const ran = `${executions} executions, ${pruned} pruned, ${points} steps, ${elapsedMs} ms`;
  if (!report.ok) return `violated after ${ran}`;
  if (report.exhausted) return `holds in every interleaving: ${ran}`;
  return `nothing found within ${limits.join(", ")}: ${ran}`;
}

/**
 * A report as text.
 *
 * @param command - how the user runs a schedule again, such as `interleave run spinlock.model.ts`
 */
export function reportText(report: Report, command?: string, paint: Paint = PLAIN): string {
  const { failure } = report;
  const summary = report.ok ? paint.green(summaryText(report)) : paint.red(summaryText(report));
  const notes = notesOf(report).map((line) => `${paint.dim(line)}\n`);
  if (failure === undefined) return `${summary}\n${notes.join("")}`;
  const again =
    command === undefined
      ? `replay: "${failure.schedule}"`
      : `replay: ${command} --replay "${failure.schedule}"`;
  return `${summary}\n\n${failureText(failure, report.threads, paint)}\n\n${again}\n${notes.join("")}`;
}

/** Most operations that are listed as never reached. */
const LISTED = 20;

/** What of the source was reached, which races are intended, and which annotations do not matter. */
function notesOf({ coverage, intended = [], warnings = [] }: Report): string[] {
  return [
    ...(coverage === undefined ? [] : coverageLines(coverage)),
    ...intended.map(({ at, reason }) => `intended race at ${at}: ${reason}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
}

function coverageLines({ reached, missed }: Coverage): string[] {
  const lines = missed.slice(0, LISTED).map(({ at, operation }) => `never reached: ${at} ${operation}`);
  if (missed.length > LISTED) lines.push(`never reached: ${missed.length - LISTED} more`);
  return [`reached ${reached} of ${reached + missed.length} shared operations in the source`, ...lines];
}
