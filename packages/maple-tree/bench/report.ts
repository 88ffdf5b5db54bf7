/* The figures as Markdown. */

import { C_LIBRARY } from "./c-tree.ts";
import type { Figure } from "./contest.ts";
import { Figures, type Verdict, verdicts } from "./goals.ts";
import { notes } from "./notes.ts";
import { READERS } from "./readers.ts";
import { MEMORY, WORKLOADS } from "./workloads.ts";

const digits = (value: number): string => (value < 100 ? value.toFixed(1) : Math.round(value).toString());

/** Lines of cells as a Markdown table whose columns line up. */
export function table(lines: readonly (readonly string[])[], textColumns = 1): string {
  const widths = lines[0].map((_, column) => Math.max(4, ...lines.map((line) => line[column].length)));
  const text = lines.map(
    (line) =>
      `| ${line.map((cell, i) => (i < textColumns ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |`,
  );
  const rule = widths.map((width, i) => (i < textColumns ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  text.splice(1, 0, `| ${rule.join(" | ")} |`);
  return text.join("\n");
}

const nameOf = ({ entrant: { library, mode, role } }: Figure): string =>
  role === "ours" || library === C_LIBRARY ? `${library}, ${mode}` : library;

/** Which of a figure's two times. */
type Time = "nsPerOp" | "medianNsPerOp";

/** The times at `n` ranges: a line for each contestant, then how many times as fast as the best peer ours are. */
export function timesTable(all: readonly Figure[], n: number, time: Time): string {
  const here = all.filter((f) => f.n === n && (WORKLOADS as readonly string[]).includes(f.workload));
  const figures = new Figures(here);
  const columns = WORKLOADS.filter((workload) => here.some((f) => f.workload === workload));
  const lines = [...new Set(here.map(nameOf))].map((name) => [
    name,
    ...columns.map((workload) => {
      const figure = here.find((f) => f.workload === workload && nameOf(f) === name);
      return figure === undefined ? "" : digits(figure[time]);
    }),
  ]);
  const ratios = (mode: "local" | "shared"): string[] =>
    columns.map((workload) => {
      const best = figures.bestPeer(workload, n);
      const ours = figures.ours(workload, n, mode);
      return best === undefined || ours === undefined ? "" : `${(best[time] / ours[time]).toFixed(2)} x`;
    });
  const against = [
    ["best of npm / local", ...ratios("local")],
    ["best of npm / shared", ...ratios("shared")],
  ];
  return table([["ns per operation", ...columns], ...lines, ...(time === "nsPerOp" ? against : [])]);
}

/** W8: bytes per range on V8's heap, array buffers included, and resident. */
export function memoryTable(all: readonly Figure[]): string {
  const lines = all
    .filter((figure) => figure.workload === MEMORY)
    .map((f) => {
      const onHeap = f.entrant.mode === "local" || f.entrant.library === C_LIBRARY;
      const heap = onHeap ? digits(f.bytesPerRange ?? 0) : "";
      const resident = f.residentBytesPerRange;
      return [nameOf(f), String(f.n), heap, resident === undefined ? "" : digits(resident)];
    });
  return table([["W8, bytes per range", "ranges", "heap and buffers", "resident"], ...lines]);
}

/** Look-ups of one shared tree by several workers. */
function readersTable(all: readonly Figure[]): string {
  const lines = all
    .filter(({ workload }) => workload.startsWith(READERS))
    .map((f) => [f.workload, String(f.n), digits(f.nsPerOp), digits(f.medianNsPerOp)]);
  return table([["look-ups in workers", "ranges", "ns per look-up", "median"], ...lines]);
}

/** What was aimed at and what was reached. */
export function goalsTable(list: readonly Verdict[]): string {
  const lines = list.map((v) => [
    v.workload,
    v.mode,
    v.beside,
    String(v.n),
    v.goal,
    v.measured,
    v.met ? "met" : "missed",
  ]);
  return table([["workload", "mode", "beside", "ranges", "goal", "measured", ""], ...lines], 3);
}

const WHY = `A loop over the tree's words is our tree without its calls: no argument is checked, no place remembered, no read
section opened. What it takes is the layout's price, and what is missing to our figure that of the calls. The kernel's tree
in C is the same algorithm without JavaScript.`;

/** All tables; medians too if wanted. */
export function reportOf(
  all: readonly Figure[],
  medians: boolean,
  goals: readonly Verdict[] = verdicts(new Figures(all)),
): string {
  const contested = all.filter((f) => (WORKLOADS as readonly string[]).includes(f.workload));
  const sizes = [...new Set(contested.map((f) => f.n))];
  const times = (title: string, time: Time): string[] =>
    sizes.map((n) => `### ${n.toLocaleString("en")} ranges${title}\n\n${timesTable(all, n, time)}`);
  const memory = all.some((f) => f.workload === MEMORY) ? [`### Memory\n\n${memoryTable(all)}`] : [];
  const workers = all.some((f) => f.workload.startsWith(READERS))
    ? [`### Readers in workers\n\n${readersTable(all)}`]
    : [];
  const aims = goals.length === 0 ? [] : [`### Goals\n\n${goalsTable(goals)}`];
  const why = notes(new Figures(all), goals);
  const missed = why.length === 0 ? [] : [`### Why goals are missed\n\n${WHY}\n\n${why.join("\n")}`];
  const middle = medians ? times(", medians", "medianNsPerOp") : [];
  return [...times("", "nsPerOp"), ...memory, ...workers, ...aims, ...missed, ...middle].join("\n\n");
}

/** What the README shows of it: one number of ranges, memory, readers and goals. */
export function summaryOf(all: readonly Figure[]): string {
  const sizes = [...new Set(all.filter((f) => f.workload !== MEMORY).map((f) => f.n))];
  const n = sizes.includes(1e5) ? 1e5 : sizes[0];
  return reportOf(
    all.filter((f) => f.n === n || !(WORKLOADS as readonly string[]).includes(f.workload)),
    false,
    verdicts(new Figures(all)),
  );
}
