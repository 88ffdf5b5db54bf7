/*
 * pnpm bench:sync [--json] [--write] [--rounds N]
 *
 * Nanoseconds per operation beside what they are measured against in the same run. Rounds are interleaved,
 * every case once per round, and the minimum counts: whatever disturbs a measurement makes it slower, and a
 * slow minute of the machine meets all cases alike. Of threads that contend or take turns the median counts:
 * the fastest round is the one in which one of them did not get a core, or never slept. --write puts the table into
 * bench/RESULTS.md.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { Backend } from "@faultline/sync";
import { buildC } from "./c-reference.ts";
import { floorsOf } from "./floors-text.ts";
import { type Figures, isContended, keyOf, type Row, rowsOf, tableOf } from "./rows.ts";
import { Team } from "./team.ts";

const ROUNDS = 15;
/** A round that takes longer hangs. */
const LIMIT_MS = 60_000;
const BACKENDS: readonly Backend[] = ["js", "wasm"];

/** Every measurement of a run, by name. */
class Samples {
  readonly #byKey: Map<string, number[]> = new Map();

  note(name: string, backend: Backend, ns: number): void {
    const key = keyOf(name, backend);
    const samples = this.#byKey.get(key);
    if (samples === undefined) this.#byKey.set(key, [ns]);
    else samples.push(ns);
  }

  /** One figure per name. */
  figures(): Figures {
    return new Map(
      [...this.#byKey].map(([key, samples]) => {
        const sorted = samples.toSorted((a, b) => a - b);
        return [key, sorted[isContended(key) ? sorted.length >> 1 : 0]] as const;
      }),
    );
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function measure(rounds: number): Promise<{ figures: Figures; notices: readonly string[] }> {
  const samples = new Samples();
  const note = samples.note.bind(samples);
  const url = new URL("./uncontended.worker.ts", import.meta.url);
  const alone = BACKENDS.map((backend) => new Worker(url, { workerData: { backend } }));
  const c = buildC();
  const team = new Team();
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1}/${rounds}`);
    for (const [index, backend] of BACKENDS.entries()) {
      alone[index].postMessage("round");
      const signal = AbortSignal.timeout(LIMIT_MS);
      const [figures] = (await once(alone[index], "message", { signal })) as [Record<string, number>];
      for (const [name, ns] of Object.entries(figures)) note(name, backend, ns);
    }
    await team.round(note);
    for (const [name, ns] of Object.entries(c.run())) note(`C ${name}`, "js", ns);
  }
  progress("");
  await Promise.all([team.close(), ...alone.map((worker) => worker.terminate())]);
  c.close();
  return { figures: samples.figures(), notices: c.notices };
}

function resultsPage(
  rows: readonly Row[],
  figures: Figures,
  notices: readonly string[],
  load: number,
): string {
  const machine = `${cpus()[0].model.trim()}, ${cpus().length} logical cores, Node ${process.versions.node}`;
  return `# What the primitives cost

Written by \`pnpm bench:sync --write\` on ${machine}. The load was ${load.toFixed(1)}
when the run began: above 0.5 others were at work, and rows of two threads say little.
Each figure is the minimum over interleaved rounds of one run,
except that of threads which contend for a lock or take turns it is the median.
A ratio is the first figure over the second: less is better, and a goal is the largest ratio that meets it.
Rows without a goal are shown for comparison. The backend \`wasm\` is that of locks over a \`SharedMemory\`.

${tableOf(rows)}

## Goals that are missed, and where the floor is

${floorsOf(rows, figures)}
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
const { figures, notices } = await measure(rounds);
const rows = rowsOf(figures);
for (const notice of notices) console.error(`notice: ${notice}`);
if (values.write) {
  const page = resultsPage(rows, figures, notices, load).trimEnd();
  writeFileSync(new URL("./RESULTS.md", import.meta.url), `${page}\n`);
}
if (values.json) {
  console.log(JSON.stringify({ node: process.versions.node, cpu: cpus()[0].model.trim(), rows }, null, 2));
} else console.log(tableOf(rows));
