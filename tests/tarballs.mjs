// What a user gets: every package packed, installed from its tarballs into an empty project, its README's
// first snippet type-checked and run under plain Node 22, 24 and 26. Needs the network; CI runs it.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { firstSnippet } from "./readme.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const versions = ["22", "24", "26"];
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

function nodeBinary(version) {
  const home = join(folder, `node-${version}`);
  const binary = join(home, "node_modules", ".bin", "node");
  if (!existsSync(binary)) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "package.json"), "{}");
    run("npm", ["install", "--no-audit", "--no-fund", "--silent", `node@${version}`], home);
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
