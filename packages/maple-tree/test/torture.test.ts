import { expect, it } from "vitest";
import { torture } from "../torture/run.ts";

const SECONDS = Number(process.env["FAULTLINE_STRESS_SECONDS"] ?? 10);

// The long form is `pnpm torture:maple --minutes 5`.
it.each([{ wasm: false }, { wasm: true }])(
  "readers and writers that are terminated anywhere leave a tree that others go on with, wasm: $wasm",
  {
    timeout: SECONDS * 1000 + 120_000,
  },
  async ({ wasm }) => {
    const report = await torture({ seconds: SECONDS / 2, readers: 2, seed: 20221124, wasm });
    expect(report.faults).toEqual([]);
    expect(report.reads).toBeGreaterThan(0);
    expect(report.writes).toBeGreaterThan(0);
    expect(report.writersKilled + report.readersKilled).toBeGreaterThan(0);
  },
);
