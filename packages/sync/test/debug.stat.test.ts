import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  enableLockDebug,
  type LockDebug,
  type LockEdge,
  LockStat,
  type LockStatRow,
  lockClass,
  lockStat,
} from "../src/debug/index.ts";
import { Mutex, RwSem, SpinLock } from "../src/index.ts";
import { Actors, Command, Status } from "./support/actors.ts";
import { COUNTERS, DEBUG_LOCK, DEBUG_WORDS } from "./support/debug-words.ts";

describe("LockStat", () => {
  it("keeps count, extremes, sum and mean per class and mode", () => {
    const stat = new LockStat();
    for (const ms of [2, 6, 1]) stat.acquired("a", "write", ms);
    for (let turn = 0; turn < 3; turn++) stat.contended("a", "write", "at here");
    stat.acquired("a", "write", undefined);
    stat.released("a", "write", 5);
    stat.acquired("a", "read", undefined);
    stat.validate();
    const [write, read] = stat.toJSON();
    expect(write).toEqual({
      className: "a",
      mode: "write",
      acquisitions: 4,
      contentions: 3,
      acqBounces: 0,
      conBounces: 0,
      waitMs: { count: 3, min: 1, max: 6, total: 9, avg: 3 },
      holdMs: { count: 1, min: 5, max: 5, total: 5, avg: 5 },
      contentionPoints: [{ caller: "at here", count: 3 }],
    });
    expect(read).toMatchObject({ mode: "read", acquisitions: 1, contentions: 0, contentionPoints: [] });
    expect(JSON.parse(JSON.stringify(stat))).toEqual(stat.toJSON());
  });

  it("prints a table, the most contended first, with its contention points", () => {
    const stat = new LockStat();
    stat.acquired("calm", "read", undefined);
    stat.released("calm", "read", 0.25);
    stat.contended("busy", "write", "at somewhere");
    stat.acquired("busy", "write", 1.5);
    expect(`\n${stat}\n`).toMatchInlineSnapshot(`
      "
      class  mode    con-bounces   contentions      wait-min      wait-max    wait-total      wait-avg   acq-bounces  acquisitions      hold-min      hold-max    hold-total      hold-avg
      busy   write             0             1         1.500         1.500         1.500         1.500             0             1         0.000         0.000         0.000         0.000
          1 x at somewhere
      calm   read              0             0         0.000         0.000         0.000         0.000             0             1         0.250         0.250         0.250         0.250
      "
    `);
  });

  it("remembers four contention points, and counts on at those", () => {
    const stat = new LockStat();
    for (const point of ["p1", "p2", "p3", "p4", "p5", "p1"]) stat.contended("a", "write", point);
    const [row] = stat.toJSON();
    expect(row.contentionPoints.map(({ caller, count }) => `${caller} ${count}`)).toEqual([
      "p1 2",
      "p2 1",
      "p3 1",
      "p4 1",
    ]);
    expect(row.contentions).toBe(6);
    stat.validate();
    stat.clear();
    expect(stat.toJSON()).toEqual([]);
  });

  it("has a validate that finds numbers which contradict each other", () => {
    const stat = new LockStat();
    stat.acquired("a", "write", 1); // waited, but nobody said that it was contended
    expect(() => stat.validate()).toThrow("LockStat: a (write): 1 waits, 0 contentions");
  });
});

describe("the statistics of locks", () => {
  let debug: LockDebug;
  beforeEach(() => {
    debug = enableLockDebug();
  });
  afterEach(() => {
    debug.stat.validate();
    debug.disable();
  });

  it("count what is taken, however it is taken", async () => {
    const words = new Int32Array(1024);
    const lock = lockClass(new Mutex(words, 0), "m");
    lock.withLock(() => {});
    lock.acquire().release();
    expect(lock.tryLock()).toBe(true);
    expect(lock.tryLock()).toBe(false);
    lock.unlock();
    await lock.withLockAsync(() => {});
    const spin = lockClass(new SpinLock(words, 512), "s");
    spin.withLock(() => {});
    expect(brief()).toEqual(["m write 4/0 held 4", "s write 1/0 held 1"]);
  });

  it("tell reading from writing, and a downgrade ends one and begins the other", () => {
    const sem = lockClass(new RwSem(new Int32Array(RwSem.WORDS), 0), "sem");
    const guard = sem.write();
    guard.downgrade();
    sem.downRead({ timeoutMs: 0 });
    sem.upRead();
    guard.release();
    expect(brief()).toEqual(["sem read 2/0 held 2", "sem write 1/0 held 1"]);
  });

  it("note contention and the line that waits, also if the wait is given up", () => {
    const words = new Int32Array(new SharedArrayBuffer(Mutex.WORDS * 4));
    const lock = lockClass(new Mutex(words, 0), "m");
    words[0] = 1; // held by somebody else
    expect(lock.lock({ timeoutMs: 1 })).toBe(false);
    words[0] = 0;
    lock.withLock(() => {});
    const [row] = lockStat().toJSON();
    expect(row).toMatchObject({ acquisitions: 1, contentions: 1, waitMs: { count: 0 } });
    expect(row.contentionPoints[0].caller).toContain("debug.stat.test.ts");
  });

  it("note how long a task waited for a lock", async () => {
    const lock = lockClass(new Mutex(new Int32Array(Mutex.WORDS), 0), "m");
    const guard = await lock.acquireAsync();
    const waiting = lock.acquireAsync();
    await new Promise((resolve) => setImmediate(resolve));
    guard.release();
    (await waiting).release();
    const [row] = lockStat().toJSON();
    expect(row).toMatchObject({
      acquisitions: 2,
      contentions: 1,
      waitMs: { count: 1 },
      holdMs: { count: 2 },
    });
    expect(row.waitMs.min).toBeGreaterThan(0);
  });

  it("are empty while the checks are off", () => {
    new SpinLock(new Int32Array(1), 0).withLock(() => {});
    expect(lockStat().toJSON()).toHaveLength(1);
    debug.disable();
    expect(lockStat().toJSON()).toEqual([]);
    expect(debug.stat.toJSON()).toHaveLength(1); // still readable by who has the handle
  });

  const brief = () =>
    lockStat()
      .toJSON()
      .map((row) => {
        const { className, mode, acquisitions, contentions, holdMs } = row;
        return `${className} ${mode} ${acquisitions}/${contentions} held ${holdMs.count}`;
      });
});

describe("the statistics between threads", () => {
  it("show who waited for another thread", async () => {
    const actors = await new Actors(1).ready();
    using debug = enableLockDebug();
    try {
      lockClass(actors.mutex, "shared");
      actors.does(0, Command.mutexLock, Status.Holding);
      expect(actors.mutex.lock({ timeoutMs: 1 })).toBe(false);
      actors.does(0, Command.mutexUnlock, Status.Idle);
      expect(actors.mutex.lock()).toBe(true);
      actors.tell(0, Command.mutexLock);
      actors.untilMutexWaiters(1);
      actors.mutex.unlock();
      actors.untilStatus(0, Status.Holding);
    } finally {
      await actors.stop();
    }
    const [row] = debug.stat.toJSON();
    expect(row).toMatchObject({ className: "shared", acquisitions: 1, contentions: 1, holdMs: { count: 1 } });
    actors.mutex.validate();
  });

  it("count every acquisition of every thread, and the locks still exclude", async () => {
    const [threads, rounds] = [3, 400];
    const words = new Int32Array(new SharedArrayBuffer(DEBUG_WORDS * 4));
    const url = new URL("./support/debug.worker.ts", import.meta.url);
    const results = await Promise.all(
      Array.from({ length: threads }, async () => {
        const worker = new Worker(url, { workerData: { words, rounds } });
        const [result] = (await once(worker, "message")) as [{ stat: LockStatRow[]; edges: LockEdge[] }];
        await worker.terminate();
        return result;
      }),
    );
    const total = threads * rounds;
    expect([...words.subarray(COUNTERS, COUNTERS + 3)]).toEqual([total, 2 * total, total]);
    const acquired = new Map<string, number>();
    for (const { className, mode, acquisitions, holdMs } of results.flatMap(({ stat }) => stat)) {
      expect(holdMs.count).toBe(acquisitions);
      acquired.set(`${className} ${mode}`, (acquired.get(`${className} ${mode}`) ?? 0) + acquisitions);
    }
    const expected = { "mutex write": total, "spin write": 2 * total, "sem write": total, "sem read": total };
    expect(Object.fromEntries(acquired)).toEqual(expected);
    using debug = enableLockDebug();
    for (const { edges } of results) debug.merge(edges);
    expect(String(debug.graph)).toBe("mutex -> spin\nsem (read) -> spin");
    new Mutex(words, DEBUG_LOCK.mutex).validate();
    new RwSem(words, DEBUG_LOCK.rwsem).validate();
  });
});
