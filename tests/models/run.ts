/*
 * `pnpm model [--full] [PART OF A NAME]`: the models on the command line, with what each cost. Without `--full`
 * those with too many interleavings have the limits of the test; with it none has.
 */
import { parseArgs } from "node:util";
import { check, reportText } from "@faultline/interleave";
import { PAIRS } from "./all.ts";

const { values, positionals } = parseArgs({
  options: { full: { type: "boolean", default: false } },
  allowPositionals: true,
});
const chosen = PAIRS.filter(({ name }) => positionals.every((part) => name.includes(part)));
if (chosen.length === 0) throw new Error(`no model is called ${positionals.join(" ")}`);

let isGood = true;
for (const { name, sound, broken, finds, limits } of chosen) {
  const options = values.full ? { maxExecutions: Number.MAX_SAFE_INTEGER } : limits;
  const report = await check(sound, options);
  const twin = await check(broken, options);
  const isFound = finds.test(twin.failure?.message ?? "");
  const extent = report.exhausted ? "all of them" : report.limits.join(", ");
  console.log(`${name}: ${report.executions} executions, ${extent}, ${report.elapsedMs} ms`);
  console.log(`  its broken twin: ${twin.failure?.kind ?? "nothing found"} after ${twin.executions}`);
  if (!report.ok) console.log(reportText(report));
  if (!report.ok || !isFound) isGood = false;
}
process.exitCode = isGood ? 0 : 1;
