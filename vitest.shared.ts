import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { defineProject, type UserWorkspaceConfig } from "vitest/config";

/** Packages import each other through this condition, so tests run on source and need no build. */
const SOURCE_CONDITION = "@faultline/source";

/** One vitest project: the `test/` folder of `folder`, run on source. */
export function packageProject(folder: string, url: URL): UserWorkspaceConfig {
  return defineProject({
    root: fileURLToPath(url),
    resolve: { conditions: [SOURCE_CONDITION] },
    ssr: { resolve: { conditions: [SOURCE_CONDITION, "node", "import", "default"] } },
    test: {
      name: `@faultline/${basename(folder)}`,
      include: ["test/**/*.test.ts"],
      environment: "node",
      pool: "forks",
      // Real workers and replays of long traces run on machines of two noisy cores: no test may fail for being slow.
      testTimeout: 120_000,
      hookTimeout: 120_000,
      // V8 13.6 at times aborts when it frees WebAssembly code ("jit_page_->allocations_.erase(addr) == 1",
      // nodejs/node#64500), that of the test runner's own lexers included; so it keeps it.
      execArgv: [`--conditions=${SOURCE_CONDITION}`, "--no-wasm-code-gc"],
    },
  });
}
