/*
 * pnpm torture [--minutes N] [--workers N] [--seed N] [--backend js|wasm] [--broken WHAT] [--json]
 *
 * Tortures the locks and RCU: one minute and four threads unless told otherwise. --backend says what runs their
 * fast paths (js). --broken plants a fault that the
 * run must find: a lock that excludes nobody (lock), grace periods that end at once (grace-period), domains that
 * are told of no death (death), stall reports that get lost (stall). Exit code 1 if a promise was broken, 2 for a
 * bad command line.
 */
import { parseArgs } from "node:util";
import type { Report } from "./actor.ts";
import { BROKEN, type Broken, type TortureOptions, torture } from "./run.ts";

function parse(args: readonly string[]): { options: TortureOptions; json: boolean } {
  const { values } = parseArgs({
    args: args.filter((each) => each !== "--"), // pnpm passes it on
    options: {
      minutes: { type: "string", default: "1" },
      workers: { type: "string", default: "4" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      backend: { type: "string", default: "js" },
      broken: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const { backend, broken, json } = values;
  if (backend !== "js" && backend !== "wasm")
    throw new RangeError(`--backend must be js or wasm, got ${backend}`);
  if (!isBroken(broken)) throw new RangeError(`--broken must be one of ${BROKEN}, got ${broken}`);
  const seed = Number(values.seed);
  if (!Number.isInteger(seed)) throw new RangeError(`--seed must be an integer, got ${values.seed}`);
  const seconds = Number(values.minutes) * 60;
  return { options: { seconds, workers: Number(values.workers), seed, backend, broken }, json };
}

function isBroken(what: string | undefined): what is Broken | undefined {
  return what === undefined || BROKEN.some((each) => each === what);
}

function show({ seen, faults }: Report): void {
  for (const [name, count] of Object.entries(seen).sort()) {
    console.log(`${String(count).padStart(12)}  ${name}`);
  }
  for (const [name, count] of Object.entries(faults)) console.log(`FAULT ${count}  ${name}`);
}

function progress(elapsedSeconds: number, turns: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${elapsedSeconds.toFixed(0)} s, ${turns} turns`);
}

async function main(args: readonly string[]): Promise<number> {
  let report: Report;
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
    report = await torture({ ...parsed.options, onProgress: progress });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return error instanceof RangeError || error instanceof TypeError ? 2 : 1;
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const isKept = Object.keys(report.faults).length === 0;
  if (parsed.json) {
    console.log(JSON.stringify({ ...parsed.options, ...report, passed: isKept }, null, 2));
  } else {
    show(report);
    const { workers, seed } = parsed.options;
    console.log(`torture: ${isKept ? "passed" : "FAILED"} (${workers} workers, seed ${seed})`);
  }
  return isKept ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
