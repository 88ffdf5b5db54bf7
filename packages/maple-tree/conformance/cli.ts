/*
 * pnpm conformance:maple FILE…
 *
 * Replays traces (JSONL, plain or gzip'd) of all three formats and prints the first differences of each. A case
 * that needs indices above 2^53-1 is named and counted as unsupported; it neither passes nor fails. Exit code 1
 * if any file failed; a file that is no trace fails.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { type ReplayResult, replay } from "./replay.ts";

type Verdict = "passed" | "failed" | "unsupported";

function readTrace(path: string): string {
  const bytes = readFileSync(path);
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return (zipped ? gunzipSync(bytes) : bytes).toString("utf8");
}

function report(file: string, result: ReplayResult): Verdict {
  if (result.format === "unknown") {
    console.log(`failed ${file}: ${result.reason}`);
    return "failed";
  }
  if (result.status === "unsupported") {
    console.log(`unsupported ${file}: ${result.name} ${result.reason}`);
    return "unsupported";
  }
  console.log(`${result.status} ${file}: ${counts(result)}`);
  for (const d of result.differences) console.log(`  line ${d.line}: ${d.recorded}\n    ${d.message}`);
  const more = result.differenceCount - result.differences.length;
  if (more > 0) console.log(`  and ${more} more`);
  return result.status;
}

function counts(result: ReplayResult): string {
  const dumps =
    result.format === "random"
      ? `${result.dumps} dumps (${result.sameLayout} with the kernel's number of nodes), `
      : "";
  return `${result.operations} operations, ${dumps}${result.validations} validations, ${result.differenceCount} differences`;
}

function replayFile(file: string): Verdict {
  try {
    // pnpm runs scripts in the package's folder; paths are meant from where the user typed them.
    return report(file, replay(readTrace(resolve(process.env["INIT_CWD"] ?? process.cwd(), file))));
  } catch (error) {
    console.log(`failed ${file}: ${error instanceof Error ? error.message : String(error)}`);
    return "failed";
  }
}

function main(files: readonly string[]): number {
  if (files.length === 0) {
    console.error("usage: pnpm conformance:maple FILE…");
    return 2;
  }
  const verdicts = files.map(replayFile);
  const number = (verdict: Verdict): number => verdicts.filter((v) => v === verdict).length;
  if (number("unsupported") > 0) {
    console.log(`${number("unsupported")} unsupported: indices above 2^53-1`);
  }
  console.log(`${number("passed")} passed, ${number("failed")} failed`);
  return number("failed") === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
