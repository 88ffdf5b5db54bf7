// Everything between a fresh clone and a running command, for `npm start` and `npm test`.
// Plain JavaScript for Node 20 and without dependencies: it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const stamp = join(root, "node_modules", ".faultline-installed");
const windows = process.platform === "win32";

// The pinned Node in node_modules/.bin comes first, so that every tool runs on it whatever the machine has.
const env = {
  ...process.env,
  PATH: `${bin}${delimiter}${process.env.PATH ?? ""}`,
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
};

const [command = "", ...rest] = process.argv.slice(2);
const tasks = {
  start: () => {
    run("turbo", ["run", "build", "--output-logs=errors-only"], "building the packages");
    run(join("examples", "node_modules", ".bin", "tsx"), [join("examples", "walk", "cli.ts"), ...rest]);
  },
  test: () => run("turbo", ["run", "test", ...rest], "building, then running every test"),
};

requirePrerequisites();
const task = tasks[command];
if (task === undefined) fail(`unknown command "${command}"; known: ${Object.keys(tasks).join(", ")}`);
install();
task();

function requirePrerequisites() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) fail(`Faultline needs Node 20 or later, this is ${process.version}.`);
  if (spawnSync("git", ["--version"], { stdio: "ignore" }).status !== 0) {
    fail("Faultline needs git on the PATH: the build cache reads the repository through it.");
  }
}

/** Installs once per lockfile: the stamp holds a hash of everything the install depends on. */
function install() {
  const wanted = installHash();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const args = ["-y", packageManager, "install", "--frozen-lockfile"];
  run("npx", args, "installing the pinned toolchain (once)");
  writeFileSync(stamp, wanted);
}

function installHash() {
  const manifests = ["packages", "."]
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name, "package.json")))
    .concat("package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml");
  const hash = createHash("sha256");
  for (const file of manifests.sort()) {
    const path = join(root, file);
    if (file.includes("node_modules") || !existsSync(path)) continue;
    hash.update(file).update(readFileSync(path));
  }
  return hash.digest("hex");
}

function run(program, args, what) {
  if (what !== undefined) process.stderr.write(`faultline: ${what}\n`);
  const { status, error } = spawnSync(program, args, { cwd: root, env, stdio: "inherit", shell: windows });
  if (error !== undefined) fail(`could not run ${program}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  process.stderr.write(`faultline: ${message}\n`);
  process.exit(1);
}
