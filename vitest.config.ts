import { defineConfig } from "vitest/config";
import { packageProject } from "./vitest.shared.ts";

const folders = ["packages/sync", "packages/arena", "tests"];

export default defineConfig({
  test: {
    projects: folders.map((folder) =>
      packageProject(
        `@faultline/${folder.replace("packages/", "")}`,
        new URL(`${folder}/x`, import.meta.url).href,
      ),
    ),
  },
});
