import {
  designByName,
  machineByName,
  pageFault1,
  pft,
  type RunResult,
  runOnce,
  type Workload,
} from "@faultline/fault-sim";
import type { Chapter } from "../walk/chapter.ts";
import type { Page } from "../walk/page.ts";

const THREADS = [1, 4, 12, 24, 56] as const;
const MACHINE = "broadwell-56";
const DESIGNS = ["mmap-lock", "per-vma-lock"] as const;
const BAR_COLUMNS = 30;

export const chapter: Chapter = {
  number: 13,
  title: "Curves",
  claims: [
    {
      id: "C5",
      who: "Wilcox; Yoo agrees",
      says: "A spinlock for the tree is too large a change for now and less important than RCU readers; one step at a time.",
    },
  ],
  run: (page) => {
    page.say(
      `Page faults per second on a simulated ${MACHINE}, two sockets of 14 cores with two threads each.`,
    );
    const shared = measure(page, pft, "One big mapping, every thread faults in it (pft)");
    const apart = measure(
      page,
      pageFault1(512),
      "A mapping per thread, mapped, touched and unmapped (page-fault1)",
    );
    const last = THREADS.length - 1;
    page.part("What the curves say");
    page.check(
      ratio(shared, last) < 1.3,
      "in one shared mapping the VMA's lock is as hot as mmap_lock was: two updates of one line per fault",
    );
    page.check(ratio(apart, last) > 2, "with a mapping each, mmap-lock falls behind per-vma-lock");
    page.check(ratio(apart, 2) < ratio(apart, last), "and the distance grows with the cores");
  },
};

type Curves = ReadonlyMap<string, readonly RunResult[]>;

function measure(page: Page, workload: Workload, title: string): Curves {
  page.part(title);
  const machine = machineByName(MACHINE);
  const curves = new Map(
    DESIGNS.map((name) => {
      const design = designByName(name);
      const run = (threads: number): RunResult =>
        runOnce({ machine, design, workload, threads, microseconds: 5000, seed: 1 });
      return [name, THREADS.map(run)] as const;
    }),
  );
  const best = Math.max(...[...curves.values()].flat().map((result) => result.faultsPerSecond));
  for (const [name, results] of curves) {
    for (const { threads, faultsPerSecond } of results) {
      const bar = page.symbols.bar.repeat(Math.round((faultsPerSecond / best) * BAR_COLUMNS));
      const rate = `${(faultsPerSecond / 1e6).toFixed(2)} M/s`;
      page.line(`  ${name.padEnd(13)}${String(threads).padStart(3)}  ${rate.padStart(10)}  ${bar}`);
    }
  }
  return curves;
}

function ratio(curves: Curves, index: number): number {
  const rate = (name: string): number => curves.get(name)?.[index]?.faultsPerSecond ?? 0;
  return rate("per-vma-lock") / rate("mmap-lock");
}
