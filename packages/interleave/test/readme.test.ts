import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { main } from "../src/cli.ts";

const README = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const folder = mkdtempSync(join(tmpdir(), "interleave-readme-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(code: string): Promise<{ code: number; out: string }> {
  const file = join(folder, `spinlock-${code.length}.model.ts`);
  writeFileSync(file, code);
  let out = "";
  const exitCode = await main(["run", file], {
    stdout: (text) => {
      out += text;
    },
    stderr: () => {},
    stderrIsTty: false,
    stdoutIsTty: false,
    env: {},
  });
  return { code: exitCode, out };
}

const withoutTimes = (text: string): string => text.replace(/\d+ ms/, "… ms").trim();

it("its own spinlock is checked as the README says, and so is the broken one", async () => {
  const model = /```ts\n(const LOCK[\s\S]*?)```/.exec(README)![1]!;
  const printed = /\$ npx interleave run spinlock\.model\.ts\n([\s\S]*?)```/.exec(README)![1]!;
  const sound = await run(model);
  expect(sound.code).toBe(0);
  expect(withoutTimes(sound.out)).toBe(withoutTimes(printed));

  const instead = /Replace the loop by `(.+?)` and/.exec(README)![1]!;
  const broken = model.replace(/ {2}while .*\n/, `  ${instead}\n`);
  expect(broken).toContain(instead);
  const failed = await run(broken);
  expect(failed.code).toBe(1);
  expect(failed.out).toMatch(/^race: /m);
});
