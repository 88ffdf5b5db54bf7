/*
 * pnpm conformance:maple FILE…
 *
 * Replays traces (JSONL, plain or gzip'd) and prints the first differences of each. Exit code 1 if any failed;
 * a file of another format is reported as unsupported and counts as failed.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { type ReplayResult, replay } from "./replay.ts";

function readTrace(path: string): string {
  const bytes = readFileSync(path);
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return (zipped ? gunzipSync(bytes) : bytes).toString("utf8");
}

function report(file: string, result: ReplayResult): void {
  if (result.status === "unsupported") {
    console.log(`unsupported ${file}: ${result.reason}`);
    return;
  }
  const counts = `${result.operations} operations, ${result.dumps} dumps (${result.sameLayout} with the kernel's number of nodes), ${result.validations} validations`;
  console.log(`${result.status} ${file}: ${counts}, ${result.differenceCount} differences`);
  for (const d of result.differences) console.log(`  line ${d.line}: ${d.recorded}\n    ${d.message}`);
}

function main(files: readonly string[]): number {
  if (files.length === 0) {
    console.error("usage: pnpm conformance:maple FILE…");
    return 2;
  }
  let passed = 0;
  for (const file of files) {
    try {
      // pnpm runs scripts in the package's folder; paths are meant from where the user typed them.
      const result = replay(readTrace(resolve(process.env["INIT_CWD"] ?? process.cwd(), file)));
      report(file, result);
      if (result.status === "passed") passed++;
    } catch (error) {
      console.log(`failed ${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  console.log(`${passed} passed, ${files.length - passed} failed`);
  return passed === files.length ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
