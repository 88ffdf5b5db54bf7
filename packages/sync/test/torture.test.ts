import { describe, expect, it } from "vitest";
import { torture } from "../torture/run.ts";

describe("torture, the short form", () => {
  it("finds no broken promise in the locks and RCU", async () => {
    const { seen, faults } = await torture({ seconds: 3, workers: 4, seed: 1 });
    expect(faults).toEqual({});
    const whats = [
      "SpinLock written",
      "Mutex written",
      "RwSem read",
      "RwSem trylock storms in vain",
      "Mutex taken by a task",
      "RwSem aborts",
      "TicketLock written",
      "McsLock written",
      "QSpinLock written",
      "Semaphore written",
      "PerWorkerRwSem read",
      "RobustMutex written",
      "deaths reported",
      "bursts of mortals",
    ];
    for (const kind of ["RcuDomain (mb)", "RcuDomain (qsbr)", "SrcuDomain"]) {
      for (const what of ["sections", "synchronize", "waitCookieAsync", "stalled readers"]) {
        whats.push(`${kind} ${what}`);
      }
    }
    for (const kind of ["mb", "qsbr", "srcu"]) whats.push(`${kind}: stall reports that name the staller`);
    const missing = whats.filter((what) => !((seen[what] ?? 0) > 0));
    expect(missing).toEqual([]);
  });

  it("catches a lock that excludes nobody", async () => {
    const { faults } = await torture({ seconds: 60, workers: 4, seed: 2, broken: "lock" });
    expect(Object.keys(faults).join()).toContain("SpinLock");
  });

  it("catches grace periods that end at once", async () => {
    const { faults } = await torture({ seconds: 60, workers: 4, seed: 3, broken: "grace-period" });
    expect(Object.keys(faults).join()).toMatch(
      /ended before a section|element that was gone|saw an element go/,
    );
  });

  it("catches domains that are told of no death", async () => {
    const options = { workers: 3, seed: 5, broken: "death", stuckMs: 4_000 } as const;
    const { faults } = await torture({ seconds: 60, ...options });
    expect(Object.keys(faults).join()).toMatch(/a grace period has not ended|is stuck/);
  });

  it("catches stall reports that get lost", async () => {
    const { faults } = await torture({ seconds: 60, workers: 3, seed: 6, broken: "stall", stuckMs: 6_000 });
    expect(Object.keys(faults).join()).toContain("no report names a reader that stalls");
  });

  it("refuses a run of no threads or no time", async () => {
    await expect(torture({ seconds: 1, workers: 1, seed: 4 })).rejects.toThrow("2..64");
    await expect(torture({ seconds: 0, workers: 2, seed: 4 })).rejects.toThrow("seconds");
  });
});
