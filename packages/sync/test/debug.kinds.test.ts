/* The checks and books for every kind of lock and wait, their events, and words that hold something else. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  assertHeld,
  assertNoLocksFreed,
  type ContentionEvent,
  ContentionFlag,
  enableLockDebug,
  type LockDebug,
  type LockDebugOptions,
  type LockReport,
  LockStat,
  lockClass,
  lockEvents,
  lockStat,
} from "../src/debug/index.ts";
import {
  Barrier,
  Completion,
  type ExclusiveLock,
  McsLock,
  Mutex,
  PerWorkerRwSem,
  QSpinLock,
  RcuDomain,
  RobustPerWorkerRwSem,
  RobustRwSem,
  RobustSemaphore,
  RwSem,
  Semaphore,
  SeqCount,
  SeqLock,
  SpinLock,
  TestAndSetLock,
  TicketLock,
  WaitQueueHead,
} from "../src/index.ts";
import { Actors, Command, Status, until } from "./support/actors.ts";
import { anotherAgent } from "./support/agents.ts";
import { FakeAgents } from "./support/fake-agents.ts";

let words: Int32Array;
let debug: LockDebug | undefined;
let reports: LockReport[];
const kinds = () => reports.map(({ kind }) => kind);
const code = (name: string) => expect.objectContaining({ code: name });

beforeEach(() => {
  words = new Int32Array(new SharedArrayBuffer(16_384));
  reports = [];
});
afterEach(() => {
  debug?.stat.validate();
  debug?.events.validate();
  debug?.graph.validate();
  debug?.disable();
});

function collect(options: LockDebugOptions = {}): LockDebug {
  debug = enableLockDebug({ onReport: (report) => void reports.push(report), ...options });
  return debug;
}

interface Subject {
  readonly name: string;
  readonly mode: "read" | "write";
  readonly maySleep: boolean;
  readonly make: () => { lock: () => boolean; unlock: () => void; object: object };
}

const exclusive = (name: string, Class: new (words: Int32Array, word: number) => ExclusiveLock) => ({
  name,
  mode: "write" as const,
  maySleep: name === "Mutex",
  make: () => {
    const object = new Class(words, 0);
    return { lock: () => object.lock(), unlock: () => object.unlock(), object };
  },
});

const perWorker = () => new PerWorkerRwSem(words, 1024, new RcuDomain(words, 2048));
const immortal = { agents: { self: 1024, isAlive: () => true }, repair: "manual" } as const;
const shared = (name: string, make: () => RobustRwSem | RobustPerWorkerRwSem): Subject[] => [
  {
    name: `${name} for reading`,
    mode: "read",
    maySleep: true,
    make: () => {
      const object = make();
      return { lock: () => object.downRead(), unlock: () => object.upRead(), object };
    },
  },
  {
    name: `${name} for writing`,
    mode: "write",
    maySleep: true,
    make: () => {
      const object = make();
      return { lock: () => object.downWrite(), unlock: () => object.upWrite(), object };
    },
  },
];

const subjects: Subject[] = [
  ...shared("RobustRwSem", () => new RobustRwSem(words, 0, immortal)),
  ...shared(
    "RobustPerWorkerRwSem",
    () => new RobustPerWorkerRwSem(words, 1024, new RcuDomain(words, 2048), immortal),
  ),
  exclusive("SpinLock", SpinLock),
  exclusive("QSpinLock", QSpinLock),
  exclusive("TestAndSetLock", TestAndSetLock),
  exclusive("TicketLock", TicketLock),
  exclusive("McsLock", McsLock),
  exclusive("Mutex", Mutex),
  {
    name: "SeqLock as writer",
    mode: "write",
    maySleep: false,
    make: () => {
      const object = new SeqLock(words, 0);
      return { lock: () => object.writeLock(), unlock: () => object.writeUnlock(), object };
    },
  },
  {
    name: "SeqLock as exclusive reader",
    mode: "write",
    maySleep: false,
    make: () => {
      const object = new SeqLock(words, 0);
      return { lock: () => object.readExclLock(), unlock: () => object.readExclUnlock(), object };
    },
  },
  {
    name: "PerWorkerRwSem for reading",
    mode: "read",
    maySleep: true,
    make: () => {
      const object = perWorker();
      return { lock: () => object.downRead(), unlock: () => object.upRead(), object };
    },
  },
  {
    name: "PerWorkerRwSem for writing",
    mode: "write",
    maySleep: true,
    make: () => {
      const object = perWorker();
      return { lock: () => object.downWrite(), unlock: () => object.upWrite(), object };
    },
  },
];

describe.each(subjects)("a $name", ({ mode, maySleep, make }) => {
  it("is held between its two calls, and counted", () => {
    collect();
    const { lock, unlock, object } = make();
    lockClass(object, "subject");
    expect(lock()).toBe(true);
    assertHeld(object, mode);
    unlock();
    expect(reports).toEqual([]);
    const rows = lockStat().toJSON();
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ className: "subject", mode, acquisitions: 1, holdMs: { count: 1 } });
  });

  it(`${maySleep ? "may" : "must not"} be held while one sleeps, and has a place in the order`, () => {
    collect();
    const { lock, unlock, object } = make();
    lockClass(object, "subject");
    const mutex = lockClass(new Mutex(words, 3072), "mutex");
    lock();
    mutex.lock();
    mutex.unlock();
    unlock();
    expect(kinds()).toEqual(maySleep ? [] : ["sleep-under-spinlock"]);
    expect(debug?.graph.toString()).toBe(`subject${mode === "read" ? " (read)" : ""} -> mutex`);
    mutex.lock();
    lock();
    expect(kinds().at(-1)).toBe("cycle");
  });
});

describe("what is waited for and held by nobody", () => {
  const waits: [string, () => unknown, () => Promise<unknown>][] = [
    ["Semaphore.down", () => new Semaphore(words, 0).down({ timeoutMs: 2 }), () => semaphoreLater()],
    ["RobustSemaphore.down", () => robust().down({ timeoutMs: 2 }), () => robustLater()],
    ["Completion.wait", () => new Completion(words, 0).wait({ timeoutMs: 2 }), () => completionLater()],
    ["Barrier.wait", () => new Barrier(words, 0, 2).wait({ timeoutMs: 2 }), () => barrierLater()],
    [
      "WaitQueueHead.waitFor",
      () => new WaitQueueHead(words, 0).waitFor(() => false, { timeoutMs: 2 }),
      () => queueLater(),
    ],
  ];

  /** Its one permit is an agent's that lives on. */
  const robust = () => {
    const agents = new FakeAgents();
    agents.as(4096, () => new RobustSemaphore(words, 0, { agents, permits: 1 }).tryDown());
    agents.self = 2048;
    return new RobustSemaphore(words, 0, { agents });
  };
  const robustLater = () => {
    const semaphore = robust();
    return later(semaphore.downAsync(), () => semaphore.agentDied(4096));
  };

  async function later(wait: Promise<unknown>, end: () => void): Promise<unknown> {
    await new Promise((resolve) => setImmediate(resolve));
    end();
    return wait;
  }
  const semaphoreLater = () => {
    const semaphore = new Semaphore(words, 0);
    return later(semaphore.downAsync(), () => semaphore.up());
  };
  const completionLater = () => {
    const completion = new Completion(words, 0);
    return later(completion.waitAsync(), () => completion.complete());
  };
  const barrierLater = () => {
    const barrier = new Barrier(words, 0, 2);
    return later(barrier.waitAsync(), () => void barrier.wait());
  };
  const queueLater = () => {
    const queue = new WaitQueueHead(words, 0);
    let isTrue = false;
    return later(
      queue.waitForAsync(() => isTrue),
      () => {
        isTrue = true;
        queue.wake();
      },
    );
  };

  it.each(waits)("%s: a wait in vain is a contention, with its events", (name, wait) => {
    const events: ContentionEvent[] = [];
    collect({ onContention: (event) => events.push(event) });
    wait();
    const [row] = lockStat().toJSON();
    expect(row).toMatchObject({ mode: "wait", contentions: 1, acquisitions: 0, holdMs: { count: 0 } });
    expect(row.className).toBe(`${name.split(".")[0]}@${row.className.split("@")[1]}`);
    expect(row.contentionPoints[0].caller).toContain("debug.kinds.test.ts");
    expect(events.map(({ phase, what, flags, isGot }) => [phase, what, flags, isGot])).toEqual([
      ["begin", name, 0, false],
      ["end", name, 0, false],
    ]);
  });

  it.each(waits)("%s may not be called under a spinlock, nor in a read section", (name, wait) => {
    collect();
    const rcu = new RcuDomain(words, 2048);
    new SpinLock(words, 1024).withLock(wait);
    rcu.read(wait);
    expect(kinds()).toEqual(["sleep-under-spinlock", "sleep-in-read-section"]);
    expect(reports[0].message).toContain(`${name} may sleep`);
  });

  it.each(waits)("%s: tasks that wait are counted as well", async (_name, _wait, waitAsync) => {
    collect();
    await waitAsync();
    const row = lockStat()
      .toJSON()
      .find(({ mode }) => mode === "wait");
    expect(row).toMatchObject({ contentions: 1, waitMs: { count: 1 } });
    expect(row?.acquisitions).toBeGreaterThan(0);
    expect(reports).toEqual([]);
  });

  it("a condition is the user's code: what it locks is seen, and a bad order in it reported", () => {
    collect();
    const [a, b] = [lockClass(new Mutex(words, 64), "a"), lockClass(new Mutex(words, 128), "b")];
    a.withLock(() => b.withLock(() => {}));
    b.withLock(() => new WaitQueueHead(words, 0).waitFor(() => a.withLock(() => true)));
    expect(kinds()).toEqual(["cycle"]);
  });
});

describe("contention events", () => {
  it("come around each wait, with the flags of the kernel", () => {
    const events: ContentionEvent[] = [];
    collect({ onContention: (event) => events.push(event) });
    const late = { timeoutMs: 1 };
    words[0] = 1; // each is held by somebody else
    new SpinLock(words, 0).lock(late);
    words[0] = 0;
    assertNoLocksFreed(words, 0, 64);
    const mutex = new Mutex(words, 64);
    words[64] = 1;
    mutex.lock(late);
    const sem = new RwSem(words, 128);
    words[128] = 1;
    sem.downRead(late);
    sem.downWrite(late);
    const { Spin, Mutex: MutexFlag, Read, Write } = ContentionFlag;
    expect(events.map(({ phase, flags }) => [phase, flags])).toEqual(
      [Spin, MutexFlag, Read, Write].flatMap((flags) => [
        ["begin", flags],
        ["end", flags],
      ]),
    );
    expect(events.every(({ isGot, waitedMs }) => !isGot && waitedMs >= 0)).toBe(true);
  });

  it("say when an async wait has got what it wanted", async () => {
    const events: ContentionEvent[] = [];
    collect({ onContention: (event) => events.push(event) });
    const lock = new Mutex(words, 0);
    const guard = await lock.acquireAsync();
    const next = lock.acquireAsync();
    await new Promise((resolve) => setImmediate(resolve));
    guard.release();
    (await next).release();
    expect(events.map(({ phase, isGot }) => [phase, isGot])).toEqual([
      ["begin", false],
      ["end", true],
    ]);
  });
});

describe("lock events", () => {
  it("count what a writer and a reader of an RwSem go through", async () => {
    const actors = await new Actors(2).ready();
    try {
      collect();
      const { sem } = actors;
      actors.does(0, Command.downWrite, Status.Holding);
      expect(sem.downRead({ timeoutMs: 1 })).toBe(false);
      expect(sem.downWrite({ timeoutMs: 1 })).toBe(false);
      expect(lockEvents().toJSON()).toMatchObject({
        rwsem_rlock_fail: 1,
        rwsem_sleep_reader: 1,
        rwsem_wlock_fail: 1,
        rwsem_opt_fail: 1,
      });
      expect(lockEvents().count("rwsem_sleep_writer")).toBeGreaterThan(0);
      actors.does(0, Command.upWrite, Status.Idle);
      sem.downWrite();
      actors.tell(0, Command.downRead);
      actors.untilWaiters("R");
      until(
        () => sem.isContended,
        () => String(sem),
      ); // it is linked first, then WAITERS is set
      sem.upWrite();
      actors.untilStatus(0, Status.Holding);
      expect(lockEvents().count("rwsem_wake_reader")).toBe(1);
      actors.does(0, Command.upRead, Status.Idle);
      sem.downRead();
      actors.tell(0, Command.downWrite);
      actors.untilWaiters("W");
      until(
        () => sem.isContended,
        () => String(sem),
      ); // it is linked first, then WAITERS is set
      sem.upRead();
      actors.untilStatus(0, Status.Holding);
      expect(lockEvents().count("rwsem_wake_writer")).toBeGreaterThan(0);
      expect(String(lockEvents())).toContain("rwsem_wake_reader=1\n");
    } finally {
      await actors.stop();
    }
  });

  it("tell the slow paths of a qspinlock apart", async () => {
    collect();
    const table = { nodes: 1024, nodesMax: 4 };
    const lock = new QSpinLock(words, 0, table);
    const guard = await lock.acquireAsync();
    const waiting = [lock.acquireAsync(), lock.acquireAsync()];
    await new Promise((resolve) => setImmediate(resolve));
    guard.release();
    for (const next of waiting) (await next).release();
    expect(lockEvents().toJSON()).toMatchObject({ lock_pending: 1, lock_slowpath: 1 });
    const plain = new SpinLock(words, 512);
    words[512] = 1 | (1 << 8); // somebody is pending already
    const crowd = plain.acquireAsync();
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.store(words, 512, 0);
    Atomics.notify(words, 512);
    (await crowd).release();
    expect(lockEvents().count("lock_no_node")).toBe(1);
    debug?.events.clear();
    expect(String(lockEvents())).toBe("");
  });
});

describe("bounces", () => {
  it("are acquisitions after another agent's, and a foreign release says whose it is", () => {
    const owners = new Int32Array(new SharedArrayBuffer(256));
    collect({ owners });
    const lock = lockClass(new Mutex(words, 0), "m");
    lock.withLock(() => {});
    lock.withLock(() => {});
    const mine = owners.findIndex((owner) => owner !== 0);
    owners[mine] = 4711; // another agent takes it and keeps it
    words[0] = 1;
    expect(lock.lock({ timeoutMs: 1 })).toBe(false);
    lock.unlock();
    expect(reports[0].message).toContain("this thread does not hold m, last taken by agent 4711");
    lock.withLock(() => {});
    const [row] = lockStat().toJSON();
    expect(row).toMatchObject({ acquisitions: 3, acqBounces: 1, contentions: 1, conBounces: 1 });
    expect(() => enableLockDebug({ owners: new Int32Array(0) })).toThrow(code("EINVAL")); // it is on already
  });

  it("of several agents are added up", () => {
    const [a, b] = [new LockStat(), new LockStat()];
    for (const stat of [a, b]) {
      stat.contended("m", "write", "at here", stat === b);
      stat.acquired("m", "write", stat === a ? 1 : 3, stat === b);
      stat.released("m", "write", 2);
    }
    b.acquired("other", "wait", undefined);
    a.merge(JSON.parse(JSON.stringify(b)));
    a.validate();
    expect(a.toJSON()[0]).toMatchObject({
      acquisitions: 2,
      contentions: 2,
      acqBounces: 1,
      conBounces: 1,
      waitMs: { count: 2, min: 1, max: 3, total: 4 },
      contentionPoints: [{ caller: "at here", count: 2 }],
    });
    expect(a.toJSON()).toHaveLength(2);
    b.acquired("m", "write", undefined, true);
    b.acquired("m", "write", undefined, true);
    expect(() => {
      const broken = new LockStat();
      broken.merge([{ ...b.toJSON()[0], acqBounces: 9 }]);
      broken.validate();
    }).toThrow("bounces are too many");
  });
});

describe("words that hold something else", () => {
  const broken: [string, number, number, () => unknown][] = [
    ["SpinLock", 0, 2, () => new SpinLock(words, 0)],
    ["QSpinLock", 0, 4, () => new QSpinLock(words, 0)],
    ["TestAndSetLock", 0, 3, () => new TestAndSetLock(words, 0)],
    ["TicketLock", 2, -1, () => new TicketLock(words, 0)],
    ["McsLock", 1, 31, () => new McsLock(words, 0)],
    ["Mutex", 0, 8, () => new Mutex(words, 0)],
    ["Mutex", 9, 9, () => new Mutex(words, 0)],
    ["RwSem", 0, 0x10, () => new RwSem(words, 0)],
    ["RwSem", 2, 4, () => new RwSem(words, 0)],
    ["Semaphore", 0, -2, () => new Semaphore(words, 0)],
    ["Completion", 2, -3, () => new Completion(words, 0)],
    ["Barrier", 0, 5000, () => new Barrier(words, 0, 2)],
    ["WaitQueueHead", 3, -1, () => new WaitQueueHead(words, 0)],
    ["SeqCount", 2, -1, () => new SeqCount(words, 0)],
    ["SeqLock", 2, -1, () => new SeqLock(words, 0)],
    ["RcuDomain", 4, -1, () => new RcuDomain(words, 0)],
  ];

  it.each(broken)("are refused as a %s: word %i is %i", (name, word, value, construct) => {
    collect();
    words[word] = value;
    const before = words.slice();
    expect(construct).toThrow(expect.objectContaining({ code: "EINVAL", name: "SyncError" }));
    expect(construct).toThrow(`hold no ${name}`);
    expect(words).toEqual(before);
    debug?.disable();
    words[word] = 0;
    construct();
  });

  it("are known by what this agent has constructed there, until they are given back", () => {
    collect();
    new Mutex(words, 0);
    new Mutex(anotherAgent(words), 0);
    new Mutex(words, 0).withLock(() => {});
    expect(() => new RwSem(words, 0)).toThrow("a Mutex has been seen at word 0");
    expect(() => new RwSem(words.subarray(16), 16)).toThrow("a Mutex has been seen at word -16");
    new RwSem(words, 64);
    new SpinLock(words, 128);
    new QSpinLock(words, 128);
    new SeqLock(words, 192);
    new SeqLock(words, 192);
    expect(reports).toEqual([]);
    assertNoLocksFreed(words, 0, 64);
    new Semaphore(words, 0);
  });

  it("are not given back with a held lock in them", () => {
    collect();
    const lock = lockClass(new Mutex(words, 64), "m");
    lock.lock();
    assertNoLocksFreed(words, 0, 64);
    assertNoLocksFreed(words, 65, 100);
    assertNoLocksFreed(anotherAgent(words), 0, 128);
    expect(reports).toEqual([]);
    assertNoLocksFreed(words, 0, 65);
    expect(kinds()).toEqual(["freed-while-held"]);
    expect(reports[0]).toMatchObject({ code: "EINVAL" });
    expect(reports[0].message).toContain("words 0..64 are given back, but in them is held: m");
    lock.unlock();
  });
});
