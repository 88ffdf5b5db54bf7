// `pnpm check [NAME…]`: what guards quality besides the tests. `--list` prints the names.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const windows = process.platform === "win32";
const checks = {
  types: () => run("turbo", "run", "check", "--output-logs=errors-only"),
  lint: () => run("biome", "ci", "."),
  boundaries: () => run("turbo", "boundaries"),
  unused: () => run("knip", "--no-progress"),
  packages: checkPackedPackages,
};

const names = process.argv.slice(2);
if (names.includes("--list")) {
  process.stdout.write(`${Object.keys(checks).join("\n")}\n`);
  process.exit(0);
}
const unknown = names.find((name) => !(name in checks));
if (unknown !== undefined) {
  process.stderr.write(`check: unknown check "${unknown}"; known: ${Object.keys(checks).join(", ")}\n`);
  process.exit(2);
}
const failures = (names.length > 0 ? names : Object.keys(checks)).filter((name) => {
  process.stderr.write(`check: ${name}\n`);
  return !checks[name]();
});
if (failures.length > 0) process.stderr.write(`check: failed: ${failures.join(", ")}\n`);
process.exit(failures.length > 0 ? 1 : 0);

/** Looks at what a user would install: the tarball, not the folder. */
function checkPackedPackages() {
  if (!run("turbo", "run", "build", "--output-logs=errors-only")) return false;
  const folder = mkdtempSync(join(tmpdir(), "faultline-pack-"));
  try {
    return readdirSync("packages").every((name) => {
      const before = new Set(readdirSync(folder));
      if (!run("pnpm", "--dir", join("packages", name), "pack", "--pack-destination", folder)) return false;
      const tarball = readdirSync(folder).find((file) => !before.has(file));
      const path = join(folder, tarball);
      return (
        run("publint", path, "--strict") && run("attw", path, "--profile", "esm-only", "--format", "ascii")
      );
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(program, ...args) {
  return spawnSync(program, args, { stdio: "inherit", shell: windows }).status === 0;
}
