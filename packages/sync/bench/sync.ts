/*
 * pnpm bench:sync [--json] [--write] [--rounds N]
 *
 * Nanoseconds per operation beside what they are measured against in the same run. Rounds are interleaved,
 * every case once per round, and the minimum counts: whatever disturbs a measurement makes it slower, and a
 * slow minute of the machine meets all cases alike. Of threads that contend or take turns the median counts:
 * the fastest round is the one in which one of them did not get a core, or never slept. --write puts the table into
 * bench/RESULTS.md.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { buildC } from "./c-reference.ts";
import { CONTENDED, type Row, rowsOf, tableOf } from "./rows.ts";
import { Team, teamCases } from "./team.ts";
import { uncontendedCases } from "./uncontended.ts";

const ROUNDS = 15;

/** Every measurement of a run, by name. */
class Samples {
  readonly #byName: Map<string, number[]> = new Map();

  note(name: string, ns: number): void {
    const samples = this.#byName.get(name);
    if (samples === undefined) this.#byName.set(name, [ns]);
    else samples.push(ns);
  }

  /** One figure per name. */
  figures(): Map<string, number> {
    return new Map(
      [...this.#byName].map(([name, samples]) => {
        const sorted = samples.toSorted((a, b) => a - b);
        return [name, sorted[CONTENDED.has(name) ? sorted.length >> 1 : 0]] as const;
      }),
    );
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function measure(rounds: number): Promise<{ ns: Map<string, number>; notices: readonly string[] }> {
  const cases = uncontendedCases(new Int32Array(new SharedArrayBuffer(4096 * 4)));
  const samples = new Samples();
  const c = buildC();
  const team = new Team();
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1}/${rounds}`);
    for (const [name, { ops, run }] of Object.entries(cases)) {
      const start = performance.now();
      await run(ops);
      samples.note(name, ((performance.now() - start) * 1e6) / ops);
    }
    for (const [name, each] of Object.entries(teamCases)) samples.note(name, await team.measure(each));
    for (const [name, ns] of Object.entries(c.run())) samples.note(`C ${name}`, ns);
  }
  progress("");
  await team.close();
  c.close();
  return { ns: samples.figures(), notices: c.notices };
}

function resultsPage(rows: readonly Row[], notices: readonly string[], load: number): string {
  const machine = `${cpus()[0].model.trim()}, ${cpus().length} logical cores, Node ${process.versions.node}`;
  return `# What the primitives cost

Written by \`pnpm bench:sync --write\` on ${machine}. The load was ${load.toFixed(1)}
when the run began: above 0.5 others were at work, and rows of two threads say little.
Each figure is the minimum over interleaved rounds of one run,
except that of threads which contend for a lock or take turns it is the median.
A ratio is the first figure over the second: less is better, and a goal is the largest ratio that meets it.
Rows without a goal are shown for comparison.

${tableOf(rows)}
${notices.map((notice) => `\n- Not measured here: ${notice}.`).join("")}
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
const load = loadavg()[0];
const { ns, notices } = await measure(rounds);
const rows = rowsOf(ns);
for (const notice of notices) console.error(`notice: ${notice}`);
if (values.write) {
  writeFileSync(new URL("./RESULTS.md", import.meta.url), `${resultsPage(rows, notices, load).trimEnd()}\n`);
}
if (values.json) {
  console.log(JSON.stringify({ node: process.versions.node, cpu: cpus()[0].model.trim(), rows }, null, 2));
} else console.log(tableOf(rows));
