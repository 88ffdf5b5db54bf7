/* Builds bench/c/locks.c where a C compiler is, and runs it. Everything it leaves is in a temporary folder. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("./c/locks.c", import.meta.url));
const URCU = ["-DWITH_URCU", "-lurcu-memb", "-lurcu-mb", "-lurcu-qsbr", "-lurcu-common"];

/** The C program, or what is missing to have it. */
export interface CReference {
  /** What is not measured and why; empty if everything is there. */
  readonly notices: readonly string[];
  /** One run: nanoseconds per operation by name; nothing without a compiler. */
  run(): Readonly<Record<string, number>>;
  /** Removes the program. */
  close(): void;
}

function compile(program: string, libraries: readonly string[]): boolean {
  const { status } = spawnSync("gcc", ["-O2", "-pthread", SOURCE, "-o", program, ...libraries]);
  return status === 0;
}

function runProgram(program: string): Record<string, number> {
  const { status, stdout } = spawnSync(program, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program}: exit code ${status}`);
  return JSON.parse(stdout) as Record<string, number>;
}

/** Compiles the C program, with liburcu if it is installed. */
export function buildC(): CReference {
  const folder = mkdtempSync(join(tmpdir(), "faultline-bench-"));
  const program = join(folder, "locks");
  const close = (): void => rmSync(folder, { recursive: true });
  const run = (): Record<string, number> => runProgram(program);
  if (compile(program, URCU)) return { notices: [], run, close };
  const noUrcu = "liburcu is not installed (apt-get install liburcu-dev): its rows are left out";
  if (compile(program, [])) return { notices: [noUrcu], run, close };
  return { notices: ["gcc is not installed: rows beside C are left out"], run: () => ({}), close };
}
