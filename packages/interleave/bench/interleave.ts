/*
 * pnpm bench:interleave [--json] [--write] [--rounds N]
 *
 * Executions, steps per second, and what reduction saves. Checks are measured in processor time of this
 * process, since they use one core and others may be at work; the baton of real workers in time of the wall,
 * since handing over is waiting. The best of the rounds counts: whatever disturbs a measurement makes it
 * slower. --write puts the table into bench/RESULTS.md.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type CheckOptions, check, type Model, type Report } from "../src/index.ts";
import { Baton } from "./baton.ts";
import { adders, asyncAdders, incrementers, mutex, spinlock } from "./models.ts";
import { REDUCTION_GOAL, type Row, SECONDS_GOAL, STEPS_GOAL, tableOf } from "./rows.ts";

const ROUNDS = 5;

interface Measured {
  readonly report: Report;
  readonly seconds: number;
}

async function measure(rounds: number, model: Model<Int32Array>, options: CheckOptions): Promise<Measured> {
  let best: Measured | undefined;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    const report = await check(model, options);
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    if (best === undefined || seconds < best.seconds) best = { report, seconds };
  }
  if (best === undefined || !best.report.ok) throw new Error("a model of the benchmark does not hold");
  return best;
}

/** Without `freeReads`, the look after a failed compareExchange counts as spinning: the classic count. */
const CLASSIC: CheckOptions = { freeReads: 0 };

async function classicRows(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const threads of [2, 3, 4]) {
    const name = `${threads} incrementers`;
    const full = await measure(rounds, incrementers(threads), { ...CLASSIC, reduction: false });
    const reduced = await measure(rounds, incrementers(threads), CLASSIC);
    const factor = full.report.executions / reduced.report.executions;
    const isLarge = threads === 4;
    rows.push(
      { name: `${name}, every order`, value: full.report.executions, unit: "executions", goal: null },
      { name: `${name}, reduced`, value: reduced.report.executions, unit: "executions", goal: null },
      {
        name: `${name}, saved by reduction`,
        value: factor,
        unit: "x",
        goal: isLarge ? REDUCTION_GOAL : null,
      },
    );
    if (!isLarge) continue;
    rows.push(
      { name: `${name}, every order`, value: full.seconds, unit: "s", goal: SECONDS_GOAL },
      { name: `${name}, every order`, value: full.report.points / full.seconds, unit: "steps/s", goal: null },
      {
        name: `${name}, every order`,
        value: full.report.executions / full.seconds,
        unit: "executions/s",
        goal: null,
      },
      {
        name: `${name}, reduced`,
        value: reduced.report.points / reduced.seconds,
        unit: "steps/s",
        goal: null,
      },
    );
  }
  return rows;
}

const TWO_THREADS: readonly (readonly [name: string, model: Model<Int32Array>, options: CheckOptions])[] = [
  ["2 threads of 7 steps on a word, reduced", adders(7), {}],
  ["2 threads, a spinlock, 3 sections each, reduced", spinlock(3), {}],
  ["2 threads, a lock that sleeps, 3 sections each, reduced", mutex(3), {}],
  ["2 threads of 8 steps on a word, every order", adders(8), { reduction: false }],
  ["2 threads of 20 steps, 2 preemptions", adders(20), { bound: 2 }],
  ["2 threads of 200 steps, 2 preemptions, 5,000 of them", adders(200), { bound: 2, maxExecutions: 5000 }],
];

async function twoThreadRows(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, model, options] of TWO_THREADS) {
    // Short checks once more and again, so that their start counts for little.
    await measure(rounds, model, options);
    const { report, seconds } = await measure(rounds, model, options);
    rows.push({ name, value: report.points / seconds, unit: "steps/s", goal: STEPS_GOAL });
  }
  const { report, seconds } = await measure(rounds, asyncAdders(7), {});
  const name = "2 async threads of 7 steps on a word, reduced";
  rows.push({ name, value: report.points / seconds, unit: "steps/s", goal: null });
  return rows;
}

/** Random schedules: every second step a switch. */
async function batonRows(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  const baton = new Baton();
  baton.measure(20, 50);
  for (const steps of [20, 200, 2000]) {
    const executions = Math.ceil(20_000 / steps);
    const options: CheckOptions = { strategy: "random", maxExecutions: executions };
    const { report, seconds } = await measure(rounds, adders(steps), options);
    const handed = Array.from({ length: rounds }, () => baton.measure(steps, executions));
    const best = handed.reduce((a, b) => (b.steps > a.steps ? b : a));
    const name = `2 threads of ${steps} steps, random`;
    rows.push(
      { name: `${name}, executed again`, value: report.points / seconds, unit: "steps/s", goal: null },
      { name: `${name}, workers with a baton`, value: best.steps, unit: "steps/s", goal: null },
      { name: `${name}, workers with a baton`, value: best.switches, unit: "switches/s", goal: null },
    );
  }
  await baton.close();
  return rows;
}

function resultsPage(rows: readonly Row[], load: number): string {
  const machine = `${cpus()[0]!.model.trim()}, ${cpus().length} logical cores, Node ${process.versions.node}`;
  return `# What a check costs

Written by \`pnpm bench:interleave --write\` on ${machine}. The load was ${load.toFixed(1)}
when the run began: above 1 others were at work, and rows of workers say little.
Checks are measured in processor time, on one core; workers that hand over a baton in time of the wall.
Each figure is the best of the rounds. Rows without a goal are shown for comparison.

${tableOf(rows)}
`;
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== "--"),
  options: {
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    rounds: { type: "string", default: String(ROUNDS) },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error(`--rounds must be an integer >= 1, got ${values.rounds}`);
  process.exit(2);
}
const load = loadavg()[0]!;
const rows = [...(await classicRows(rounds)), ...(await twoThreadRows(rounds)), ...(await batonRows(rounds))];
if (values.write) writeFileSync(new URL("./RESULTS.md", import.meta.url), resultsPage(rows, load));
if (values.json) {
  console.log(JSON.stringify({ node: process.versions.node, cpu: cpus()[0]!.model.trim(), rows }, null, 2));
} else console.log(tableOf(rows));
