import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { main } from "../src/cli.ts";
import type { Report } from "../src/index.ts";

const CLI = new URL("../src/cli.ts", import.meta.url).href;
const WRITER = fileURLToPath(new URL("../gallery/writer-starvation.model.ts", import.meta.url));
const PETERSON = fileURLToPath(new URL("../gallery/peterson.model.ts", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "interleave-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(argv, {
    stdout: (text) => void out.push(text),
    stderr: (text) => void err.push(text),
    stderrIsTty: false,
    stdoutIsTty: false,
    env: {},
  });
  return { code, out: out.join(""), err: err.join("") };
}

it("exits with 0 when everything holds", async () => {
  const { code, out } = await run("run", PETERSON, "--model", "fixed");
  expect(code).toBe(0);
  expect(out).toMatch(/^holds in every interleaving: \d+ executions/);
});

it("exits with 1 on a violation, and prints the schedule and how to replay it", async () => {
  const { code, out } = await run("run", PETERSON, "--model", "broken");
  expect(code).toBe(1);
  expect(out).toMatch(/^step\s+thread 0\s+thread 1\s+source$/m);
  expect(out).toMatch(/store Int32\[2\] 1 .*peterson\.model\.ts:\d+$/m);
  const schedule = /--model broken --replay "([^"]+)"/.exec(out)![1]!;
  const again = await run("run", PETERSON, "--model", "broken", "--replay", schedule);
  expect(again.code).toBe(1);
  expect(again.out.split("\n\n").slice(1)).toEqual(out.split("\n\n").slice(1));
});

it("says nothing more than it knows within a bound", async () => {
  const { code, out } = await run("run", PETERSON, "--model", "fixed", "--bound", "1");
  expect(code).toBe(0);
  expect(out).toMatch(/^nothing found within 1 preemptions: /);
});

it("prints JSON, and a page to step through", async () => {
  const page = join(folder, "report.html");
  const { code, out } = await run("run", PETERSON, "--model", "broken", "--json", "--html", page);
  expect(code).toBe(1);
  expect((JSON.parse(out) as Report).failure?.kind).toBe("exception");
  expect(readFileSync(page, "utf8")).toContain("<th>thread 1</th>");
});

it("merges the reports of shards", async () => {
  const files = [];
  for (const part of ["1/2", "2/2"]) {
    const file = join(folder, `${part[0]}.json`);
    writeFileSync(file, (await run("run", PETERSON, "--model", "fixed", "--shard", part, "--json")).out);
    files.push(file);
  }
  const { code, out } = await run("merge", ...files);
  expect(code).toBe(0);
  expect(out).toMatch(/^holds in every interleaving/);
});

it("tells what was never reached, if asked", async () => {
  const { code, out } = await run("run", PETERSON, "--model", "fixed", "--coverage");
  expect(code).toBe(0);
  expect(out).toMatch(/^reached \d+ of \d+ shared operations in the source$/m);
  expect(out).toMatch(/^never reached: peterson\.model\.ts:\d+ /m);
});

it("finds starvation and livelocks with the limits that are given", async () => {
  const starved = await run("run", WRITER, "--model", "broken", "--starvation", "2");
  expect(starved.code).toBe(1);
  expect(starved.out).toMatch(/^starvation: thread 0 is kept waiting/m);
  expect(starved.out).toMatch(/--model broken --starvation 2 --replay/);
  expect((await run("run", WRITER, "--model", "fixed", "--starvation", "2")).code).toBe(0);
  const fair = await run("run", WRITER, "--model", "fixed", "--fairness", "3");
  expect(fair.out).toMatch(/^nothing found within fairness 3: /);
});

it("saves where it was stopped and goes on there", async () => {
  const file = join(folder, "frontier.json");
  const model = join(folder, "adders.model.mjs");
  writeFileSync(
    model,
    `export const setup = () => new Int32Array(new SharedArrayBuffer(4));
     const add = (w) => { for (let i = 0; i < 4; i++) Atomics.add(w, 0, 1); };
     export const threads = [add, add];`,
  );
  const runs = async (...more: string[]): Promise<Report & { readonly err: string }> => {
    const { code, out, err } = await run("run", model, "--json", "--no-reduction", ...more);
    expect(code).toBe(0);
    return { ...(JSON.parse(out) as Report), err };
  };
  const whole = await runs();
  const first = await runs("--executions", "20", "--save", file);
  expect(first.err).toContain(`go on with --resume ${file}`);
  expect(first).not.toHaveProperty("frontier");
  const last = await runs("--resume", file, "--save", join(folder, "end.json"));
  expect(last.err).toMatch(/nothing is left to be explored/);
  expect(existsSync(join(folder, "end.json"))).toBe(false);
  expect(last.exhausted).toBe(true);
  expect([first.executions + last.executions, whole.executions]).toEqual([70, 70]);
});

it("is stopped by Ctrl-C, saved and gone on with", async () => {
  const file = join(folder, "frontier.json");
  const model = join(folder, "big.model.mjs");
  writeFileSync(
    model,
    `let told = false;
     export const setup = () => {
       if (!told) console.error("running");
       told = true;
       return new Int32Array(new SharedArrayBuffer(4));
     };
     const add = (w) => { for (let i = 0; i < 8; i++) Atomics.add(w, 0, 1); };
     export const threads = [add, add, add];`,
  );
  // A program of its own, because the signal is the process's.
  const argv = JSON.stringify(["run", model, "--executions", "1000000000", "--save", file]);
  const code = `const { main } = await import(${JSON.stringify(CLI)}); process.exitCode = await main(${argv});`;
  const cli = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", code]);
  let out = "";
  cli.stdout.on("data", (data: Buffer) => {
    out += data.toString();
  });
  cli.stderr.once("data", () => cli.kill("SIGINT"));
  const [exitCode] = (await once(cli, "close")) as [number | null];
  expect(exitCode).toBe(0);
  expect(out).toMatch(/^nothing found within an interruption: [1-9]/);
  expect((await run("run", model, "--resume", file, "--executions", "10")).code).toBe(0);
});

it.each([
  [["run"], /missing required argument/],
  [["run", "nowhere.model.ts"], /no file nowhere/],
  [["run", PETERSON], /has no function setup/],
  [["run", PETERSON, "--model", "missing"], /exports no model missing/],
  [["run", PETERSON, "--model", "fixed", "--bound", "-1"], /integer >= 0/],
  [["run", PETERSON, "--model", "fixed", "--shard", "3/2"], /must be i\/n/],
  [["run", PETERSON, "--model", "fixed", "--replay", "x"], /no step of a schedule/],
  [["run", PETERSON, "--model", "fixed", "--replay", "7"], /cannot do that/],
  [["run", PETERSON, "--model", "fixed", "--resume", "nowhere.json"], /ENOENT/],
  [["run", PETERSON, "--model", "fixed", "--resume", PETERSON], /not a saved exploration/],
  [["run", PETERSON, "--model", "fixed", "--fairness", "0"], /integer >= 1/],
  [["merge", "nowhere.json"], /ENOENT/],
])("exits with 2 on misuse: %j", async (argv, message) => {
  const { code, err } = await run(...argv);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
