import { describe, expect, test } from "vitest";
import {
  AddressSpace,
  type DesignName,
  designs,
  type Exploration,
  type ExploreOptions,
  explore,
  type FaultAccess,
  type FaultOptions,
  type FaultResult,
  frameOf,
  MAP,
  madviseProtocol,
  mmapProtocol,
  mprotectProtocol,
  munmapProtocol,
  PROT,
  type Protocol,
  readPte,
  StepsExecutor,
} from "../src/index.ts";

const PAGE = 4096;
const V = 0x7000_0000;
const DESIGNS = Object.keys(designs) as DesignName[];
const FIXED = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;

/** In the page table of V, so that this is not freed with V; and in the one before, so that it is. */
const IN_TABLE = V + 8 * PAGE;
const OUTSIDE = V - PAGE;

/** V is four writable pages with one present; another page is mapped at `other`. */
function twoMappings(design: DesignName, other = IN_TABLE): AddressSpace {
  const mm = AddressSpace.create({ bytes: 2 ** 17, design });
  mm.mmap({ addr: other, length: PAGE, prot: PROT.READ, flags: FIXED });
  mm.mmap({ addr: V, length: 4 * PAGE, prot: PROT.READ | PROT.WRITE, flags: FIXED });
  mm.fault(other);
  mm.fault(V + PAGE, "write");
  return mm;
}

interface Race {
  readonly writer: (mm: AddressSpace) => Protocol<unknown>;
  readonly page?: number;
  readonly access?: FaultAccess;
  readonly options?: FaultOptions;
  /** Where the other mapping is. */
  readonly other?: number;
  /** Outcomes of the fault that are right. */
  readonly outcomes?: readonly string[];
}

/** Runs one fault against one writer in every interleaving. */
function race(design: DesignName, scene: Race): Exploration {
  const { writer, page = V, access = "write", options, other, outcomes } = scene;
  const race: ExploreOptions<AddressSpace> = {
    setup() {
      const mm = twoMappings(design, other);
      const threads = { F: mm.design.fault(mm, page, access, options), W: writer(mm) };
      return { threads, state: mm, arena: mm.arena };
    },
    check(mm, run) {
      mm.validate();
      run.result("W");
      const { outcome } = run.result("F") as FaultResult;
      if (run.deferred > 0) return `${run.deferred} frees still wait, and nobody reads`;
      return outcomes?.includes(outcome) === false ? `the fault ended with ${outcome}` : undefined;
    },
  };
  const found = explore(race);
  if (found.violations === 0) expect(randomViolation(race)).toBeUndefined();
  return found;
}

/** What goes wrong in one of some hundred schedules drawn at random: a check of explore's merging of states. */
function randomViolation({ setup, check }: ExploreOptions<AddressSpace>): string | undefined {
  let seed = 20221228;
  for (let round = 0; round < 200; round++) {
    const { threads, state } = setup();
    const run = new StepsExecutor();
    for (const [name, protocol] of Object.entries(threads)) run.spawn(name, protocol);
    // Long stretches of one thread, or the races between far apart steps are never met.
    for (let names = run.runnable(); names.length > 0; names = run.runnable()) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const name = names[(seed >>> 8) % names.length]!;
      for (let left = (seed >>> 16) % 24; left >= 0 && run.stateOf(name) === "ready"; left--) run.step(name);
    }
    try {
      const problem = check(state, run);
      if (problem !== undefined) return `seed round ${round}: ${problem}`;
    } catch (error) {
      return `seed round ${round}: ${String(error)}`;
    }
  }
  return undefined;
}

const unmapAll = (mm: AddressSpace): Protocol<unknown> => munmapProtocol(mm, V, 4 * PAGE);
const unmapBegin = (mm: AddressSpace): Protocol<unknown> => munmapProtocol(mm, V, 2 * PAGE);
/** V itself loses its last page to a new VMA, and becomes read-only. */
const protectBegin = (mm: AddressSpace): Protocol<unknown> => mprotectProtocol(mm, V, 3 * PAGE, PROT.READ);
const replace = (mm: AddressSpace): Protocol<unknown> =>
  mmapProtocol(mm, { addr: V, length: 4 * PAGE, prot: PROT.READ, flags: FIXED });
const dontNeed = (mm: AddressSpace): Protocol<unknown> => madviseProtocol(mm, V, 4 * PAGE, "DONTNEED");

describe("one fault and one system call, every interleaving", () => {
  test.each(DESIGNS)("%s: a fault and a munmap of its mapping leave no page behind", (design) => {
    const found = race(design, { writer: unmapAll, outcomes: ["ok", "SIGSEGV"] });
    expect(found.shortest).toBeUndefined();
    expect(found).toMatchObject({ isComplete: true, violations: 0 });
    expect(found.schedules).toBeGreaterThan(1000);
  });

  test.each(DESIGNS)("%s: a fault does not meet the page table that munmap frees", (design) => {
    const found = race(design, { writer: unmapAll, other: OUTSIDE, outcomes: ["ok", "SIGSEGV"] });
    expect(found.shortest).toBeUndefined();
    expect(found.isComplete).toBe(true);
  });

  test.each(DESIGNS)("%s: a fault beside the hole of a munmap is always served", (design) => {
    const found = race(design, { writer: unmapBegin, page: V + 3 * PAGE, outcomes: ["ok"] });
    expect(found.shortest).toBeUndefined();
    expect(found.isComplete).toBe(true);
  });

  test.each(DESIGNS)("%s: no write comes through an mprotect, and none beside it is refused", (design) => {
    expect(race(design, { writer: protectBegin }).shortest).toBeUndefined();
    const beside = race(design, { writer: protectBegin, page: V + 3 * PAGE, outcomes: ["ok"] });
    expect(beside.shortest).toBeUndefined();
  });

  test.each(DESIGNS)("%s: a mapping that is replaced keeps no page of the old one", (design) => {
    const found = race(design, { writer: replace, outcomes: ["ok", "SIGSEGV"] });
    expect(found.shortest).toBeUndefined();
    expect(found.isComplete).toBe(true);
  });

  test.each(DESIGNS)("%s: a read fault and MADV_DONTNEED do not disturb each other", (design) => {
    expect(race(design, { writer: dontNeed, access: "read", outcomes: ["ok"] }).shortest).toBeUndefined();
  });
});

describe("per-vma-lock with a check removed", () => {
  const without = (check: string): FaultOptions => ({ withoutChecks: { [check]: true } });

  test("without the hint nothing goes wrong: it only saves work", () => {
    const found = race("per-vma-lock", { writer: unmapAll, options: without("hint") });
    expect(found).toMatchObject({ isComplete: true, violations: 0 });
  });

  test("without the re-test a page stays mapped in no VMA", () => {
    const found = race("per-vma-lock", { writer: unmapAll, options: without("retest") });
    expect(found.violations).toBeGreaterThan(0);
    expect(found.shortest?.problem).toMatch(/mapped in no VMA/);
    expect(found.shortest?.switches).toBeLessThanOrEqual(4);
  });

  test("without the detached test a page stays mapped in no VMA", () => {
    const found = race("per-vma-lock", { writer: unmapAll, options: without("detached") });
    expect(found.violations).toBeGreaterThan(0);
    expect(found.shortest?.problem).toMatch(/mapped in no VMA/);
    expect(found.shortest?.switches).toBe(2);
  });

  test("without the range test a write to writable memory is refused", () => {
    const beside = { writer: protectBegin, page: V + 3 * PAGE, outcomes: ["ok"] };
    const found = race("per-vma-lock", { ...beside, options: without("range") });
    expect(found.violations).toBeGreaterThan(0);
    expect(found.shortest?.problem).toBe("the fault ended with SIGSEGV");
    expect(race("per-vma-lock", beside).violations).toBe(0);
  });
});

describe("designs that look again under the page-table lock", () => {
  test.each(["spf", "rcuvm-pure"] as const)("%s without the re-check leaves a page in no VMA", (design) => {
    const found = race(design, { writer: unmapAll, options: { withoutChecks: { recheck: true } } });
    expect(found.violations).toBeGreaterThan(0);
    expect(found.shortest?.problem).toMatch(/mapped in no VMA/);
  });

  test("the naive spinlock without its re-test leaves a page in no VMA", () => {
    const options = { withoutChecks: { retest: true } };
    const found = race("tree-spinlock-naive", { writer: unmapAll, options });
    expect(found.shortest?.problem).toMatch(/mapped in no VMA/);
  });
});

/** A write fault, and the frame it finds in place when it is done. */
function* frameAfterFault(mm: AddressSpace): Protocol<number> {
  yield* mm.design.fault(mm, V, "write");
  return frameOf(readPte(mm, V));
}

test.each(DESIGNS)("%s: of two faults of one page the later one keeps the page of the earlier", (design) => {
  const found = explore({
    setup() {
      const mm = twoMappings(design);
      const threads = { F: frameAfterFault(mm), G: frameAfterFault(mm) };
      return { threads, state: mm, arena: mm.arena };
    },
    check(mm, run) {
      mm.validate();
      const frame = frameOf(readPte(mm, V));
      const seen = [run.result("F"), run.result("G")];
      return seen.every((each) => each === frame)
        ? undefined
        : `frame ${frame}, the faults saw ${seen.join()}`;
    },
  });
  expect(found.shortest).toBeUndefined();
  expect(found.isComplete).toBe(true);
});

test("two faults of one page and a munmap: every interleaving of three threads is safe", () => {
  const found = explore({
    setup() {
      const mm = twoMappings("mmap-lock");
      const fault = (): Protocol<FaultResult> => mm.design.fault(mm, V, "write");
      return { threads: { F: fault(), G: fault(), W: unmapAll(mm) }, state: mm, arena: mm.arena };
    },
    check(mm) {
      mm.validate();
      return undefined;
    },
  });
  expect(found).toMatchObject({ isComplete: true, violations: 0 });
});
