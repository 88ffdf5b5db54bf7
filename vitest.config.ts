import { existsSync, readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { packageProject } from "./vitest.shared.ts";

// From this file, not from the working directory: a package's script runs vitest from its own folder.
const at = (folder: string): URL => new URL(`${folder}/`, import.meta.url);
const folders = [...readdirSync(at("packages")).map((name) => `packages/${name}`), "examples", "tests"];

export default defineConfig({
  test: {
    projects: folders
      .filter((folder) => existsSync(at(`${folder}/test`)))
      .map((folder) => packageProject(folder, at(folder))),
  },
});
