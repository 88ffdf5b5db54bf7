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

const words = (count: number) => (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * count));

it("shows no thread what is neither in memory nor written later, not even until it throws", async () => {
  // What is published is ordered by the load that finds it: 7 is past, and nobody writes it again.
  const report = await check(
    {
      setup: words(2),
      threads: [
        (w) => {
          w[0] = 7;
          w[0] = 1;
          Atomics.store(w, 1, 1);
        },
        (w) => {
          if (Atomics.load(w, 1) === 1 && Atomics.load(w, 0) !== 1)
            throw new Error("it is told what is past");
        },
      ],
    },
    { stale: true },
  );
  expect(report.failure).toBeUndefined();
  expect(report.exhausted).toBe(true);
});

it("believes an exception once what the thread was told is written", async () => {
  const report = await check(
    {
      setup: words(2),
      threads: [
        (w) => {
          const seen = w[0];
          w[1] = 1;
          if (seen === 1) throw new Error("it was told early");
        },
        (w) => {
          w[1] = 0;
          w[0] = 1;
        },
      ],
    },
    { stale: true },
  );
  expect(report.failure).toMatchObject({ kind: "exception", message: /told early/ });
});
