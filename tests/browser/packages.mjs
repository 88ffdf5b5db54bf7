// Where the built packages are, by the names a user imports them under. Read from each package's `exports`,
// so that the page gets what a bundler or Node would get, subpaths included.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const NAMES = ["sync", "arena", "maple-tree"];
const root = new URL("../../packages/", import.meta.url);

/** Folder of a package the page may read, or `undefined`. */
export function folderOf(name) {
  return NAMES.includes(name) ? new URL(`${name}/`, root) : undefined;
}

/** Import specifier to path on the server, relative to where packages are served: `sync/dist/index.js`. */
export function builtFiles() {
  const files = new Map();
  for (const name of NAMES) {
    const manifest = JSON.parse(readFileSync(new URL("package.json", folderOf(name)), "utf8"));
    for (const [subpath, target] of Object.entries(manifest.exports)) {
      if (typeof target === "object")
        files.set(manifest.name + subpath.slice(1), name + target.default.slice(1));
    }
  }
  return files;
}

/** The first file that a build would have made and is not there, or `undefined`. */
export function missingFile() {
  return [...builtFiles().values()].find((path) => !existsSync(fileURLToPath(new URL(path, root))));
}
