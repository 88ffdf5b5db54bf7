/*
 * pnpm bench:maple [--json] [--n 1e3,1e5,1e6] [--peers all|name,…] [--workloads W1,W2,…] [--rounds k]
 *                  [--kernel PATH] [--write]
 *
 * Range maps beside each other on the workloads of workloads.ts: one process per library, rounds interleaved,
 * minimum and median, results checked to be equal. Without --peers the fastest ones run; without
 * --n 1e3, 1e5 and 1e6 ranges, and W6 of ours at 1e4 too. --kernel names the kernel source tree that the C program
 * is built against, if it is not in /usr/src. --write puts the tables into bench/RESULTS.md, and a part
 * into the README.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { buildCTree, USUAL_KERNEL } from "./c-tree.ts";
import { contest, type Figure } from "./contest.ts";
import { ENTRANTS, type Entrant } from "./contestants.ts";
import { memory } from "./memory.ts";
import { READERS, readers } from "./readers.ts";
import { reportOf, summaryOf } from "./report.ts";
import { MEMORY, WORKLOADS } from "./workloads.ts";

const SIZES = "1e3,1e5,1e6";
const MOST_RANGES = 1e7;

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function sizesOf(text: string): number[] {
  return text.split(",").map((each) => {
    const n = Number(each);
    if (!Number.isInteger(n) || n < 2 || n > MOST_RANGES) {
      refuse(`--n: each must be an integer in 2..${MOST_RANGES}, got ${each}`);
    }
    return n;
  });
}

/** Ours always, the bound too. */
function entrantsOf(peers: string | undefined): Entrant[] {
  if (peers === undefined) return ENTRANTS.filter(({ usual }) => usual);
  if (peers === "all") return [...ENTRANTS];
  const names = peers.split(",");
  const known = new Set(ENTRANTS.map(({ library }) => library));
  for (const name of names) {
    if (!known.has(name)) refuse(`--peers: no ${name}; there are ${[...known].join(", ")}`);
  }
  return ENTRANTS.filter(({ library, role }) => role !== "peer" || names.includes(library));
}

function workloadsOf(text: string | undefined): string[] {
  if (text === undefined) return [...WORKLOADS, MEMORY, READERS];
  const names = text.split(",");
  for (const name of names) {
    if (![...WORKLOADS, MEMORY, READERS].some((each) => each.startsWith(name)))
      refuse(`--workloads: no ${name}`);
  }
  return names;
}

/** Fewer rounds where each takes long. */
function roundsOf(text: string | undefined, n: number): number {
  if (text === undefined) return n <= 1e4 ? 8 : n <= 1e5 ? 6 : 3;
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1) refuse(`--rounds must be an integer >= 1, got ${text}`);
  return rounds;
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== "--"),
  options: {
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    n: { type: "string" },
    peers: { type: "string" },
    workloads: { type: "string" },
    rounds: { type: "string" },
    kernel: { type: "string", default: USUAL_KERNEL },
  },
});
const entrants = entrantsOf(values.peers);
const workloads = workloadsOf(values.workloads);
const sizes = sizesOf(values.n ?? SIZES);
const cTree = buildCTree(values.kernel);
if (cTree.notice !== undefined) console.error(`notice: ${cTree.notice}`);
const load = loadavg()[0];
const figures: Figure[] = [];
const contested = workloads.some((name) => WORKLOADS.some((each) => each.startsWith(name)));
for (const n of contested ? sizes : []) {
  const rounds = roundsOf(values.rounds, n);
  figures.push(...(await contest(entrants, n, { workloads, rounds, progress, cTree })));
}
const gaps = workloads.filter((name) => name.startsWith("W6"));
if (values.n === undefined && gaps.length > 0) {
  // How the search for a gap grows from here to a million ranges.
  const ours = entrants.filter(({ role }) => role === "ours");
  figures.push(
    ...(await contest(ours, 1e4, { workloads: gaps, rounds: roundsOf(values.rounds, 1e4), progress, cTree })),
  );
}
if (workloads.some((name) => MEMORY.startsWith(name))) {
  const n = Math.max(...sizes);
  for (const entrant of entrants) {
    progress(`n ${n}, memory, ${entrant.library}`);
    figures.push(await memory(entrant, n));
  }
}
if (workloads.some((name) => name.startsWith(READERS))) {
  const n = sizes.includes(1e5) ? 1e5 : sizes[0];
  figures.push(...(await readers(n, roundsOf(values.rounds, n), progress)));
}
progress("");
cTree.close();
const cpu = cpus()[0].model.trim();
if (values.write) {
  const machine = `${cpu}, ${cpus().length} logical cores, Node ${process.versions.node}`;
  const how = `on ${machine}. The load was ${load.toFixed(1)} when the run
began: above 0.5 others were at work. ${cTree.version === "" ? "" : `The kernel's tree in C is that of Linux ${cTree.version}. `}Figures are the
minimum over interleaved rounds`;
  const results = new URL("./RESULTS.md", import.meta.url);
  writeFileSync(
    results,
    `# Range maps beside each other

Written by \`pnpm bench:maple --write\` ${how}, at the end the median.

${reportOf(figures, true)}
`,
  );
  const readme = new URL("../README.md", import.meta.url);
  const marks = /(<!-- bench:maple -->\n)[\s\S]*?(<!-- \/bench:maple -->)/;
  const part = `\nWritten ${how}.\n\n${summaryOf(figures)}\n\n`;
  writeFileSync(
    readme,
    readFileSync(readme, "utf8").replace(marks, (_, from, to) => from + part + to),
  );
}
if (values.json) {
  const rows = figures.map(({ entrant: { library, mode }, ...figure }) => ({ ...figure, library, mode }));
  console.log(JSON.stringify({ node: process.versions.node, cpu, rows }, null, 2));
} else console.log(reportOf(figures, false));
