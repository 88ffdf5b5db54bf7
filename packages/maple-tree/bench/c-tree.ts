/*
 * Builds bench/c/maple.c against a kernel source tree where there is one, and runs it. What it leaves is in a
 * temporary folder.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Entrant } from "./contestants.ts";
import type { Sample } from "./workloads.ts";

/** The kernel's tree, by name. */
export const C_LIBRARY = "Linux maple_tree.c";

const SOURCE = fileURLToPath(new URL("./c/maple.c", import.meta.url));
/** Where Debian's package is unpacked by most. */
export const USUAL_KERNEL = "/usr/src/linux-source-6.12";

/** A sample of the C program; memory comes with the others. */
export interface CSample extends Sample {
  readonly bytesPerRange?: number;
}

/** The C program, or why there is none. */
export interface CTree {
  readonly notice: string | undefined;
  /** Of the kernel source, such as `6.12.117`; empty if unknown. */
  readonly version: string;
  /** As contestants; empty without the program. */
  readonly entrants: readonly Entrant[];
  run(n: number, mode: "local" | "shared"): readonly CSample[];
  close(): void;
}

const missing = (notice: string): CTree => ({
  notice,
  version: "",
  entrants: [],
  run: () => [],
  close: () => {},
});

const entrant = (mode: "local" | "shared"): Entrant => ({
  library: C_LIBRARY,
  mode,
  role: "bound",
  usual: true,
  load: () => Promise.reject(new Error(`${C_LIBRARY} runs in a program of its own`)),
});

/** What the kernel's own makefile would generate for its test-suite. */
function generate(folder: string, shared: string): void {
  const generated = join(folder, "generated");
  mkdirSync(generated);
  writeFileSync(join(generated, "bit-length.h"), "#define CONFIG_64BIT 1\n");
  writeFileSync(join(generated, "map-shift.h"), "#define XA_CHUNK_SHIFT 6\n");
  writeFileSync(join(generated, "autoconf.h"), `#include "${join(shared, "autoconf.h")}"\n`);
}

function versionOf(kernel: string): string {
  const makefile = join(kernel, "Makefile");
  if (!existsSync(makefile)) return "";
  const text = readFileSync(makefile, "utf8");
  const parts = ["VERSION", "PATCHLEVEL", "SUBLEVEL"].map((name) =>
    new RegExp(`^${name} = (\\d+)$`, "m").exec(text),
  );
  return parts.map((match) => match?.[1] ?? "?").join(".");
}

/** Compiles the C program against the kernel source at `path`. Needs gcc and liburcu. */
export function buildCTree(path: string): CTree {
  const kernel = resolve(path);
  const shared = join(kernel, "tools/testing/shared");
  if (!existsSync(join(kernel, "lib/maple_tree.c")) || !existsSync(shared)) {
    return missing(`no kernel source at ${kernel}: the C tree is left out (--kernel PATH)`);
  }
  const folder = mkdtempSync(join(tmpdir(), "faultline-maple-"));
  const close = (): void => rmSync(folder, { recursive: true, force: true });
  generate(folder, shared);
  const includes = [
    shared,
    folder,
    join(folder, "generated"),
    join(kernel, "tools/include"),
    join(kernel, "lib"),
  ];
  const program = join(folder, "maple");
  const { status, stderr } = spawnSync(
    "gcc",
    [
      ...["-O2", "-w", "-D_LGPL_SOURCE", "-DCONFIG_64BIT=1"],
      ...includes.flatMap((each) => ["-I", each]),
      ...[SOURCE, "-o", program, "-lpthread", "-lurcu"],
    ],
    { encoding: "utf8" },
  );
  if (status !== 0) {
    close();
    const why = (stderr ?? "gcc is not installed").trim().split("\n")[0];
    return missing(`the C tree does not build (gcc and liburcu-dev are needed): ${why}`);
  }
  const run = (n: number, mode: "local" | "shared"): readonly CSample[] => {
    const result = spawnSync(program, [String(n), mode], { encoding: "utf8" });
    if (result.status !== 0)
      throw new Error(`${C_LIBRARY}, ${mode}: exit code ${result.status ?? result.signal}`);
    return JSON.parse(result.stdout) as CSample[];
  };
  return {
    notice: undefined,
    version: versionOf(kernel),
    entrants: [entrant("local"), entrant("shared")],
    run,
    close,
  };
}
