/*
 * The command line. Results go to stdout, progress and errors to stderr. Exit codes: 0 done; 1 the
 * recording cannot be read, or its replay differs; 2 misuse.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import pc from "picocolors";
import { DESIGNS, designByName, type SimDesign } from "./designs/index.ts";
import { SimError } from "./errors.ts";
import { MACHINES, machineByName } from "./machine/presets.ts";
import { formatDifference } from "./replay/compare.ts";
import { replayWorkload, touchShare } from "./replay/cost.ts";
import { RecordingError } from "./replay/errors.ts";
import { flatSpaces } from "./replay/flat-space.ts";
import { mmSpaces } from "./replay/mm-space.ts";
import { readRecording } from "./replay/recording.ts";
import { replay } from "./replay/replay.ts";
import { svgChart } from "./report/svg-chart.ts";
import { locksTable, resultsTable, textTable } from "./report/table.ts";
import { type Series, textChart } from "./report/text-chart.ts";
import { type RunOptions, type RunResult, sweep } from "./run.ts";
import { WORKLOADS, workloadByName } from "./workloads/index.ts";
import { COSTS } from "./world/costs.ts";

/** Where the program writes; replaced by tests. */
export interface CliIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Is stderr a terminal? Only then there is a progress bar. */
  readonly stderrIsTty: boolean;
  readonly stdoutIsTty: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface SweepFlags {
  readonly designs: string;
  readonly machine: string;
  readonly threads?: number[];
  readonly seed: number;
  readonly ms: number;
  readonly placement?: "fill" | "spread";
  readonly arbitration: "fcfs" | "nearest";
  readonly rwsem: "sleep" | "spin" | "handoff";
  readonly json?: boolean;
  readonly svg?: string;
  readonly ascii?: boolean;
}

const PROCESS_IO: CliIo = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stderrIsTty: process.stderr.isTTY === true,
  stdoutIsTty: process.stdout.isTTY === true,
  env: process.env,
};

/** Runs the program with its arguments (without node and script). Returns the exit code; never throws for bad input. */
export async function main(argv: readonly string[], io: CliIo = PROCESS_IO): Promise<number> {
  const state = { code: 0 };
  const program = buildProgram(io, state);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return state.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof RecordingError || error instanceof SimError || error instanceof RangeError) {
      io.stderr(`fault-sim: ${error.message}\n`);
      return error instanceof RecordingError ? 1 : 2;
    }
    throw error;
  }
}

function buildProgram(io: CliIo, state: { code: number }): Command {
  const program = new Command("fault-sim")
    .description("Simulates page faults under locking designs, and replays strace recordings")
    .version(packageVersion())
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .showHelpAfterError("(--help shows the options)");
  const run = withSweepOptions(
    program
      .command("run")
      .description("simulate a workload over numbers of threads")
      .option("--workload <name>", "see `fault-sim workloads`", "pft"),
  );
  run.option("--pages <n>", "pages per mapping, where the workload has that choice", integer(1, 2 ** 24));
  run.action((flags: SweepFlags & { workload: string; pages?: number }) => {
    runCommand(io, flags);
  });
  const replayCommand = withSweepOptions(
    program
      .command("replay <file>")
      .description("replay an strace recording and tell what its activity costs"),
  );
  replayCommand
    .option(
      "--maps <file>",
      "maps after execve and at exit; default: NAME.maps.json[.gz] beside the recording",
    )
    .option("--lenient", "skip lines that cannot be understood, and a truncated end")
    .option("--touch <share>", "share of mapped pages that get touched, 0..1", share)
    .addOption(
      new Option("--space <which>", "replay on @faultline/mm or on a plain list")
        .choices(["mm", "flat"])
        .default("mm"),
    )
    .option("--no-cost", "only replay and compare")
    .action((file: string, flags: ReplayFlags) => {
      state.code = replayFile(io, file, flags);
    });
  listCommand(io, program, "designs", "list the locking designs", () =>
    DESIGNS.map(({ name, title, updates }) => ({ name, title, "updates per fault": updates })),
  );
  listCommand(io, program, "workloads", "list the workloads", () =>
    WORKLOADS.map(({ name, title }) => ({ name, title })),
  );
  listCommand(io, program, "machines", "list the machines", () =>
    MACHINES.map((spec) => ({
      name: spec.name,
      cpus: String(spec.shape.reduce((a, b) => a * b)),
      title: spec.title,
      source: spec.source,
    })),
  );
  return program;
}

interface ReplayFlags extends SweepFlags {
  readonly maps?: string;
  readonly lenient?: boolean;
  readonly touch?: number;
  readonly cost: boolean;
  readonly space: "mm" | "flat";
}

function withSweepOptions(command: Command): Command {
  return command
    .option("--designs <names>", "designs, comma-separated, or all", "mmap-lock,per-vma-lock")
    .option(
      "--machine <name>",
      "see `fault-sim machines`",
      command.name() === "replay" ? "icelake-128" : "broadwell-56",
    )
    .option("--threads <list>", "numbers of threads, such as 1,2,4 or 1..8", threadList)
    .option("--seed <n>", "seed of all chance", integer(0, Number.MAX_SAFE_INTEGER), 1)
    .option("--ms <n>", "simulated milliseconds per run", integer(1, 3_600_000), 10)
    .addOption(new Option("--placement <how>", "where threads go").choices(["fill", "spread"]))
    .addOption(
      new Option("--arbitration <how>", "who is served next at a line")
        .choices(["fcfs", "nearest"])
        .default("fcfs"),
    )
    .addOption(
      new Option("--rwsem <generation>", "generation of rwsem")
        .choices(["sleep", "spin", "handoff"])
        .default("handoff"),
    )
    .option("--json", "results and frozen costs as JSON")
    .option("--svg <file>", "write the curves as SVG")
    .option("--ascii", "charts in ASCII only");
}

function runCommand(io: CliIo, flags: SweepFlags & { workload: string; pages?: number }): void {
  const workload = workloadByName(flags.workload, flags.pages);
  const results = runSweep(io, flags, workload);
  if (flags.json) io.stdout(toJson(flags, workload.name, results, {}));
  else printSweep(io, flags, `${workload.name} on ${flags.machine}`, results);
  writeSvg(flags, `${workload.name} on ${flags.machine}, seed ${flags.seed}`, results);
}

function replayFile(io: CliIo, file: string, flags: ReplayFlags): number {
  const recording = readRecording(file, {
    ...(flags.maps === undefined ? {} : { maps: flags.maps }),
    lenient: flags.lenient === true,
  });
  for (const bad of recording.bad) io.stderr(`fault-sim: ${file}: line ${bad.line} skipped: ${bad.why}\n`);
  const result = replay(recording, flags.space === "flat" ? flatSpaces : mmSpaces);
  const touch = flags.touch === undefined ? touchShare(recording) : { share: flags.touch, source: "option" };
  const code = result.differences.length > 0 ? 1 : 0;
  const costed = flags.cost && code === 0 && result.activity.length > 0;
  const results = costed ? runSweep(io, flags, replayWorkload(result.activity, touch.share)) : [];
  const { activity, ...summary } = result;
  if (flags.json) {
    io.stdout(
      toJson(flags, "replay", results, { recording: file, touch, skipped: recording.bad, replay: summary }),
    );
  } else {
    const first = result.differences[0];
    const calls = Object.entries(result.calls)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ");
    io.stdout(
      `${file}: ${result.processes} processes, ${result.threads} threads; ${calls || "no calls"}; ${result.failed} failed\n`,
    );
    if (!recording.maps) io.stdout("no recorded maps beside the recording: nothing to compare with\n");
    else
      io.stdout(
        `final maps: ${result.compared - result.differences.length} of ${result.compared} processes equal at every address\n`,
      );
    if (first) io.stdout(`first difference: ${formatDifference(first)}\n`);
    if (costed) {
      io.stdout(`\n${activity.length} mapping changes, repeated by every thread; faults are synthesised: `);
      io.stdout(
        `${Math.round(touch.share * 100)} % of the pages of each mapping are touched (${touch.source})\n\n`,
      );
      printSweep(io, flags, `replay on ${flags.machine}`, results);
    }
  }
  if (costed) writeSvg(flags, `replay on ${flags.machine}, seed ${flags.seed}`, results);
  return code;
}

function runSweep(io: CliIo, flags: SweepFlags, workload: RunOptions["workload"]): RunResult[] {
  const machine = machineByName(flags.machine);
  const cpus = machine.cpus.length;
  const threads = flags.threads ?? defaultThreads(Math.min(cpus, workload.name === "replay" ? 64 : cpus));
  const designs = chosenDesigns(flags.designs);
  for (const count of threads) machine.place(count);
  const options = {
    machine,
    workload,
    seed: flags.seed,
    microseconds: flags.ms * 1000,
    arbitration: flags.arbitration,
    rwsem: flags.rwsem,
    ...(flags.placement === undefined ? {} : { placement: flags.placement }),
  };
  return sweep(options, designs, threads, io.stderrIsTty ? progressBar(io, flags) : undefined);
}

function progressBar(io: CliIo, flags: SweepFlags): (done: number, total: number, what: string) => void {
  const [full, empty] = isAscii(io, flags) ? ["#", "."] : ["█", "░"];
  return (done, total, what) => {
    const filled = Math.round((done / total) * 24);
    const bar = full!.repeat(filled) + empty!.repeat(24 - filled);
    io.stderr(done === total ? "\r\u001b[K" : `\r\u001b[K${bar} ${done}/${total} ${what}`);
  };
}

function printSweep(io: CliIo, flags: SweepFlags, title: string, results: readonly RunResult[]): void {
  const colours = pc.createColors(wantsColour(io));
  io.stdout(`${colours.bold(title)}, seed ${flags.seed}, ${flags.ms} simulated ms\n\n`);
  io.stdout(`${resultsTable(results, colours.cyan)}\n\n`);
  io.stdout(`${textChart(toSeries(results), { ascii: isAscii(io, flags) })}\n\n`);
  io.stdout(`${locksTable(results, colours.cyan)}\n`);
}

function toSeries(results: readonly RunResult[]): Series[] {
  const names = [...new Set(results.map((result) => result.design))];
  return names.map((name) => ({
    name,
    points: results
      .filter((result) => result.design === name)
      .map((result) => [result.threads, result.faultsPerSecond] as const),
  }));
}

function toJson(flags: SweepFlags, workload: string, results: readonly RunResult[], extra: object): string {
  const { seed, ms, arbitration, rwsem } = flags;
  const machine = machineByName(flags.machine).spec;
  const document = {
    format: "fault-sim/1",
    workload,
    machine,
    seed,
    ms,
    arbitration,
    rwsem,
    costsNs: COSTS,
    ...extra,
    results,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function writeSvg(flags: SweepFlags, title: string, results: readonly RunResult[]): void {
  if (flags.svg === undefined) return;
  try {
    writeFileSync(flags.svg, svgChart(title, toSeries(results)));
  } catch (error) {
    throw new SimError(
      "EINVAL",
      `--svg: ${flags.svg} cannot be written (${(error as NodeJS.ErrnoException).code ?? "?"})`,
    );
  }
}

function listCommand(
  io: CliIo,
  program: Command,
  name: string,
  about: string,
  rows: () => Record<string, string>[],
): void {
  const command = program.command(name).description(about).option("--json", "as JSON");
  command.action((flags: { json?: boolean }) => {
    const list = rows();
    const header = Object.keys(list[0] ?? {});
    const colours = pc.createColors(wantsColour(io));
    if (flags.json) io.stdout(`${JSON.stringify(list, null, 2)}\n`);
    else
      io.stdout(
        `${textTable(
          header,
          list.map((row) => header.map((key) => row[key] ?? "")),
          colours.cyan,
        )}\n`,
      );
  });
}

function chosenDesigns(names: string): SimDesign[] {
  if (names === "all") return [...DESIGNS];
  return [...new Set(names.split(","))].map((name) => designByName(name.trim()));
}

function defaultThreads(max: number): number[] {
  const list: number[] = [];
  for (let count = 1; count < max; count *= 2) list.push(count);
  return [...list, max];
}

function threadList(text: string): number[] {
  const list = text.split(",").flatMap((part) => {
    const range = /^(\d+)(?:\.\.(\d+))?$/.exec(part.trim());
    if (!range) throw new InvalidArgumentError(`"${part}" is neither a number nor a range such as 1..8.`);
    const first = Number(range[1]);
    const last = Number(range[2] ?? range[1]);
    if (first < 1 || last > 4096 || last < first)
      throw new InvalidArgumentError(`"${part}" must lie in 1..4096.`);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return [...new Set(list)].sort((a, b) => a - b);
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`must be an integer in ${min}..${max}.`);
    return value;
  };
}

function share(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError("must be a number in 0..1.");
  return value;
}

function wantsColour(io: CliIo): boolean {
  if (io.env["NO_COLOR"]) return false;
  return Boolean(io.env["FORCE_COLOR"]) || (io.stdoutIsTty && io.env["TERM"] !== "dumb");
}

function isAscii(io: CliIo, flags: SweepFlags): boolean {
  const locale = io.env["LC_ALL"] || io.env["LC_CTYPE"] || io.env["LANG"] || "";
  return flags.ascii === true || io.env["TERM"] === "dumb" || !/utf-?8/i.test(locale);
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}
