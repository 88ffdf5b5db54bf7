import { describe, expect, it } from "vitest";
import { torture } from "../torture/run.ts";

describe("torture, the short form", () => {
  it("finds no broken promise in the locks and RCU", async () => {
    const { seen, faults } = await torture({ seconds: 3, workers: 4, seed: 1 });
    expect(faults).toEqual({});
    for (const what of ["SpinLock written", "Mutex written", "RwSem read", "RcuDomain synchronize"]) {
      expect(seen[what], what).toBeGreaterThan(0);
    }
  });

  it("catches a lock that excludes nobody", async () => {
    const { faults } = await torture({ seconds: 60, workers: 4, seed: 2, broken: "lock" });
    expect(Object.keys(faults).join()).toContain("SpinLock");
  });

  it("catches grace periods that end at once", async () => {
    const { faults } = await torture({ seconds: 60, workers: 4, seed: 3, broken: "grace-period" });
    expect(Object.keys(faults).join()).toContain("RcuDomain");
  });

  it("refuses a run of no threads or no time", async () => {
    await expect(torture({ seconds: 1, workers: 1, seed: 4 })).rejects.toThrow("2..64");
    await expect(torture({ seconds: 0, workers: 2, seed: 4 })).rejects.toThrow("seconds");
  });
});
