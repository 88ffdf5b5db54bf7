import { describe, expect, test } from "vitest";
import {
  acquire,
  DeadlockError,
  type LockRef,
  type Protocol,
  type RwPolicy,
  release,
  SleepError,
  TimedExecutor,
  type TimedThread,
} from "../src/index.ts";

const MMAP_LOCK: LockRef = { kind: "rwsem", word: 0, name: "mmap_lock" };
const VMA_LOCK: LockRef = { kind: "vma", word: 16, name: "vma 1000-2000" };
const TREE_LOCK: LockRef = { kind: "spinlock", word: 32, name: "tree lock" };

function* hold(lock: LockRef, mode: "read" | "write", ticks: number): Protocol<void> {
  yield* acquire(lock, mode);
  yield { op: "sleep", what: "work", ns: ticks };
  yield* release(lock, mode);
}

/** Chapter 1: a slow reader, a writer behind it, four short readers. */
function oneLock(policy: RwPolicy, faultLock: LockRef = MMAP_LOCK): TimedThread[] {
  const run = new TimedExecutor({ policy });
  run.spawn("R0", hold(faultLock, "read", 8), 0);
  run.spawn("W", hold(MMAP_LOCK, "write", 3), 1);
  for (let reader = 1; reader <= 4; reader++) {
    run.spawn(`R${reader}`, hold(faultLock, "read", 1), reader + 1);
  }
  return run.run();
}

const faults = (threads: readonly TimedThread[]): number[] =>
  threads.filter(({ name }) => /^R[1-4]$/.test(name)).map(({ latency }) => latency);
const writer = (threads: readonly TimedThread[]): TimedThread => threads.find(({ name }) => name === "W")!;

describe("one slow reader and one writer in front of four short faults", () => {
  test("a fair rwsem makes every fault wait for the writer", () => {
    const threads = oneLock("linux");
    expect(faults(threads)).toEqual([10, 9, 8, 7]);
    expect(writer(threads)).toMatchObject({ waited: 7, finish: 11 });
    expect(threads.filter(({ name }) => name !== "R0" && name !== "W").map(({ finish }) => finish)).toEqual([
      12, 12, 12, 12,
    ]);
  });

  test("readers that may pass are not held up", () => {
    expect(faults(oneLock("reader-pref"))).toEqual([1, 1, 1, 1]);
  });

  test("readers that may pass starve the writer", () => {
    const run = new TimedExecutor({ policy: "reader-pref" });
    run.spawn("W", hold(MMAP_LOCK, "write", 3), 1);
    for (let at = 0; at < 1000; at++) run.spawn(`R${at}`, hold(MMAP_LOCK, "read", 2), at);
    expect(writer(run.run(1000))).toMatchObject({ finish: undefined, waited: 999 });
  });

  test("a writer of the other lock disturbs nobody and waits for nobody", () => {
    const threads = oneLock("linux", VMA_LOCK);
    expect(faults(threads)).toEqual([1, 1, 1, 1]);
    expect(writer(threads).waited).toBe(0);
  });
});

describe("a spinlock held across a sleep", () => {
  const spin = (cores: number, checkSleep = false): TimedExecutor => {
    const run = new TimedExecutor({ cores, checkSleep });
    run.spawn("core 0", hold(TREE_LOCK, "write", 100));
    run.spawn("core 1", hold(TREE_LOCK, "write", 0), 0);
    return run;
  };

  test("burns the other core for as long", () => {
    const [, second] = spin(2).run();
    expect(second).toMatchObject({ burned: 100, waited: 0, finish: 100 });
  });

  test("stands still on one core: the spinner keeps it", () => {
    expect(() => spin(1).run()).toThrow(DeadlockError);
    expect(() => spin(1).run()).toThrow(
      "no runnable thread: deadlock; core 0 wants a core; core 1 spins on tree lock, held by core 0",
    );
  });

  test("is refused in debug mode, and the error names lock, holder and call", () => {
    expect(() => spin(2, true).run()).toThrow(SleepError);
    expect(() => spin(2, true).run()).toThrow(
      "sleeping in atomic context: core 0 holds tree lock and calls sleep: work",
    );
  });
});

test("a reader asleep in an RCU section holds back what is retired meanwhile", () => {
  function* retire(): Protocol<void> {
    yield { op: "rcu-defer", bytes: 256, free: () => {} };
  }
  function* sleepInSection(): Protocol<void> {
    yield { op: "rcu-lock" };
    yield { op: "sleep", what: "page from disk", ns: 10_000 };
    yield { op: "rcu-unlock" };
  }
  const run = new TimedExecutor();
  run.spawn("R", sleepInSection());
  for (let index = 0; index < 1000; index++) run.spawn(`W${index}`, retire(), index * 10);
  run.run();
  expect(run.rcu).toMatchObject({ maxCallbacks: 1000, maxBytes: 256_000, pending: 0 });
});

test("effects cost what the caller says", () => {
  const run = new TimedExecutor({ cost: ({ op }) => (op === "release" ? 5 : op === "sleep" ? 2 : 0) });
  run.spawn("A", hold(MMAP_LOCK, "write", 0));
  run.spawn("B", hold(MMAP_LOCK, "read", 0), 1);
  expect(run.run().map(({ finish }) => finish)).toEqual([7, 14]);
  expect(run.now).toBe(14);
});

test("bad options are named", () => {
  expect(() => new TimedExecutor({ cores: 0 })).toThrow("cores must be at least 1, got 0");
  const run = new TimedExecutor();
  run.spawn("A", hold(MMAP_LOCK, "read", 1));
  expect(() => run.spawn("A", hold(MMAP_LOCK, "read", 1))).toThrow('name "A" is taken');
  expect(() => run.spawn("B", hold(MMAP_LOCK, "read", 1), -1)).toThrow("at must be at least 0, got -1");
});
