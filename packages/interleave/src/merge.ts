/*
 * Reports of shards as one.
 */
import { InterleaveError } from "./errors.ts";
import type { AllowedRace, Coverage, Report } from "./model.ts";

/**
 * Merges the reports of all shards of one exploration.
 *
 * @param reports - one per shard, in any order
 * @returns their sum; `exhausted` if all shards are there and none was limited otherwise
 * @throws InterleaveError `EINVAL` if there is none, or they are of different models
 */
export function mergeReports(reports: readonly Report[], count: number = reports.length): Report {
  const first = reports[0];
  if (first === undefined) throw new InterleaveError("EINVAL", "mergeReports: no report");
  if (reports.some((report) => report.threads !== first.threads)) {
    throw new InterleaveError("EINVAL", "mergeReports: the reports are of different models");
  }
  const sum = (of: (report: Report) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const limits = [
    ...new Set(reports.flatMap((report) => report.limits).filter((limit) => limit !== "one shard")),
  ];
  const failure = reports.find((report) => report.failure !== undefined)?.failure;
  const isWhole = reports.length === count;
  return {
    ok: failure === undefined,
    exhausted: failure === undefined && isWhole && limits.length === 0,
    limits: isWhole ? limits : [...limits, `${reports.length} of ${count} shards`],
    threads: first.threads,
    executions: sum((report) => report.executions),
    pruned: sum((report) => report.pruned),
    points: sum((report) => report.points),
    longest: Math.max(...reports.map((report) => report.longest)),
    elapsedMs: sum((report) => report.elapsedMs),
    ...(failure === undefined ? {} : { failure }),
    ...notesOf(reports),
  };
}

/** What was reached by none of them, and the races that were seen by any. Warnings are of one shard alone. */
function notesOf(reports: readonly Report[]): Partial<Report> {
  const coverage = coverageOf(reports.map((report) => report.coverage));
  const byPlace = new Map<string, AllowedRace>();
  for (const race of reports.flatMap((report) => report.intended ?? [])) byPlace.set(race.at, race);
  return {
    ...(coverage === undefined ? {} : { coverage }),
    ...(byPlace.size === 0 ? {} : { intended: [...byPlace.values()] }),
  };
}

function coverageOf(parts: readonly (Coverage | undefined)[]): Coverage | undefined {
  const [first, ...others] = parts;
  if (first === undefined || others.some((part) => part === undefined)) return undefined;
  const missed = first.missed.filter((place) =>
    others.every((part) =>
      part!.missed.some(({ at, operation }) => at === place.at && operation === place.operation),
    ),
  );
  return { reached: first.reached + first.missed.length - missed.length, missed };
}
