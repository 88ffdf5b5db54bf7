/* `pnpm conformance:mm FILE…`: replays recordings (plain or .gz), exit code 1 if one differs. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { replayTrace } from "./replay.ts";

const SHOWN = 3;

function read(path: string): string {
  const bytes = readFileSync(path);
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString("utf8");
}

/** Paths are relative to where pnpm was called, not to the package. */
function pathOf(name: string): string {
  const { INIT_CWD = "." } = process.env;
  return resolve(INIT_CWD, name);
}

function replayFile(name: string): boolean {
  const { operations, differences } = replayTrace(read(pathOf(name)));
  if (differences.length === 0) {
    console.log(`ok   ${name}: ${operations} operations`);
    return true;
  }
  console.log(`FAIL ${name}: ${differences.length} differences in ${operations} operations`);
  for (const { line, text } of differences.slice(0, SHOWN)) console.log(`  line ${line}: ${text}`);
  return false;
}

function main(names: readonly string[]): number {
  if (names.length === 0) {
    console.error("usage: conformance FILE…   (mm-trace/1, plain or gzip)");
    return 2;
  }
  let failed = 0;
  for (const name of names) {
    try {
      if (!replayFile(name)) failed++;
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  console.log(`${names.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
