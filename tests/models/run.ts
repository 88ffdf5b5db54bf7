/*
 * `pnpm model [--full] [PART OF A NAME]`: the models on the command line, with what each cost. Without `--full`
 * those with too many interleavings have the limits of the test; with it all that a model has is explored, but
 * for the few whose interleavings are too many for that, too.
 */
import { parseArgs } from "node:util";
import { check, reportText } from "@faultline/interleave";
import { PAIRS } from "./all.ts";
import type { Twin } from "./support.ts";

const { values, positionals } = parseArgs({
  options: { full: { type: "boolean", default: false } },
  allowPositionals: true,
});
const isFull = values.full;
const chosen = PAIRS.filter(
  ({ name, isLong = false }) => positionals.every((part) => name.includes(part)) && (isFull || !isLong),
);
if (chosen.length === 0) throw new Error(`no model is called ${positionals.join(" ")}`);

const total = { executions: 0, twins: 0, found: 0 };
let isGood = true;
const start = Date.now();
for (const { name, sound, broken, finds, others = [], options, limits, fullLimits } of chosen) {
  const all = {
    ...options,
    ...(isFull ? { maxExecutions: Number.MAX_SAFE_INTEGER, ...fullLimits } : limits),
  };
  const report = await check(sound, all);
  const extent = report.exhausted ? "all of them" : report.limits.join(", ");
  console.log(`${name}: ${report.executions} executions, ${extent}, ${report.elapsedMs} ms`);
  if (!report.ok) console.log(reportText(report));
  total.executions += report.executions;
  isGood &&= report.ok;
  const first: Twin = { mistake: "its broken twin", broken, finds };
  for (const twin of [first, ...others]) {
    const found = await check(twin.broken, { ...options, ...limits });
    const isFound = twin.finds.test(found.failure?.message ?? "");
    console.log(`  ${twin.mistake}: ${found.failure?.kind ?? "nothing found"} after ${found.executions}`);
    total.twins++;
    if (isFound) total.found++;
    isGood &&= isFound;
  }
}
const seconds = Math.round((Date.now() - start) / 1000);
const busy = Math.round((process.cpuUsage().user + process.cpuUsage().system) / 1e6);
console.log(
  `${chosen.length} models, ${total.executions} executions; ${total.found} of ${total.twins} broken twins found; ` +
    `${seconds} s, of which ${busy} s on a processor`,
);
process.exitCode = isGood ? 0 : 1;
