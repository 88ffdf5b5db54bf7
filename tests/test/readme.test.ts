import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { firstSnippet } from "../readme.mjs";

const packages = new URL("../../packages/", import.meta.url);
const names = readdirSync(packages);

it.each(names)("the first snippet of %s's README prints what the README says", (name) => {
  const snippet = firstSnippet(new URL(`${name}/README.md`, packages));
  if (snippet === undefined) throw new Error(`packages/${name}/README.md has no snippet with its output`);
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
