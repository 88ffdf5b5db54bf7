import {
  AddressSpace,
  explore,
  type FaultCheck,
  type FaultResult,
  MAP,
  mprotectProtocol,
  munmapProtocol,
  PROT,
  type Protocol,
  StepsExecutor,
} from "@faultline/mm";
import type { Chapter } from "../walk/chapter.ts";
import { stepPast } from "../walk/drive.ts";
import { grouped, type Page } from "../walk/page.ts";

const PAGE = 4096;
const V = 0x7000_0000;
const LAST_PAGE = V + 3 * PAGE;

type Writer = (mm: AddressSpace) => Protocol<unknown>;
const unmap: Writer = (mm) => munmapProtocol(mm, V, 4 * PAGE);
/** V keeps its first three pages, read-only; its last becomes a VMA of its own. */
const shrink: Writer = (mm) => mprotectProtocol(mm, V, 3 * PAGE, PROT.READ);

export const chapter: Chapter = {
  number: 10,
  title: "A lock taken inside RCU",
  claims: [
    {
      id: "C9",
      who: "Yoo",
      says: "A per-VMA lock seems to solve it: taken in read mode within the RCU read section.",
    },
  ],
  run: (page) => {
    undisturbed(page);
    fiveRaces(page);
    checksRemoved(page);
  },
};

function space(): AddressSpace {
  const mm = AddressSpace.create({ bytes: 2 ** 17, design: "per-vma-lock" });
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  mm.mmap({ addr: V, length: 4 * PAGE, prot: PROT.READ | PROT.WRITE, flags });
  mm.fault(V + PAGE, "write");
  return mm;
}

/** A fault F and a writer W, both before their first step. */
function scene(writer: Writer, address: number): { mm: AddressSpace; run: StepsExecutor } {
  const mm = space();
  const run = new StepsExecutor();
  run.spawn("F", mm.design.fault(mm, address, "write"));
  run.spawn("W", writer(mm));
  return { mm, run };
}

function undisturbed(page: Page): void {
  page.say("The steps of a fault that finds its VMA without mmap_lock:");
  const { run } = scene(unmap, V);
  run.runThread("F");
  const steps = run.events.filter((event) => event.thread === "F" && /^\d /.test(event.text));
  for (const { text, locksHeld } of steps) page.line(`  ${text.padEnd(42)} holds: ${names(locksHeld)}`);
  page.check(
    steps.length === 8,
    "eight steps; the VMA's lock is taken while RCU still keeps the VMA from vanishing",
  );
}

function names(locks: readonly string[]): string {
  return locks.map((lock) => lock.replace(/vma [^ ]+/, "VMA")).join(", ") || "-";
}

interface Race {
  readonly check: string;
  readonly writer: Writer;
  readonly address: number;
  /** Brings F and W to the point where the check must catch it. */
  readonly arrange: (run: StepsExecutor, vmaLock: string) => void;
}

const RACES: readonly Race[] = [
  {
    check: "hint",
    writer: unmap,
    address: V,
    arrange: (run, vmaLock) => run.runUntil("W", `${vmaLock}: write unlock`),
  },
  {
    check: "trylock",
    writer: unmap,
    address: V,
    arrange: (run, vmaLock) => {
      stepPast(run, "F", /^4 /);
      run.runUntil("W", `${vmaLock}: write unlock`);
    },
  },
  {
    check: "re-test",
    writer: unmap,
    address: V,
    arrange: (run, vmaLock) => {
      stepPast(run, "F", /^4 /);
      run.runUntil("W", `${vmaLock}: write unlock`);
      run.step("W");
    },
  },
  {
    check: "detached",
    writer: unmap,
    address: V,
    arrange: (run) => {
      stepPast(run, "F", /^3 /);
      run.runThread("W");
    },
  },
  {
    check: "range",
    writer: shrink,
    address: LAST_PAGE,
    arrange: (run) => {
      stepPast(run, "F", /^3 /);
      run.runThread("W");
    },
  },
];

function fiveRaces(page: Page): void {
  page.part("Five moments at which a writer comes between, one for each check");
  const rows = RACES.map(({ check, writer, address, arrange }) => {
    const { mm, run } = scene(writer, address);
    arrange(run, mm.tree.at(V)?.lock.name ?? "");
    run.runThread("F");
    run.runToEnd();
    mm.validate();
    const { reason, path, outcome, counters } = run.result("F") as FaultResult;
    return { check, reason, path, outcome, miss: counters.miss };
  });
  page.table(
    ["check", "the fault gives up because", "missed", "served by", "outcome"],
    rows.map(({ check, reason, miss, path, outcome }) => [check, reason, miss, path, outcome]),
  );
  const reasons = rows.map(({ reason }) => reason).join();
  page.check(
    reasons === "write-locked,lock-busy,retest,no-vma,out-of-range",
    "each is caught by its own check; detached alone walks again, for a successor may be in the tree",
  );
}

interface Removal {
  readonly check: FaultCheck;
  readonly writer: Writer;
  readonly address: number;
}

const REMOVALS: readonly Removal[] = [
  { check: "hint", writer: unmap, address: V },
  { check: "retest", writer: unmap, address: V },
  { check: "detached", writer: unmap, address: V },
  { check: "range", writer: shrink, address: LAST_PAGE },
];

function checksRemoved(page: Page): void {
  page.part("Each check removed in turn, in every interleaving of one fault and one writer");
  const found = REMOVALS.map((removal) => ({ removal, ...everyInterleaving(removal) }));
  page.table(
    ["without", "schedules", "go wrong", "what happens"],
    found.map(({ removal, schedules, violations, shortest }) => [
      removal.check,
      grouped(schedules),
      grouped(violations),
      shortest === undefined ? "nothing" : shortWords(shortest.problem),
    ]),
  );
  page.check(found[0]?.violations === 0, "without the hint nothing goes wrong: it only saves work");
  page.check(
    found.slice(1).every(({ violations }) => violations > 0),
    "without any of the other three something does",
  );
  const whole = [unmap, shrink].map((writer) =>
    everyInterleaving({ check: "hint", writer, address: LAST_PAGE }),
  );
  page.check(
    whole.every(({ violations }) => violations === 0),
    "with those three in place, nothing in any interleaving",
  );
}

function shortWords(problem: string): string {
  return problem.includes("no VMA") ? "a page stays in no VMA" : problem;
}

function everyInterleaving({ check, writer, address }: Removal): ReturnType<typeof explore<AddressSpace>> {
  return explore({
    setup: () => {
      const mm = space();
      const options = { withoutChecks: { [check]: true } };
      const threads = { F: mm.design.fault(mm, address, "write", options), W: writer(mm) };
      return { threads, state: mm, arena: mm.arena };
    },
    check: (mm, run) => {
      mm.validate();
      const { outcome } = run.result("F") as FaultResult;
      // The last page stays writable throughout: nobody may be refused there.
      return writer === shrink && outcome !== "ok" ? `refused: ${outcome}` : undefined;
    },
  });
}
