// What a user gets: every package packed, installed from its tarballs into an empty project, its README's
// first snippet type-checked and run under plain Node 22, 24 and 26; and threads that share memory under Node, Bun
// and Deno. Needs the network; CI runs it.
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { firstSnippet } from "./readme.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const versions = ["22", "24", "26"];
/** Runtimes beside Node, as npm has them, and how each runs a program. */
const runtimes = [
  { name: "bun", spec: "bun@1", args: [] },
  { name: "deno", spec: "deno@2", args: ["run", "-A"] },
];
/** What runtimes/threads.mjs prints for each backend: what is over in two counts, what both workers read, violations. */
const threadsPrint = "1 0 js 49600 js 49600 0\n1 0 wasm 49600 wasm 49600 0\n";
const folder = mkdtempSync(join(tmpdir(), "faultline-user-"));
// A user's machine knows nothing of this workspace's pinned Node.
const run = (program, args, cwd = folder) => execFileSync(program, args, { cwd, encoding: "utf8" });
let passed = 0;
let failed = 0;

try {
  const tarballs = join(folder, "tarballs");
  mkdirSync(tarballs);
  const names = readdirSync(join(root, "packages"));
  for (const name of names) {
    run("pnpm", ["pack", "--pack-destination", tarballs], join(root, "packages", name));
  }
  const files = readdirSync(tarballs).map((file) => join(tarballs, file));
  for (const name of names) {
    const snippet = firstSnippet(new URL(`../packages/${name}/README.md`, import.meta.url));
    if (snippet === undefined) throw new Error(`packages/${name}/README.md has no snippet with its output`);
    checkPackage(name, snippet, files);
  }
  checkThreads(join(folder, "maple-tree"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed > 0 ? 1 : 0);

function checkPackage(name, { code, output }, files) {
  const project = join(folder, name);
  mkdirSync(project);
  const manifest = { name: "user", private: true, type: "module" };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(project, "snippet.ts"), code);
  const compiler = { module: "nodenext", target: "es2022", strict: true, noEmit: true, types: ["node"] };
  compiler.lib = ["es2024", "esnext.disposable"];
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: compiler }));
  const tools = ["typescript@7", "@types/node@24"];
  attempt(`${name}: installs from its tarballs`, () => {
    run("npm", ["install", "--no-audit", "--no-fund", "--silent", ...files, ...tools], project);
  });
  attempt(`${name}: the snippet's types resolve`, () =>
    run(join("node_modules", ".bin", "tsc"), [], project),
  );
  for (const version of versions) {
    attempt(`${name}: the snippet runs on Node ${version}`, () => {
      const printed = run(nodeBinary(version), ["--no-warnings", "snippet.ts"], project);
      if (printed !== output) throw new Error(`printed:\n${printed}\nREADME says:\n${output}`);
    });
  }
}

/** The project is one that has the tarballs installed. */
function checkThreads(project) {
  copyFileSync(new URL("runtimes/threads.mjs", import.meta.url), join(project, "threads.mjs"));
  const check = (runtime, binary, args) =>
    attempt(`threads share memory under ${runtime}`, () => {
      const printed = run(binary(), [...args, "threads.mjs"], project);
      if (printed !== threadsPrint) throw new Error(`printed:\n${printed}\nexpected:\n${threadsPrint}`);
    });
  for (const version of versions) check(`Node ${version}`, () => nodeBinary(version), []);
  for (const { name, spec, args } of runtimes) check(name, () => installed(name, spec), args);
}

function nodeBinary(version) {
  return installed("node", `node@${version}`);
}

/** Path of a program that npm has. */
function installed(program, spec) {
  const home = join(folder, spec);
  const binary = join(home, "node_modules", ".bin", program);
  if (!existsSync(binary)) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "package.json"), "{}");
    run("npm", ["install", "--no-audit", "--no-fund", "--silent", spec], home);
  }
  return binary;
}

function attempt(what, action) {
  try {
    action();
    passed += 1;
    process.stdout.write(`ok ${what}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAILED ${what}\n${error.message}\n${error.stdout ?? ""}\n`);
  }
}
