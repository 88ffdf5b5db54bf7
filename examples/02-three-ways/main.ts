import {
  AddressSpace,
  type DesignName,
  explore,
  type FaultResult,
  MAP,
  munmapProtocol,
  PROT,
  StepsExecutor,
} from "@faultline/mm";
import type { Chapter } from "../walk/chapter.ts";
import { effectsOf, lockUpdates, stepPast } from "../walk/drive.ts";
import { grouped } from "../walk/page.ts";

const PAGE = 4096;
const V = 0x7000_0000;
const ADDRESS = V + PAGE;

/** What a fault of this design looks at again before it installs the page. */
const RECHECK = {
  "mmap-lock": "nothing",
  spf: "sequence, under the page-table lock",
  "per-vma-lock": "sequence, attached, range",
  "rcuvm-pure": "deleted mark, under the page-table lock",
} as const satisfies Partial<Record<DesignName, string>>;
type Shown = keyof typeof RECHECK;
const DESIGNS = Object.keys(RECHECK) as Shown[];

export const chapter: Chapter = {
  number: 2,
  title: "Three ways out",
  claims: [
    {
      id: "C2",
      who: "Yoo",
      says: "The long-term goal is to walk the tree without mmap_lock, by RCU or by speculative faults. What is the biggest obstacle?",
    },
  ],
  run: (page) => {
    page.say(
      "One race, four designs: a fault has found its VMA and looks at the page table; now munmap of that VMA runs.",
    );
    const races = DESIGNS.map(race);
    page.table(
      ["design", "who waits", "served by", "outcome", "writes mmap_lock", "VMA lock"],
      races.map(({ design, waits, path, outcome, process, vma }) => [
        design,
        waits ? "munmap" : "nobody",
        path,
        outcome,
        process,
        vma,
      ]),
    );
    page.table(
      ["design", "what the fault checks again"],
      DESIGNS.map((design) => [design, RECHECK[design]]),
    );
    const byName = new Map(races.map((found) => [found.design, found]));
    page.check(
      byName.get("mmap-lock")?.waits === true,
      "mmap-lock: munmap waits until the fault has finished",
    );
    page.check(
      byName.get("per-vma-lock")?.waits === true,
      "per-vma-lock: it waits too, but only for faults of this VMA",
    );
    page.check(
      byName.get("spf")?.waits === false && byName.get("spf")?.outcome === "SIGSEGV",
      "spf: nobody waits; the fault notices, has worked for nothing, and tries again with the lock",
    );
    page.check(
      byName.get("rcuvm-pure")?.waits === false && byName.get("rcuvm-pure")?.outcome === "SIGSEGV",
      "rcuvm: nobody waits; the mark under the page-table lock stops the fault",
    );
    const broken = withoutRecheck();
    page.part("Without the re-check");
    page.line(`  spf: ${grouped(broken.schedules)} schedules, ${grouped(broken.violations)} go wrong`);
    page.check(broken.problem.includes("no VMA"), "a page stays mapped where no VMA is");
  },
};

interface Race {
  readonly design: Shown;
  readonly waits: boolean;
  readonly outcome: string;
  readonly path: string;
  /** Updates of words that the whole process shares, by a fault that nobody disturbs. */
  readonly process: number;
  readonly vma: number;
}

function space(design: DesignName): AddressSpace {
  const mm = AddressSpace.create({ bytes: 2 ** 17, design });
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  const prot = PROT.READ | PROT.WRITE;
  mm.mmap({ addr: V, length: 4 * PAGE, prot, flags });
  mm.fault(V, "write");
  // A neighbour in the same page table, so that the table outlives V.
  mm.mmap({ addr: V + 8 * PAGE, length: PAGE, prot, flags });
  mm.fault(V + 8 * PAGE, "write");
  return mm;
}

function race(design: Shown): Race {
  const mm = space(design);
  const run = new StepsExecutor();
  run.spawn("F", mm.design.fault(mm, ADDRESS, "write"));
  run.spawn("W", munmapProtocol(mm, V, 4 * PAGE));
  stepPast(run, "F", /^page is|^3 compare|^3 the page table/);
  run.runThread("W");
  const waits = run.stateOf("W") === "blocked";
  run.runToEnd();
  mm.validate();
  const { outcome, path } = run.result("F") as FaultResult;
  const calm = space(design);
  const effects = effectsOf(calm.design.fault(calm, ADDRESS, "write"));
  return {
    design,
    waits,
    outcome,
    path,
    process: lockUpdates(effects, (lock) => lock.kind === "rwsem"),
    vma: lockUpdates(effects, (lock) => lock.kind === "vma"),
  };
}

interface Broken {
  readonly schedules: number;
  readonly violations: number;
  readonly problem: string;
}

function withoutRecheck(): Broken {
  const { schedules, violations, shortest } = explore({
    setup: () => {
      const mm = space("spf");
      const options = { withoutChecks: { recheck: true } };
      const threads = {
        F: mm.design.fault(mm, ADDRESS, "write", options),
        W: munmapProtocol(mm, V, 4 * PAGE),
      };
      return { threads, state: mm, arena: mm.arena };
    },
    check: (mm) => {
      mm.validate();
      return undefined;
    },
  });
  return { schedules, violations, problem: shortest?.problem ?? "" };
}
