import { expect, it } from "vitest";
import { check, type Model, mergeReports } from "../src/index.ts";

function recorded(): { readonly model: Model<Int32Array>; readonly outcomes: Set<string> } {
  const outcomes = new Set<string>();
  const thread = (index: number) => (w: Int32Array) =>
    [0, 1, 2, 3].map((i) => Atomics.exchange(w, i % 2, 10 * index + i));
  return {
    outcomes,
    model: {
      setup: () => new Int32Array(new SharedArrayBuffer(8)),
      threads: [thread(1), thread(2)],
      after: (w, results) => void outcomes.add(JSON.stringify([[...w], results])),
    },
  };
}

it.each([true, false])(
  "shards together explore what one machine explores (reduction %s)",
  async (reduction) => {
    const whole = recorded();
    const one = await check(whole.model, { reduction });
    const parts = recorded();
    const reports = [];
    for (let index = 1; index <= 3; index++) {
      reports.push(await check(parts.model, { reduction, shard: { index, count: 3 } }));
    }
    expect(parts.outcomes).toEqual(whole.outcomes);
    const merged = mergeReports(reports);
    expect(merged).toMatchObject({ ok: true, exhausted: true });
    if (!reduction) expect(merged.executions).toBe(one.executions);
    for (const report of reports) expect(report.executions).toBeLessThan(one.executions);
    expect(mergeReports(reports.slice(1), 3)).toMatchObject({ exhausted: false, limits: ["2 of 3 shards"] });
  },
);

it("shards together have reached what any of them has, and seen the races that any of them has", async () => {
  const branching = new URL("./models/branching.model.ts", import.meta.url);
  const [one, two] = [await check(branching, { coverage: true }), await check(branching, { coverage: true })];
  const place = { at: "branching.model.ts:8", operation: "Atomics.sub" };
  const elsewhere = { at: "branching.model.ts:6", operation: "Atomics.add" };
  const parts = [
    { ...one, coverage: { reached: 2, missed: [place, elsewhere] }, intended: [{ at: "a:1", reason: "a" }] },
    { ...two, coverage: { reached: 3, missed: [place] }, intended: [{ at: "a:1", reason: "a" }] },
  ];
  expect(mergeReports(parts)).toMatchObject({
    coverage: { reached: 3, missed: [place] },
    intended: [{ at: "a:1", reason: "a" }],
  });
  expect(mergeReports([one, { ...two, coverage: one.coverage! }]).coverage).toEqual(one.coverage);
});
