import type { RunResult } from "../run.ts";
import { formatRate, formatShare, formatTime } from "./format.ts";

/** Paints a piece of text; the identity where there are no colours. */
export type Paint = (text: string) => string;

/** Rows of cells, header underlined. Columns in which every cell begins with a digit are right-aligned. */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  paintHeader: Paint = (text) => text,
): string {
  const widths = header.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const numeric = header.map((_, column) => rows.every((row) => /^\d/.test(row[column] ?? "")));
  const format = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        !numeric[column] ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [paintHeader(format(header)), rule, ...rows.map(format)].join("\n");
}

/** One row per run: throughput, latency of faults, where the time of the threads went. */
export function resultsTable(results: readonly RunResult[], paintHeader?: Paint): string {
  const header = [
    "design",
    "threads",
    "faults/s",
    "p50",
    "p99",
    "max",
    "work",
    "lines",
    "spin",
    "sleep",
    "zero",
    "other",
    "aborts",
  ];
  return textTable(header, results.map(resultRow), paintHeader);
}

function resultRow(result: RunResult): string[] {
  const { breakdown: time, latencies, counters } = result;
  const total = Object.values(time).reduce((sum, value) => sum + value, 0);
  const fault = latencies["fault"];
  const other = time.shootdown + time.interrupt + time.idle;
  return [
    result.design,
    String(result.threads),
    formatRate(result.faultsPerSecond),
    formatTime(fault?.p50 ?? 0),
    formatTime(fault?.p99 ?? 0),
    formatTime(fault?.max ?? 0),
    formatShare(time.work, total),
    formatShare(time.line, total),
    formatShare(time.spin, total),
    formatShare(time.sleep + time.wakeup, total),
    formatShare(time.zero, total),
    formatShare(other, total),
    String(counters.abort),
  ];
}

/** Waiting per class of locks, for the largest number of threads of each design. */
export function locksTable(results: readonly RunResult[], paintHeader?: Paint): string {
  const largest = new Map<string, RunResult>();
  for (const result of results) {
    if (result.threads >= (largest.get(result.design)?.threads ?? 0)) largest.set(result.design, result);
  }
  const rows = [...largest.values()].flatMap((result) => {
    const total = Object.values(result.breakdown).reduce((sum, value) => sum + value, 0);
    return result.locks.map((lock) => [
      result.design,
      String(result.threads),
      lock.name,
      String(lock.acquisitions),
      String(lock.contended + lock.failed),
      formatTime(lock.waiting),
      formatShare(lock.waiting, total),
    ]);
  });
  return textTable(
    ["design", "threads", "lock", "taken", "contended", "time in it", "of all time"],
    rows,
    paintHeader,
  );
}
