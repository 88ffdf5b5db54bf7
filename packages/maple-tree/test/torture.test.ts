import { expect, it } from "vitest";
import { torture } from "../torture/run.ts";

const SECONDS = Number(process.env["FAULTLINE_STRESS_SECONDS"] ?? 10);

// The long form is `pnpm torture:maple --minutes 5`.
it("readers and writers that are terminated anywhere leave a tree that others go on with", {
  timeout: SECONDS * 1000 + 120_000,
}, async () => {
  const report = await torture({ seconds: SECONDS, readers: 2, seed: 20221124 });
  expect(report.faults).toEqual([]);
  expect(report.reads).toBeGreaterThan(0);
  expect(report.writes).toBeGreaterThan(0);
  expect(report.writersKilled + report.readersKilled).toBeGreaterThan(0);
});
