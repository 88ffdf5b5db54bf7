import { Arena } from "@faultline/arena";
import { describe, expect, test } from "vitest";
import {
  AddressSpace,
  acquire,
  type CorePort,
  countPages,
  type DesignName,
  explore,
  type LockRef,
  MAP,
  mprotectProtocol,
  munmapProtocol,
  onCores,
  PROT,
  type Protocol,
  release,
  StepsExecutor,
  step,
  tryAcquire,
} from "../src/index.ts";

const PAGE = 4096;
const V = 0x1000_0000;
const A: LockRef = { kind: "rwsem", word: 0, name: "A" };
const B: LockRef = { kind: "rwsem", word: 1, name: "B" };
const SPIN: LockRef = { kind: "spinlock", word: 2, name: "tree lock" };

function* hold(lock: LockRef, mode: "read" | "write"): Protocol<void> {
  yield* acquire(lock, mode);
  yield* step("inside");
  yield* release(lock, mode);
}

function* both(first: LockRef, second: LockRef): Protocol<void> {
  yield* acquire(first, "write");
  yield* acquire(second, "write");
  yield* release(second, "write");
  yield* release(first, "write");
}

describe("the steps executor", () => {
  test("a fair rwsem keeps a reader out behind a waiting writer; a try fails", () => {
    const run = new StepsExecutor();
    run.spawn("R", hold(A, "read"));
    run.spawn("W", hold(A, "write"));
    run.spawn("L", hold(A, "read"));
    run.spawn(
      "T",
      (function* (): Protocol<boolean> {
        return yield* tryAcquire(A, "read");
      })(),
    );
    run.runSchedule("RWLT");
    expect(run.runnable()).toEqual(["R"]);
    expect(run.result("T")).toBe(false);
    run.runThread("R");
    expect(run.runnable()).toEqual(["W"]);
    run.runToEnd();
    expect(run.events.filter(({ op }) => op === "grant").map(({ thread }) => thread)).toEqual(["W", "L"]);
  });

  test("a reader-preferring rwsem lets it in", () => {
    const run = new StepsExecutor({ policy: "reader-pref" });
    for (const [name, mode] of [
      ["R", "read"],
      ["W", "write"],
      ["L", "read"],
    ] as const)
      run.spawn(name, hold(A, mode));
    run.runSchedule("RWL");
    expect(run.locksHeld("L")).toEqual(["A R"]);
  });

  test("two locks in both orders: the deadlock says who waits for whom", () => {
    const run = new StepsExecutor();
    run.spawn("F", both(A, B));
    run.spawn("G", both(B, A));
    run.runSchedule("FGFG");
    expect(() => run.runToEnd()).toThrow(
      "no runnable thread: deadlock; F waits for B, held by G; G waits for A, held by F",
    );
  });

  test("sleeping under a spinlock or in an RCU section names lock, holder and call", () => {
    const under = new StepsExecutor();
    under.spawn("F", both(SPIN, A));
    under.step("F");
    expect(() => under.step("F")).toThrow("F holds tree lock and calls A: write lock");
    const section = new StepsExecutor();
    section.spawn(
      "R",
      (function* (): Protocol<void> {
        yield { op: "rcu-lock" };
        yield { op: "sleep", what: "page from disk", ns: 1 };
      })(),
    );
    section.step("R");
    expect(() => section.step("R")).toThrow("R holds RCU read section and calls sleep: page from disk");
  });

  test("a grace period waits for the readers inside when it began, and for no later one", () => {
    const freed: number[] = [];
    function* reader(): Protocol<void> {
      yield { op: "rcu-lock" };
      yield* step("reading");
      yield { op: "rcu-unlock" };
    }
    const run = new StepsExecutor();
    for (const name of ["1", "2", "3"]) run.spawn(name, reader());
    run.spawn(
      "W",
      (function* (): Protocol<void> {
        yield { op: "rcu-defer", bytes: 8, free: () => freed.push(1) };
      })(),
    );
    run.runSchedule("12W3");
    run.runThread("1");
    expect([freed.length, run.deferred]).toEqual([0, 1]);
    run.runThread("2");
    expect([freed.length, run.deferred]).toEqual([1, 0]);
    expect(run.stateOf("3")).toBe("ready");
  });

  test("what a protocol throws is its result", () => {
    const run = new StepsExecutor();
    const mm = AddressSpace.create();
    run.spawn("W", munmapProtocol(mm, 1, 1));
    run.runToEnd();
    expect(() => run.result("W")).toThrow("EINVAL");
    expect(run.locksHeld("W")).toEqual([]);
  });

  test("misuse is named", () => {
    const run = new StepsExecutor();
    run.spawn("F", hold(A, "read"));
    expect(() => run.spawn("F", hold(A, "read"))).toThrow("name must be new");
    expect(() => run.runSchedule("X")).toThrow('letter "X" fits 0 threads');
    expect(() => run.runUntil("F", "never")).toThrow('never came to "never"');
    expect(() => run.step("F")).toThrow("F is done");
    expect(() => run.step("G")).toThrow('no thread "G"');
  });
});

function fourPages(design: DesignName = "per-vma-lock"): AddressSpace {
  const mm = AddressSpace.create({ bytes: 2 ** 17, design });
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  mm.mmap({ addr: V, length: 4 * PAGE, prot: PROT.READ | PROT.WRITE, flags });
  return mm;
}

/** Chapter 10: a fault stopped before one of its steps, a writer run to its end, the fault run to its end. */
function lockRace(
  stopAt: string,
  page: number,
  length = 2 * PAGE,
): {
  run: StepsExecutor;
  result: unknown;
  deferred: number;
} {
  const mm = fourPages();
  const run = new StepsExecutor();
  run.spawn("F", mm.design.fault(mm, page, "read"));
  run.spawn("W", munmapProtocol(mm, V, length));
  run.runUntil("F", stopAt);
  run.runThread("W");
  const deferred = run.deferred;
  run.runThread("F");
  run.runToEnd();
  mm.validate();
  return { run, result: run.result("F"), deferred };
}

describe("the eight steps of a VMA lock", () => {
  test("are seen in order", () => {
    const { run } = lockRace("8", V);
    const steps = run.events.filter(({ thread, op }) => thread === "F" && op === "step");
    expect(
      steps
        .map(({ text }) => text[0])
        .filter((digit) => /\d/.test(digit ?? ""))
        .join(""),
    ).toBe("12345678");
  });

  test("a writer that has gone by after the walk: detached, a miss, and the successor is found", () => {
    const { run, result, deferred } = lockRace("4", V + 3 * PAGE);
    // The VMA that the fault stands before is freed when the fault has left its RCU section.
    expect([deferred, run.deferred]).toEqual([1, 0]);
    expect(result).toMatchObject({
      outcome: "ok",
      path: "vma-lock",
      counters: { miss: 1, abort: 0, success: 1 },
    });
  });

  test.each([
    ["the hint", "1", "store-tree", "write-locked"],
    ["the try", "vma", "vma 10000000-10004000: write unlock", "lock-busy"],
    ["the re-test", "vma", "store-tree", "retest"],
    ["the range test", "vma", "", "out-of-range"],
  ])("%s makes the fault give up", (_check, stopAt, writerStopsAt, reason) => {
    const mm = fourPages();
    const run = new StepsExecutor();
    run.spawn("F", mm.design.fault(mm, V + 3 * PAGE, "read"));
    run.spawn("W", mprotectProtocol(mm, V, 2 * PAGE, PROT.READ));
    run.runUntil("F", stopAt);
    if (writerStopsAt === "") run.runThread("W");
    else run.runUntil("W", writerStopsAt);
    run.runUntil("F", `abort: ${reason}`);
    run.runToEnd();
    expect(run.result("F")).toMatchObject({
      outcome: "ok",
      path: "mmap-lock",
      reason,
      counters: { abort: 1 },
    });
    mm.validate();
  });

  test("a fault that has its lock finishes first, the writer waits for it", () => {
    const { run, result } = lockRace("page is", V, 4 * PAGE);
    expect(result).toMatchObject({ outcome: "ok", path: "vma-lock" });
    expect(run.events.some(({ thread, text }) => thread === "W" && /waits, held by F/.test(text))).toBe(true);
  });
});

test("a page table that munmap has unlinked stays memory of a table until who stands before it has left", () => {
  const mm = fourPages("spf");
  mm.fault(V, "write");
  const run = new StepsExecutor();
  run.spawn("F", mm.design.fault(mm, V + PAGE, "write"));
  run.spawn("W", munmapProtocol(mm, V, 4 * PAGE));
  run.runUntil("F", "ptl");
  run.runThread("W");
  // The VMA, and the tables.
  expect([run.deferred, countPages(mm).tables]).toEqual([2, 0]);
  run.runUntil("F", "discard: no-page-table");
  run.runToEnd();
  expect(run.deferred).toBe(0);
  expect(run.result("F")).toMatchObject({ outcome: "SIGSEGV", reason: "no-page-table" });
});

describe("explore", () => {
  const arena = (): Arena => Arena.create({ bytes: 2 ** 16 });

  function* addOne(memory: Arena, word: number): Protocol<void> {
    yield* step("load");
    const seen = memory.i32[word]!;
    yield* step(`store ${seen + 1}`);
    memory.i32[word] = seen + 1;
  }

  function lostUpdate(merge: boolean): ReturnType<typeof explore> {
    return explore({
      setup() {
        const memory = arena();
        const word = memory.allocWords(1);
        const threads = { F: addOne(memory, word), G: addOne(memory, word), H: addOne(memory, word) };
        return { threads, state: { memory, word }, ...(merge ? { arena: memory } : {}) };
      },
      check: ({ memory, word }) => (memory.i32[word] === 3 ? undefined : `counted ${memory.i32[word]}`),
    });
  }

  test("counts every interleaving, and merging equal states changes no count", () => {
    const plain = lostUpdate(false);
    const merged = lostUpdate(true);
    expect(plain.schedules).toBe(90);
    expect(merged.schedules).toBe(90);
    expect(merged.violations).toBe(plain.violations);
    expect(merged.violations).toBe(84);
    expect(merged.states).toBeLessThan(plain.states);
    expect(merged.shortest?.switches).toBe(plain.shortest?.switches);
  });

  test("finds deadlocks and sleeps, and gives up when told to", () => {
    const setup = (): { threads: Record<string, Protocol<void>>; state: number } => ({
      threads: { F: both(A, B), G: both(B, A) },
      state: 0,
    });
    const found = explore({ setup, check: () => undefined });
    expect(found.shortest?.problem).toMatch(/deadlock; F waits for B/);
    expect(explore({ setup, check: () => undefined, maxStates: 3 }).isComplete).toBe(false);
    const asleep = explore({
      setup: () => ({ threads: { F: both(SPIN, A) }, state: 0 }),
      check: () => undefined,
    });
    expect(asleep).toMatchObject({ schedules: 1, violations: 1 });
  });
});

test("onCores hands every effect to the port and its answers back", () => {
  const seen: string[] = [];
  const say = (text: string): Generator<string, void, unknown> =>
    (function* () {
      yield text;
    })();
  const port: CorePort<string> = {
    acquire: (lock, mode) => say(`acquire ${lock.name} ${mode}`),
    *tryAcquire(lock) {
      yield `try ${lock.kind}`;
      return true;
    },
    release: (lock) => say(`release ${lock.name}`),
    downgrade: (lock) => say(`downgrade ${lock.name}`),
    rcuLock: () => say("rcu"),
    rcuUnlock: () => say("end rcu"),
    *rcuDefer(bytes, free) {
      yield `defer ${bytes}`;
      free();
    },
    touch: (access, line) => say(`${access} ${line.name}`),
    work: (what, times) => say(`${what} ${times}`),
    sleep: (what) => say(what),
    shootdown: (pages) => say(`shootdown ${pages}`),
  };
  const mm = AddressSpace.create({ design: "per-vma-lock" });
  mm.mmap({ addr: V, length: PAGE, prot: PROT.READ, flags: MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED });
  for (const action of onCores(mm.design.fault(mm, V, "read"), port)) seen.push(action);
  expect(seen[0]).toBe("fault-entry 1");
  expect(seen).toContain("try vma");
  expect(seen).toContain("install-pte 1");
  for (const action of onCores(munmapProtocol(mm, V, PAGE), port)) seen.push(action);
  expect(seen).toContain("downgrade mmap_lock");
  expect(seen).toContain("shootdown 1");
  mm.validate();
});
