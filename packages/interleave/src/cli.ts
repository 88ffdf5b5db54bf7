/*
 * The command line. Results go to stdout, progress and errors to stderr. Exit codes: 0 everything holds within
 * the bounds; 1 a violation was found; 2 misuse.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import pc from "picocolors";
import { check } from "./check.ts";
import { InterleaveError } from "./errors.ts";
import { reportHtml } from "./html.ts";
import { mergeReports } from "./merge.ts";
import type { CheckOptions, Progress, Report, Strategy } from "./model.ts";
import { type Paint, reportText } from "./table.ts";

/** Where the program writes; replaced by tests. */
export interface CliIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stderrIsTty: boolean;
  readonly stdoutIsTty: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PROCESS_IO: CliIo = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stderrIsTty: process.stderr.isTTY === true,
  stdoutIsTty: process.stdout.isTTY === true,
  env: process.env,
};

interface RunFlags {
  readonly model?: string;
  readonly bound?: number;
  readonly strategy: Strategy;
  readonly seed?: number;
  readonly depth?: number;
  readonly executions?: number;
  readonly time?: number;
  readonly steps?: number;
  readonly timeouts?: number;
  readonly freeReads?: number;
  readonly kills?: number;
  readonly reduction: boolean;
  readonly races: boolean;
  readonly stale?: boolean;
  readonly replay?: string;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly fairness?: number;
  readonly starvation?: number;
  readonly coverage?: boolean;
  readonly save?: string;
  readonly resume?: string;
  readonly json?: boolean;
  readonly html?: string;
}

/** Runs the program with its arguments (without node and script). Returns the exit code; never throws for bad input. */
export async function main(argv: readonly string[], io: CliIo = PROCESS_IO): Promise<number> {
  const state = { code: 0 };
  try {
    await buildProgram(io, state).parseAsync([...argv], { from: "user" });
    return state.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    // Whatever the model's module throws while it is loaded is the user's to see.
    io.stderr(`interleave: ${error instanceof InterleaveError ? error.message : textOf(error)}\n`);
    return 2;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function buildProgram(io: CliIo, state: { code: number }): Command {
  const program = new Command("interleave")
    .description("Runs real Atomics code through every interleaving")
    .version(packageVersion())
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .showHelpAfterError("(--help shows the options)");
  withRunOptions(program.command("run <file>").description("check the model that a module exports")).action(
    async (file: string, flags: RunFlags) => {
      state.code = await runFile(io, file, flags);
    },
  );
  program
    .command("merge <files...>")
    .description("merge the JSON reports of all shards of one exploration")
    .option("--json", "the report as JSON")
    .action((files: string[], flags: { json?: boolean }) => {
      const reports = files.map((file) => JSON.parse(readFileSync(file, "utf8")) as Report);
      state.code = tell(io, mergeReports(reports), flags, "interleave run FILE", "shards");
    });
  return program;
}

function withRunOptions(command: Command): Command {
  return command
    .option("--model <name>", "the export that is the model; default the module itself")
    .option("--bound <n>", "most preemptions per execution; without it all", integer(0))
    .addOption(
      new Option("--strategy <name>", "how executions are chosen")
        .choices(["exhaustive", "random", "pct"])
        .default("exhaustive"),
    )
    .option("--seed <n>", "seed of random and pct", integer(0))
    .option("--depth <n>", "priority changes of pct", integer(0))
    .option("--executions <n>", "most executions", integer(1))
    .option("--time <ms>", "most milliseconds", integer(1))
    .option("--steps <n>", "most steps per execution", integer(1))
    .option("--timeouts <n>", "timeouts that may fire while others can run", integer(0))
    .option("--free-reads <n>", "re-reads of an unchanged word before a thread is taken to spin", integer(0))
    .option("--kills <n>", "threads that may die", integer(0))
    .option("--fairness <n>", "most turns in a row that pass over a thread that can go on", integer(1))
    .option("--starvation <n>", "most writes by others to what a thread waits for", integer(0))
    .option("--no-reduction", "run equivalent executions too")
    .option("--no-races", "do not report unsynchronised plain accesses")
    .option("--stale", "plain reads may return older values that the memory model allows")
    .option("--replay <schedule>", "run exactly this schedule")
    .option("--shard <i/n>", "explore part i of n", shard)
    .option("--save <file>", "if it is stopped, by a limit or by Ctrl-C, write where; --resume goes on there")
    .option("--resume <file>", "go on where an exploration with the same options was stopped")
    .option("--coverage", "tell which shared operations of the source were never reached")
    .option("--json", "the report as JSON")
    .option("--html <file>", "write the report as a page to step through");
}

async function runFile(io: CliIo, file: string, flags: RunFlags): Promise<number> {
  const path = resolve(file);
  if (!existsSync(path)) throw new InterleaveError("ENOENT", `run: no file ${file}`);
  const { frontier, ...report } = await interruptibly(flags.save !== undefined, (signal) =>
    check(pathToFileURL(path), optionsOf(io, flags, signal)),
  );
  if (io.stderrIsTty) io.stderr("\r\u001b[K");
  if (flags.save !== undefined) save(io, flags.save, frontier);
  return tell(io, report, flags, `interleave run ${file}${repeated(flags)}`, basename(file));
}

/** Ctrl-C stops an exploration that is saved; the second one ends the program. */
async function interruptibly<T>(
  saved: boolean,
  run: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (!saved) return run(undefined);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal);
  try {
    return await run(stop.signal);
  } finally {
    process.removeListener("SIGINT", onSignal);
  }
}

function save(io: CliIo, file: string, frontier: string | undefined): void {
  if (frontier === undefined)
    io.stderr(`interleave: nothing is left to be explored, ${file} is not written\n`);
  else {
    writeFileSync(file, frontier);
    io.stderr(`interleave: go on with --resume ${file}\n`);
  }
}

/** The options without which a schedule means something else. */
function repeated(flags: RunFlags): string {
  const parts = [
    flags.model === undefined ? "" : ` --model ${flags.model}`,
    flags.kills === undefined ? "" : ` --kills ${flags.kills}`,
    flags.timeouts === undefined ? "" : ` --timeouts ${flags.timeouts}`,
    flags.freeReads === undefined ? "" : ` --free-reads ${flags.freeReads}`,
    flags.steps === undefined ? "" : ` --steps ${flags.steps}`,
    flags.fairness === undefined ? "" : ` --fairness ${flags.fairness}`,
    flags.starvation === undefined ? "" : ` --starvation ${flags.starvation}`,
    flags.stale ? " --stale" : "",
    flags.races ? "" : " --no-races",
  ];
  return parts.join("");
}

function optionsOf(io: CliIo, flags: RunFlags, signal: AbortSignal | undefined): CheckOptions {
  const given = {
    exportName: flags.model,
    bound: flags.bound,
    strategy: flags.strategy,
    seed: flags.seed,
    depth: flags.depth,
    maxExecutions: flags.executions,
    timeMs: flags.time,
    maxSteps: flags.steps,
    timeouts: flags.timeouts,
    freeReads: flags.freeReads,
    kills: flags.kills,
    reduction: flags.reduction ? undefined : false,
    races: flags.races,
    stale: flags.stale,
    replay: flags.replay,
    shard: flags.shard,
    fairness: flags.fairness,
    starvation: flags.starvation,
    coverage: flags.coverage,
    resumable: flags.save === undefined ? undefined : true,
    resume: flags.resume === undefined ? undefined : readFileSync(flags.resume, "utf8"),
    signal,
    onProgress: io.stderrIsTty ? (progress: Progress) => io.stderr(progressLine(progress)) : undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as CheckOptions;
}

function progressLine({ executions, points, elapsedMs }: Progress): string {
  const rate = Math.round((points / elapsedMs) * 1000);
  return `\r\u001b[K${executions} executions, ${rate} steps/s`;
}

function tell(
  io: CliIo,
  report: Report,
  flags: { readonly json?: boolean; readonly html?: string },
  command: string,
  title: string,
): number {
  if (flags.html !== undefined) writeFileSync(flags.html, reportHtml(report, title));
  if (flags.json) io.stdout(`${JSON.stringify(report, null, 2)}\n`);
  else io.stdout(reportText(report, command, paint(io)));
  return report.ok ? 0 : 1;
}

function paint(io: CliIo): Paint {
  const { env } = io;
  return pc.createColors(io.stdoutIsTty && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb");
}

function integer(lowest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= lowest) return value;
    throw new InvalidArgumentError(`must be an integer >= ${lowest}.`);
  };
}

function shard(text: string): { index: number; count: number } {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (index === undefined || Number(index) < 1 || Number(index) > Number(count)) {
    throw new InvalidArgumentError("must be i/n with 1 <= i <= n.");
  }
  return { index: Number(index), count: Number(count) };
}

function packageVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
