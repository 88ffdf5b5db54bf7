/*
 * `pnpm model [--full] [PART OF A NAME]`: the models on the command line, with what each cost in processor time.
 * Without `--full` those with too many interleavings have the limits of the test; with it all that a model has is
 * explored, but for the few whose interleavings are too many for that, too: they have wider limits.
 */
import { parseArgs } from "node:util";
import { type CheckOptions, check, type Model, type Report, reportText } from "@faultline/interleave";
import { PAIRS } from "./all.ts";
import type { ModelPair, Twin } from "./support.ts";

const { values, positionals } = parseArgs({
  options: { full: { type: "boolean", default: false } },
  allowPositionals: true,
});
const isFull = values.full;
const chosen = PAIRS.filter(
  ({ name, isLong = false }) => positionals.every((part) => name.includes(part)) && (isFull || !isLong),
);
if (chosen.length === 0) throw new Error(`no model is called ${positionals.join(" ")}`);

const total = { executions: 0, ms: 0, twins: 0, found: 0 };

/** Processor time of this process so far, in ms: what a busy machine does not change. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return Math.round((user + system) / 1000);
}

async function checked(model: Model<Int32Array>, options: CheckOptions): Promise<Report & { ms: number }> {
  const before = processorMs();
  const report = await check(model, options);
  const ms = processorMs() - before;
  total.ms += ms;
  return { ...report, ms };
}

async function runSound({ name, sound, options, limits, fullLimits }: ModelPair): Promise<boolean> {
  const extent = isFull ? { maxExecutions: Number.MAX_SAFE_INTEGER, ...fullLimits } : limits;
  const report = await checked(sound, { ...options, ...extent });
  const how = report.exhausted ? "all of them" : report.limits.join(", ");
  console.log(`${name}: ${report.executions} executions, ${how}, ${report.ms} ms`);
  if (!report.ok) console.log(reportText(report));
  total.executions += report.executions;
  return report.ok;
}

async function runTwin({ mistake, broken, finds }: Twin, { options, limits }: ModelPair): Promise<boolean> {
  const { failure, executions } = await checked(broken, { ...options, ...limits });
  console.log(`  ${mistake}: ${failure?.kind ?? "nothing found"} after ${executions}`);
  const isFound = finds.test(failure?.message ?? "");
  total.twins++;
  if (isFound) total.found++;
  return isFound;
}

let isGood = true;
for (const pair of chosen) {
  isGood = (await runSound(pair)) && isGood;
  const { broken, finds, others = [] } = pair;
  for (const twin of [{ mistake: "its broken twin", broken, finds }, ...others]) {
    isGood = (await runTwin(twin, pair)) && isGood;
  }
}
console.log(
  `${chosen.length} models, ${total.executions} executions, ${Math.round(total.ms / 1000)} s of processor time; ` +
    `${total.found} of ${total.twins} broken twins found`,
);
process.exitCode = isGood ? 0 : 1;
