import type { FaultCounters } from "@faultline/mm";
import type { SimDesign } from "./designs/index.ts";
import { addBreakdowns, type Breakdown } from "./engine/breakdown.ts";
import { Engine, type EngineOptions } from "./engine/engine.ts";
import type { LatencySummary } from "./engine/histogram.ts";
import { checkInteger } from "./errors.ts";
import type { LockReport } from "./locks/lock-stats.ts";
import type { RcuReport } from "./locks/rcu.ts";
import type { Machine, Placement } from "./machine/topology.ts";
import type { Workload } from "./workloads/workload.ts";
import { type ProcessOptions, SimProcess } from "./world/process.ts";
import { World } from "./world/world.ts";

/** One run: a machine, a design, a workload, a number of threads. */
export interface RunOptions extends EngineOptions, ProcessOptions {
  readonly machine: Machine;
  readonly design: SimDesign;
  readonly workload: Workload;
  /** 1..number of CPUs of the machine. */
  readonly threads: number;
  /** Simulated microseconds. Default 20,000. */
  readonly microseconds?: number;
  readonly placement?: Placement;
}

/** What came out of a run. Times in picoseconds; equal options give an equal result, on every platform. */
export interface RunResult {
  readonly design: string;
  readonly threads: number;
  readonly faultsPerSecond: number;
  /** By kind of operation: fault, mmap, munmap, mprotect, madvise. */
  readonly latencies: Readonly<Record<string, LatencySummary>>;
  /** All threads together; sums to threads x run time. */
  readonly breakdown: Breakdown;
  /** How faults went, as /proc/vmstat counts them. */
  readonly counters: Readonly<FaultCounters>;
  /** Most waiting first. */
  readonly locks: readonly LockReport[];
  readonly rcu: RcuReport;
}

/** Simulates one run. RangeError or SimError for impossible options. */
export function runOnce(options: RunOptions): RunResult {
  const { machine, design, workload } = options;
  const threads = checkInteger("runOnce: threads", options.threads, 1, 4096);
  const microseconds = checkInteger(
    "runOnce: microseconds",
    options.microseconds ?? 20_000,
    1,
    3_600_000_000,
  );
  const engine = new Engine(machine, options);
  const world = new World(new SimProcess(engine, design, options));
  const program = workload.prepare(world, threads);
  machine.place(threads, options.placement).forEach((cpu, index) => {
    engine.spawn(`thread ${index}`, cpu, (agent) => program(agent, index));
  });
  const breakdowns = engine.run(microseconds * 1_000_000);
  engine.lines.validate();
  return collect(world, options, addBreakdowns(breakdowns), microseconds);
}

/** Runs every design on every number of threads, designs in turn. `progress` is told before each run. */
export function sweep(
  options: Omit<RunOptions, "design" | "threads">,
  designs: readonly SimDesign[],
  threads: readonly number[],
  progress?: (done: number, total: number, what: string) => void,
): RunResult[] {
  const results: RunResult[] = [];
  const total = designs.length * threads.length;
  for (const design of designs) {
    for (const count of threads) {
      progress?.(results.length, total, `${design.name}, ${count} threads`);
      results.push(runOnce({ ...options, design, threads: count }));
    }
  }
  progress?.(total, total, "done");
  return results;
}

function collect(world: World, options: RunOptions, breakdown: Breakdown, microseconds: number): RunResult {
  const latencies: Record<string, LatencySummary> = {};
  for (const [name, histogram] of world.operations) latencies[name] = histogram.summary();
  const locks = [...world.locks].map((lock) => lock.report());
  locks.sort((a, b) => b.waiting - a.waiting || (a.name < b.name ? -1 : 1));
  return {
    design: options.design.name,
    threads: options.threads,
    faultsPerSecond: Math.round(((latencies["fault"]?.count ?? 0) * 1_000_000) / microseconds),
    latencies,
    breakdown,
    counters: { ...world.counters },
    locks: locks.filter((lock) => lock.acquisitions + lock.failed > 0),
    rcu: world.process.rcu.report(),
  };
}
