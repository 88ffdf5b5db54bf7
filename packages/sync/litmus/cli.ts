/*
 * pnpm --filter @faultline/sync litmus [NAME…] [--iterations N] [--form atomics|plain] [--json] [--list]
 *
 * Runs the litmus tests on real threads, 1,000,000 iterations each (5,000,000 with a grace period) unless told
 * otherwise, in both forms unless one is named. Exit code 1 if a forbidden outcome was seen, 2 for a bad command line.
 */
import { parseArgs } from "node:util";
import type { Form } from "./compile.ts";
import { findTest, flatten, type LitmusTest, readTests } from "./format.ts";
import { type LitmusResult, LitmusRunner } from "./run.ts";

const ITERATIONS = 1_000_000;
/** A reader is through long before a grace period is over, so the two meet in one iteration of many. */
const GRACE_PERIOD_ITERATIONS = 5_000_000;

interface Command {
  readonly tests: readonly LitmusTest[];
  readonly forms: readonly Form[];
  /** Undefined: as many as the test deserves. */
  readonly iterations: number | undefined;
  readonly json: boolean;
  readonly list: boolean;
}

function parse(args: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: args.filter((each) => each !== "--"), // pnpm passes it on
    allowPositionals: true,
    options: {
      iterations: { type: "string" },
      form: { type: "string" },
      json: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  const iterations = values.iterations === undefined ? undefined : Number(values.iterations);
  if (iterations !== undefined && (!Number.isInteger(iterations) || iterations < 1)) {
    throw new RangeError(`--iterations must be an integer >= 1, got ${values.iterations}`);
  }
  if (values.form !== undefined && values.form !== "atomics" && values.form !== "plain") {
    throw new RangeError(`--form must be atomics or plain, got ${values.form}`);
  }
  const forms: readonly Form[] = values.form === undefined ? ["atomics", "plain"] : [values.form];
  const tests = positionals.length === 0 ? readTests() : positionals.map(findTest);
  return { tests, forms, iterations, json: values.json, list: values.list };
}

function iterationsFor(test: LitmusTest): number {
  return test.threads.flatMap(flatten).includes("sync") ? GRACE_PERIOD_ITERATIONS : ITERATIONS;
}

function show(result: LitmusResult): void {
  const word = !result.passed ? "FAILED" : result.verdict === "never" ? "ok    " : "shown ";
  const counts = `${result.iterations} iterations, outcome seen ${result.targetCount} times`;
  console.log(`${word} ${result.form.padEnd(7)} ${result.name}: ${counts}`);
  for (const { state, count, isTarget } of result.outcomes) {
    console.log(`${String(count).padStart(16)}  ${state}${isTarget ? "   <- the outcome" : ""}`);
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function runAll(command: Command): Promise<LitmusResult[]> {
  const runner = new LitmusRunner();
  const results: LitmusResult[] = [];
  const total = command.tests.length * command.forms.length;
  try {
    for (const test of command.tests) {
      for (const form of command.forms) {
        progress(`${results.length + 1}/${total} ${test.name} ${form}`);
        const result = await runner.run(test, form, command.iterations ?? iterationsFor(test));
        progress("");
        results.push(result);
        if (!command.json) show(result);
      }
    }
  } finally {
    await runner.close();
  }
  return results;
}

async function main(args: readonly string[]): Promise<number> {
  let command: Command;
  try {
    command = parse(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  if (command.list) {
    for (const { name, lkmm, js } of command.tests) {
      console.log(`${name}: Linux ${lkmm}, all Atomics ${js.atomics}, plain payload ${js.plain}`);
    }
    return 0;
  }
  const results = await runAll(command);
  const passed = results.filter((result) => result.passed).length;
  const failed = results.length - passed;
  if (command.json)
    console.log(JSON.stringify({ node: process.versions.node, results, passed, failed }, null, 2));
  else console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
