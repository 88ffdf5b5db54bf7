import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { main } from "../src/cli.ts";
import type { Report } from "../src/index.ts";

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

it.each([
  [["run"], /missing required argument/],
  [["run", "nowhere.model.ts"], /no file nowhere/],
  [["run", PETERSON], /has no function setup/],
  [["run", PETERSON, "--model", "missing"], /exports no model missing/],
  [["run", PETERSON, "--model", "fixed", "--bound", "-1"], /integer >= 0/],
  [["run", PETERSON, "--model", "fixed", "--shard", "3/2"], /must be i\/n/],
  [["run", PETERSON, "--model", "fixed", "--replay", "x"], /no step of a schedule/],
  [["run", PETERSON, "--model", "fixed", "--replay", "7"], /cannot do that/],
  [["merge", "nowhere.json"], /ENOENT/],
])("exits with 2 on misuse: %j", async (argv, message) => {
  const { code, err } = await run(...argv);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
