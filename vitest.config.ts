import { defineConfig } from "vitest/config";
import { packageProject } from "./vitest.shared.ts";

const folders = ["packages/sync", "packages/arena"];

export default defineConfig({
  test: {
    projects: folders.map((folder) =>
      packageProject(folder.replace("packages", "@faultline"), new URL(`${folder}/x`, import.meta.url).href),
    ),
  },
});
