import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { snippets } from "../readme.mjs";

const packages = new URL("../../packages/", import.meta.url);
const names = readdirSync(packages);

const cases = names.flatMap((name) =>
  snippets(new URL(`${name}/README.md`, packages)).map((snippet, i) => ({ name, number: i + 1, snippet })),
);

it.each(names)("the README of %s has a snippet", (name) => {
  expect(cases.some((each) => each.name === name)).toBe(true);
});

it.each(cases)("snippet $number of $name's README prints what the README says", ({ snippet }) => {
  // The file lies inside this package so that the snippet's imports resolve as a user's would.
  const folder = mkdtempSync(join(fileURLToPath(new URL("..", import.meta.url)), ".snippet-"));
  try {
    const file = join(folder, "snippet.ts");
    writeFileSync(file, snippet.code);
    const args = ["--conditions=@faultline/source", "--no-warnings", file];
    expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe(snippet.output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
