import { PAGE_SIZE, PROT } from "@faultline/mm";
import { describe, expect, it } from "vitest";
import {
  DESIGNS,
  designByName,
  machineByName,
  pageFault1,
  pft,
  type RunResult,
  runOnce,
  sumOf,
  sweep,
  type Workload,
} from "../src/index.ts";

const KERNEL = ["mmap-lock", "per-vma-lock"].map(designByName);

function rates(results: readonly RunResult[], design: string): number[] {
  return results.filter((result) => result.design === design).map((result) => result.faultsPerSecond / 1e6);
}

describe("pft on broadwell-56", () => {
  const threads = [1, 4, 7, 12, 21, 30, 48, 56];
  const results = sweep(
    { machine: machineByName("broadwell-56"), workload: pft, microseconds: 4000 },
    KERNEL,
    threads,
  );
  const oneLock = rates(results, "mmap-lock");
  const perVma = rates(results, "per-vma-lock");

  it("comes within 15 per cent of the published throughput, except where the published curve dips", () => {
    const published = [0.51, 1.88, 3.11, 4.06, 3.99, 3.91, 4.76, 4.89];
    threads.forEach((count, i) => {
      const band = count === 21 || count === 30 ? 0.25 : 0.15;
      expect(Math.abs(perVma[i]! / published[i]! - 1), `${count} threads: ${perVma[i]}`).toBeLessThan(band);
    });
  });

  it("has the same plateau under both designs (claim Q1)", () => {
    threads.forEach((_, i) => {
      expect(Math.abs(perVma[i]! / oneLock[i]! - 1)).toBeLessThan(0.3);
    });
  });

  it("reaches the plateau by 16 threads, at 1 / (2 x hand-over) within 30 per cent (claim Q2)", () => {
    const half = (45.2 + 127.5) / 2;
    const ceiling = 1000 / (2 * (half + 20));
    expect(Math.abs(oneLock.at(-1)! / ceiling - 1)).toBeLessThan(0.3);
    expect(oneLock[4]!).toBeGreaterThan(0.9 * Math.max(...oneLock));
  });

  it("doubles the plateau, wrongly, when the nearest waiter is served first", () => {
    const options = {
      machine: machineByName("broadwell-56"),
      workload: pft,
      microseconds: 2000,
      threads: 56,
    };
    const nearest = runOnce({ ...options, design: designByName("mmap-lock"), arbitration: "nearest" });
    expect(nearest.faultsPerSecond / 1e6 / oneLock.at(-1)!).toBeGreaterThan(1.5);
  });
});

describe("page-fault1 on icelake-128", () => {
  const results = sweep(
    { machine: machineByName("icelake-128"), workload: pageFault1(1024), microseconds: 6000 },
    KERNEL,
    [1, 8, 32, 64],
  );
  const oneLock = rates(results, "mmap-lock");
  const perVma = rates(results, "per-vma-lock");

  it("stops growing under one lock (claim Q5)", () => {
    expect(oneLock[3]! / oneLock[1]!).toBeLessThan(1.5);
  });

  it("grows on under a lock per VMA, and the gap grows with the cores (claim Q6)", () => {
    const gaps = perVma.map((rate, i) => rate / oneLock[i]!);
    expect(gaps[0]!).toBeCloseTo(1, 1);
    expect(gaps[1]!).toBeGreaterThan(1.2);
    expect(gaps[2]!).toBeGreaterThan(gaps[1]!);
    expect(gaps[3]!).toBeGreaterThan(2);
  });

  it("accounts for every picosecond of every thread", () => {
    for (const result of results) expect(sumOf(result.breakdown)).toBe(result.threads * 6000 * 1_000_000);
  });
});

describe("pft under the designs that are not in the kernel", () => {
  const results = sweep(
    { machine: machineByName("broadwell-56"), workload: pft, microseconds: 2000 },
    DESIGNS,
    [1, 56],
  );
  const at56 = (name: string): number => rates(results, name)[1]!;

  it("starts from the same rate, the same work being done", () => {
    for (const { name } of DESIGNS) expect(rates(results, name)[0]!, name).toBeCloseTo(0.51, 1);
  });

  it("has no plateau where a fault writes no shared line (claim Q3)", () => {
    for (const name of ["spf", "rcuvm-pure"]) expect(at56(name), name).toBeGreaterThan(3 * at56("mmap-lock"));
  });

  it("makes a spinlock that faults take worse than mmap_lock, and one for writers only as good as VMA locks", () => {
    expect(at56("tree-spinlock-naive")).toBeLessThan(0.6 * at56("mmap-lock"));
    expect(at56("tree-spinlock") / at56("per-vma-lock")).toBeCloseTo(1, 1);
  });
});

describe("a run", () => {
  const options = {
    machine: machineByName("cascadelake-64"),
    workload: pageFault1(256),
    design: designByName("per-vma-lock"),
    threads: 16,
    microseconds: 2000,
  };

  it("is the same for the same seed and another for another", () => {
    expect(runOnce({ ...options, seed: 5 })).toEqual(runOnce({ ...options, seed: 5 }));
    expect(runOnce({ ...options, seed: 5 })).not.toEqual(runOnce({ ...options, seed: 6 }));
  });

  it("sends the first fault of every mapping to mmap_lock when told so", () => {
    const always = runOnce({ ...options, firstFaultFallback: "always" });
    const whenNeeded = runOnce(options);
    const mappings = always.latencies["mmap"]!.count;
    expect(always.counters.retry).toBeGreaterThanOrEqual(mappings - options.threads);
    expect(whenNeeded.counters.retry).toBeLessThan(mappings);
  });

  it("tells tails and waiting per lock", () => {
    const result = runOnce(options);
    const fault = result.latencies["fault"]!;
    expect(fault.p50).toBeLessThanOrEqual(fault.p90);
    expect(fault.p99).toBeLessThanOrEqual(fault.p999);
    expect(fault.p999).toBeLessThanOrEqual(fault.max);
    expect(result.locks.map((lock) => lock.name).sort()).toEqual([
      "mmap_lock",
      "page_table_lock",
      "pte_lock",
      "vma_lock",
      "zone_lock",
    ]);
    expect(result.rcu.peakBytes).toBeGreaterThan(0);
  });

  it("refuses more threads than the machine has CPUs", () => {
    expect(() => runOnce({ ...options, threads: 65 })).toThrow("cascadelake-64 has 64 CPUs, not 65");
    expect(() => runOnce({ ...options, threads: 0 })).toThrow(
      "runOnce: threads must be an integer in 1..4096, got 0",
    );
  });
});

describe("a mapping change under per-vma-lock", () => {
  it("makes faults in the changed VMA fall back and leaves faults in other VMAs alone", () => {
    const aborts = (sameVma: boolean): number => {
      const churn: Workload = {
        name: "churn",
        title: "one thread protects a VMA, the other faults",
        prepare(world) {
          const pages = 1 << 20;
          const target = world.areaOf(0, pages);
          return function* (agent, index) {
            // The fault must not find its first page in the way: it would fall back for its anon_vma.
            const area = sameVma ? target : world.areaOf(1, pages);
            if (index === 0) yield* world.map(agent, target, pages);
            else if (!sameVma) yield* world.map(agent, area, pages);
            yield agent.work(100_000_000);
            yield* world.fault(agent, area + index * PAGE_SIZE);
            for (let page = 2; ; page++) {
              const prot = PROT.READ | PROT.WRITE | (page % 2 === 0 ? PROT.EXEC : 0);
              if (index === 0) yield* world.protect(agent, target, pages, prot);
              else yield* world.fault(agent, area + page * PAGE_SIZE);
            }
          };
        },
      };
      const { counters } = runOnce({
        machine: machineByName("broadwell-56"),
        design: designByName("per-vma-lock"),
        workload: churn,
        threads: 2,
        microseconds: 5000,
      });
      return counters.abort;
    };
    expect(aborts(true)).toBeGreaterThan(50);
    expect(aborts(false)).toBe(0);
  });
});
