import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { chapterFolders } from "../walk/catalog.ts";

const cli = fileURLToPath(new URL("../walk/cli.ts", import.meta.url));

function walk(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const node = [...process.execArgv, "--no-warnings", cli, ...args];
  return spawnSync(process.execPath, node, { encoding: "utf8", env: { ...process.env, LANG: "C.UTF-8" } });
}

it("lists every chapter with its number", () => {
  const { status, stdout } = walk("--list");
  expect(status).toBe(0);
  expect(stdout.trimEnd().split("\n")).toHaveLength(chapterFolders().length);
  expect(stdout).toContain("\n 6  Node A becomes A2\n");
});

it("runs one chapter, whether its number is written 05 or 5", () => {
  const { status, stdout } = walk("--chapter", "05");
  expect(status).toBe(0);
  expect(stdout).toContain("5 - A B-tree of ranges");
  expect(walk("-c", "5").stdout).toBe(stdout);
});

it("prints no escape sequence into a pipe, and only ASCII when asked to", () => {
  const { stdout } = walk("--chapter", "5", "--ascii");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what must not be there
  expect(stdout).not.toMatch(/\u001b/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: everything below 128 is ASCII
  expect(stdout).toMatch(/^[\x00-\x7f]*$/);
});

it("answers misuse with code 2 and one sentence that says what there is", () => {
  const { status, stderr } = walk("--chapter", "99");
  expect(status).toBe(2);
  expect(stderr).toContain("there is no chapter 99; there are 1, 2, 3");
  expect(walk("--nonsense").status).toBe(2);
});
