import { expect, it } from "vitest";
import { type CheckOptions, check } from "../src/index.ts";
import { LITMUS, type Litmus, modelOf } from "./litmus.ts";

it("has all 47 litmus tests", () => {
  expect(LITMUS).toHaveLength(47);
});

async function outcomeOf(test: Litmus, plain: boolean, options: CheckOptions): Promise<string> {
  const seen: boolean[] = [];
  const report = await check(
    modelOf(test, plain, (shown) => void seen.push(shown)),
    options,
  );
  expect(report.failure).toBeUndefined();
  expect(report.exhausted).toBe(true);
  if (seen.length === 0) return "NoFilterMatch";
  return seen.includes(true) ? "Sometimes" : "Never";
}

const rows = LITMUS.map((test) => [test.name, test] as const);

it.each(rows)("%s: its all-Atomics outcome is the listed one", async (_name, test) => {
  for (const reduction of [true, false]) {
    expect(await outcomeOf(test, false, { reduction })).toBe(test.js.atomics);
  }
});

it.each(rows.filter(([, { js }]) => js.plain === "Permitted"))(
  "%s: plain accesses exhibit it",
  async (_name, test) => {
    expect(await outcomeOf(test, true, { stale: true, freeReads: 0 })).toBe("Sometimes");
  },
);

it.each(rows.filter(([, { js }]) => js.plain === "Never"))(
  "%s: stale values do not exhibit it",
  async (_name, test) => {
    expect(await outcomeOf(test, true, { stale: true, freeReads: 0 })).not.toBe("Sometimes");
  },
);
