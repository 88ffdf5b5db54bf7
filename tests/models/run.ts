/*
 * The models on the command line, with what each cost in processor time: see USAGE.
 */
import { parseArgs } from "node:util";
import { type CheckOptions, check, type Model, type Report, reportText } from "@faultline/interleave";
import { PAIRS } from "./all.ts";
import { ALL, type Limits, type ModelPair, type Twin } from "./support.ts";

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

const USAGE = `pnpm model [--full] [--preemptions N|all] [--minutes M] [PART OF A NAME]

Those with too many interleavings have a bound on preemptions.
  --full           a wider bound, or none; and models that add to smaller ones of the same what costs much
  --preemptions N  this bound for all of them; all: none
  --minutes M      the most that each may take
Exit code 0 if all hold as far as the search went, 1 if not, 2 for misuse.`;

function argumentsOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        full: { type: "boolean", default: false },
        preemptions: { type: "string" },
        minutes: { type: "string" },
        help: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return refuse(`${String(error)}\n\n${USAGE}`);
  }
}

const { values, positionals } = argumentsOf(process.argv.slice(2));
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const isFull = values.full;
const preemptions = preemptionsOf(values.preemptions);
const timeLimit = minutesOf(values.minutes);
const chosen = PAIRS.filter(
  ({ name, isLong = false }) => positionals.every((part) => name.includes(part)) && (isFull || !isLong),
);
if (chosen.length === 0) refuse(`no model is called ${positionals.join(" ")}`);

const total = { executions: 0, ms: 0, twins: 0, found: 0 };

function preemptionsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "all") return ALL;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0)
    refuse(`--preemptions must be all or an integer >= 0, got ${text}`);
  return count;
}

function minutesOf(text: string | undefined): { readonly timeMs?: number } {
  if (text === undefined) return {};
  const minutes = Number(text);
  if (!(minutes > 0)) refuse(`--minutes must be above 0, got ${text}`);
  return { timeMs: minutes * 60_000 };
}

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

/** How far the search for a violation of what is sound goes. */
function extentOf({ limits }: ModelPair): CheckOptions {
  const most = preemptions ?? boundOf(limits);
  const bound = most === ALL ? {} : { bound: most };
  const isWide = isFull || preemptions !== undefined;
  return { ...timeLimit, ...bound, ...(isWide && { maxExecutions: Number.MAX_SAFE_INTEGER }) };
}

/** Most preemptions. */
function boundOf(limits: Limits | undefined): number {
  if (limits === undefined) return ALL;
  return isFull ? (limits.full ?? limits.bound + 1) : limits.bound;
}

async function runSound(pair: ModelPair): Promise<boolean> {
  const { name, sound, options } = pair;
  const report = await checked(sound, { ...options, ...extentOf(pair) });
  const how = report.exhausted ? "all of them" : report.limits.join(", ");
  console.log(`${name}: ${report.executions} executions, ${how}, ${report.ms} ms`);
  if (!report.ok) console.log(reportText(report));
  total.executions += report.executions;
  return report.ok;
}

async function runTwin({ mistake, broken, finds }: Twin, { options, limits }: ModelPair): Promise<boolean> {
  const bound = limits === undefined ? {} : { bound: limits.bound };
  const { failure, executions } = await checked(broken, { ...options, ...bound });
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
