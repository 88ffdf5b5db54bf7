/*
 * pnpm torture:maple [--minutes N] [--readers N] [--seed N] [--wasm] [--broken grace-period] [--json]
 *
 * One writer and two readers for one minute unless told otherwise, terminated at random. --wasm puts the tree
 * into WebAssembly memory. --broken lets nodes be
 * reused at once: the run must then fail. Exit code 1 if a promise was broken, 2 for a bad command line.
 */
import { parseArgs } from "node:util";
import { type Report, type TortureOptions, torture } from "./run.ts";

function parse(args: readonly string[]): { options: TortureOptions; json: boolean } {
  const { values } = parseArgs({
    args: args.filter((each) => each !== "--"), // pnpm passes it on
    options: {
      minutes: { type: "string", default: "1" },
      readers: { type: "string", default: "2" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      wasm: { type: "boolean", default: false },
      broken: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const { minutes, readers, seed, wasm, broken, json } = values;
  if (broken !== undefined && broken !== "grace-period") {
    throw new RangeError(`--broken must be grace-period, got ${broken}`);
  }
  const noGracePeriod = broken !== undefined;
  const seconds = Number(minutes) * 60;
  return { options: { seconds, readers: Number(readers), seed: Number(seed), wasm, noGracePeriod }, json };
}

function line({ reads, writes, readersKilled, writersKilled, interruptedWrites }: Report): string {
  const deaths = `${readersKilled} readers and ${writersKilled} writers killed`;
  return `${reads} reads, ${writes} writes, ${deaths}, ${interruptedWrites} in mid-write`;
}

function progress(report: Report): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line(report)}`);
}

async function main(args: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  let report: Report;
  try {
    parsed = parse(args);
    report = await torture({ ...parsed.options, onProgress: progress });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return error instanceof RangeError || error instanceof TypeError ? 2 : 1;
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const passed = report.faults.length === 0;
  if (parsed.json) {
    console.log(JSON.stringify({ ...parsed.options, ...report, passed }, null, 2));
  } else {
    console.log(line(report));
    for (const fault of report.faults) console.log(`FAULT ${fault}`);
    const { readers, seed } = parsed.options;
    console.log(`torture: ${passed ? "passed" : "FAILED"} (${readers} readers, seed ${seed})`);
  }
  return passed ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
