/*
 * pnpm sweep [--deaths N] [--workers N] [--seed N] [--lock NAME] [--broken deaf|silent] [--json]
 *
 * The termination sweep (run.ts): 1,000 deaths and four threads unless told otherwise. --broken sweeps a
 * lock that forgets the dead, or does not tell the next owner: the sweep must then fail. Exit code 1 if a
 * promise was broken, 2 for a bad command line.
 */
import { parseArgs } from "node:util";
import { type SweepOptions, type SweepReport, sweep } from "./run.ts";

function parse(args: readonly string[]): { options: SweepOptions; json: boolean } {
  const { values } = parseArgs({
    args: args.filter((each) => each !== "--"), // pnpm passes it on
    options: {
      deaths: { type: "string", default: "1000" },
      workers: { type: "string", default: "4" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      lock: { type: "string" },
      broken: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed)) throw new RangeError(`--seed must be an integer, got ${values.seed}`);
  const { lock, broken, json } = values;
  if (broken !== undefined && broken !== "deaf" && broken !== "silent") {
    throw new RangeError(`--broken must be deaf or silent, got ${broken}`);
  }
  const deaths = Number(values.deaths);
  const workers = Number(values.workers);
  return { options: { deaths, workers, seed, lock, broken }, json };
}

function show({ kinds, faults, deaths, reported, longestStallMs }: SweepReport): void {
  for (const { name, ...counts } of kinds) {
    const cells = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
    console.log(`${name}: ${cells.join(", ")}`);
  }
  console.log(`${deaths} deaths, ${reported} reported; longest stall ${longestStallMs} ms`);
  for (const fault of faults) console.log(`FAULT ${fault}`);
}

function progress(deaths: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${deaths} deaths`);
}

async function main(args: readonly string[]): Promise<number> {
  let report: SweepReport;
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
    report = await sweep({ ...parsed.options, onProgress: progress });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return error instanceof RangeError || error instanceof TypeError ? 2 : 1;
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const isKept = report.faults.length === 0;
  if (parsed.json) {
    console.log(JSON.stringify({ ...parsed.options, ...report, passed: isKept }, null, 2));
  } else {
    show(report);
    const { workers, seed } = parsed.options;
    console.log(`sweep: ${isKept ? "passed" : "FAILED"} (${workers} workers, seed ${seed})`);
  }
  return isKept ? 0 : 1;
}

const code = await main(process.argv.slice(2));
process.exit(code); // A thread that hangs would keep the process alive.
