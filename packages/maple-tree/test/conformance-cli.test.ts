import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const data = fileURLToPath(new URL("data/", import.meta.url));
const cli = fileURLToPath(new URL("../conformance/cli.ts", import.meta.url));

function run(...files: string[]): { lines: string[]; code: number | null } {
  const args = ["--import", "tsx", "--conditions=@faultline/source", cli, ...files];
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, INIT_CWD: data },
  });
  return { lines: stdout.trim().split("\n"), code: status };
}

describe("pnpm conformance:maple", () => {
  it("takes all formats, names what needs other indices, and ends with the counts", () => {
    const { lines, code } = run(
      "random/tiny-alloc-103.jsonl.gz",
      "kernel-suite/111-check_state_handling.jsonl.gz",
      "kernel-suite/002-check_bulk_rebalance.jsonl.gz",
    );
    expect(lines[0]).toMatch(/^passed random\/tiny-alloc-103\.jsonl\.gz: \d+ operations, \d+ dumps/);
    expect(lines[1]).toMatch(/^passed kernel-suite\/111/);
    expect(lines[2]).toMatch(/^unsupported .*: check_bulk_rebalance needs index 9223372036854775807/);
    expect(lines.slice(3)).toEqual(["1 unsupported: indices above 2^53-1", "2 passed, 0 failed"]);
    expect(code).toBe(0);
  });

  it("fails for a file that is no trace, and for one that is not there", () => {
    const { lines, code } = run("layout-vectors.json", "missing.jsonl");
    expect(lines.at(-1)).toBe("0 passed, 2 failed");
    expect(code).toBe(1);
  });
});
