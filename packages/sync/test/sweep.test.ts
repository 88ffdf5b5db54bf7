import { describe, expect, it } from "vitest";
import { KINDS } from "../sweep/kinds.ts";
import { sweep } from "../sweep/run.ts";

// Starting a thread takes half a second where many tests run beside this one.
describe("the termination sweep, the short form", { timeout: 300_000 }, () => {
  it("finds no lock that hangs, lies or forgets a death", async () => {
    const { faults, deaths, reported, kinds } = await sweep({ deaths: 16, workers: 4, seed: 1 });
    expect(faults).toEqual([]);
    expect(deaths).toBeGreaterThanOrEqual(16);
    expect(reported).toBe(deaths);
    expect(kinds.map((kind) => kind.name)).toEqual(KINDS.map((kind) => kind.name));
    for (const kind of kinds) expect(kind.turns, kind.name).toBeGreaterThan(0);
  });

  it("catches a lock that takes the dead for alive", async () => {
    const { faults } = await sweep({ deaths: 500, workers: 4, seed: 2, broken: "deaf", patienceMs: 3_000 });
    expect(faults.join()).toMatch(/lane \d hangs in RobustSpinLock\(held by \d+/);
  });

  it("catches a lock that does not tell the next owner", async () => {
    const { faults } = await sweep({ deaths: 500, workers: 4, seed: 3, broken: "silent" });
    expect(faults.join()).toContain("half a change");
  });

  it("refuses a sweep of no deaths, too few threads or an unknown lock", async () => {
    await expect(sweep({ deaths: 0, workers: 4, seed: 1 })).rejects.toThrow("deaths");
    await expect(sweep({ deaths: 1, workers: 1, seed: 1 })).rejects.toThrow("2..32");
    await expect(sweep({ deaths: 1, workers: 2, seed: 1, lock: "none" })).rejects.toThrow("--lock must be");
  });
});
