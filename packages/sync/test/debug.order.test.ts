import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  assertHeld,
  assertNoLocksHeld,
  enableLockDebug,
  type LockDebug,
  type LockDebugOptions,
  LockGraph,
  type LockReport,
  lockClass,
  lockNested,
} from "../src/debug/index.ts";
import { Mutex, RcuDomain, RwSem, SpinLock } from "../src/index.ts";
import { anotherAgent } from "./support/agents.ts";

let words: Int32Array;
let debug: LockDebug | undefined;
let reports: LockReport[];

beforeEach(() => {
  words = new Int32Array(new SharedArrayBuffer(8192));
  reports = [];
});
afterEach(() => {
  debug?.graph.validate();
  debug?.disable();
});

/** Switches the checks on; reports are collected, and what was reported goes on. */
function collect(options: LockDebugOptions = {}): void {
  debug = enableLockDebug({ onReport: (report) => void reports.push(report), ...options });
}

const kinds = () => reports.map(({ kind }) => kind);
const mutex = (at: number, name?: string) => {
  const lock = new Mutex(words, at * 64);
  return name === undefined ? lock : lockClass(lock, name);
};
const sem = (at: number, name: string) => lockClass(new RwSem(words, at * 64), name);
const spin = (at: number) => new SpinLock(words, at * 64);

function inOrder(...locks: Mutex[]): void {
  for (const lock of locks) lock.lock();
  for (const lock of locks.reverse()) lock.unlock();
}

describe("the order of locks", () => {
  it("is reported at the first possible inversion, with both chains and their stacks", () => {
    debug = enableLockDebug();
    const [a, b] = [mutex(0, "a"), mutex(1, "b")];
    function takesAThenB(): void {
      inOrder(a, b);
    }
    function takesBThenA(): void {
      b.lock();
      a.lock();
    }
    takesAThenB();
    expect(takesBThenA).toThrow(expect.objectContaining({ name: "SyncError", code: "EDEADLK" }));
    expect(a.isLocked).toBe(false); // refused before it was taken
    const message = messageOf(() => a.lock());
    expect(message).toContain("taking a while holding b can deadlock");
    expect(message).toMatch(/held b, taken\n.*takesBThenA/);
    expect(message).toMatch(/seen before:\n {2}held a, taken\n(.*\n)*.*takesAThenB/);
    b.unlock();
    assertNoLocksHeld();
  });

  it("allows the same order again and again, also with a lock in between", () => {
    collect();
    const [a, b, c] = [mutex(0, "a"), mutex(1, "b"), mutex(2, "c")];
    for (let turn = 0; turn < 3; turn++) {
      inOrder(a, b, c);
      inOrder(a, c);
      inOrder(b, c);
    }
    expect(reports).toEqual([]);
    expect(String(debug?.graph)).toBe("a -> b\na -> c\nb -> c");
  });

  it("is a circle of three as well, each arc by another lock's holder", () => {
    collect();
    const [a, b, c] = [mutex(0, "a"), mutex(1, "b"), mutex(2, "c")];
    inOrder(a, b);
    inOrder(b, c);
    inOrder(c, a);
    expect(kinds()).toEqual(["cycle"]);
    const chain = reports[0].chain.map(({ from, to }) => `${from.className}${to.className}`);
    expect(chain).toEqual(["ca", "ab", "bc"]);
    inOrder(c, a);
    expect(reports).toHaveLength(1); // once known, it is said once
  });

  it("holds for classes: other locks of the same names are enough", () => {
    collect();
    inOrder(mutex(0, "inode"), mutex(1, "page"));
    inOrder(mutex(2, "page"), mutex(3, "inode"));
    expect(kinds()).toEqual(["cycle"]);
  });

  it("does not mix up unnamed locks, which are a class each", () => {
    collect();
    inOrder(mutex(0), mutex(1));
    inOrder(mutex(2), mutex(0));
    inOrder(mutex(1), mutex(3));
    inOrder(mutex(0), new Mutex(new Int32Array(Mutex.WORDS), 0)); // word 0 of another buffer
    expect(reports).toEqual([]);
    expect(String(debug?.graph)).toMatch(/^Mutex@(\d+:)?0 -> Mutex@(\d+:)?64\n/);
  });

  it("knows two objects on the same words as one lock", () => {
    collect();
    const [again, shifted] = [new Mutex(words, 0), new Mutex(words.subarray(64), 0)];
    mutex(0).lock();
    assertHeld(again);
    again.unlock();
    inOrder(mutex(0), shifted);
    inOrder(mutex(1), mutex(0));
    expect(kinds()).toEqual(["cycle"]);
  });

  it("gets no edge to a lock taken by a try, which cannot wait", () => {
    collect();
    const [a, b] = [mutex(0, "a"), mutex(1, "b")];
    inOrder(a, b);
    b.lock();
    expect(a.tryLock()).toBe(true);
    a.unlock();
    expect(a.lock({ timeoutMs: 0 })).toBe(true);
    a.unlock();
    b.unlock();
    expect(reports).toEqual([]);
  });

  it("gets edges from a lock taken by a try, which holds like any other", () => {
    collect();
    const [a, b] = [mutex(0, "a"), mutex(1, "b")];
    inOrder(a, b);
    expect(b.tryLock()).toBe(true);
    a.lock();
    expect(kinds()).toEqual(["cycle"]);
  });

  it("is broken by readers in opposite order, since a reader waits behind a queued writer", () => {
    collect();
    const [a, b] = [sem(0, "a"), sem(1, "b")];
    readBoth(a, b);
    readBoth(b, a);
    expect(kinds()).toEqual(["cycle"]);
    expect(reports[0].message).toContain("taking a (read) while holding b (read)");
  });

  it("is not broken by recursive readers in opposite order", () => {
    collect();
    const recursiveReads = true;
    const a = lockClass(new RwSem(words, 0), "a", { recursiveReads });
    const b = lockClass(new RwSem(words, 64), "b", { recursiveReads });
    readBoth(a, b);
    readBoth(b, a);
    a.downRead();
    a.downRead();
    a.upRead();
    a.upRead();
    expect(reports).toEqual([]);
    a.downWrite();
    b.downRead();
    expect(reports).toEqual([]); // readers of both, one writer: the reader of b is let in
    b.upRead();
    b.downWrite();
    expect(kinds()).toEqual(["cycle"]); // the writer of b waits for a reader who waits for a
  });

  it("is told from a read lock that was a write lock first", () => {
    collect();
    const [a, b] = [sem(0, "a"), mutex(1, "b")];
    using guard = a.write();
    guard.downgrade();
    assertHeld(a, "read");
    expect(reports).toEqual([]);
    assertHeld(a, "write");
    b.withLock(() => {});
    expect(kinds()).toEqual(["not-held"]);
    expect(String(debug?.graph)).toBe("a (read) -> b");
  });

  it("is merged from another agent, and contradictions show", () => {
    collect();
    inOrder(mutex(0, "a"), mutex(1, "b"));
    const theirs = new LockGraph();
    const end = (className: string) => ({
      className,
      isShared: false,
      isRecursiveRead: false,
      site: { stack: [`at ${className} of a worker`] },
    });
    theirs.add({ from: end("b"), to: end("c") });
    const posted = structuredClone(theirs.toJSON());
    debug?.merge(posted);
    expect(reports).toEqual([]);
    debug?.merge([{ from: end("c"), to: end("a") }]);
    expect(kinds()).toEqual(["cycle"]);
    expect(reports[0].message).toContain("at b of a worker");
  });
});

describe("recursion", () => {
  it("is reported for the lock itself before the thread waits for itself", () => {
    debug = enableLockDebug();
    const lock = mutex(0);
    lock.lock();
    expect(messageOf(() => lock.lock())).toContain("it is held already");
    lock.unlock();
    const a = sem(1, "a");
    a.downRead();
    expect(messageOf(() => a.downRead())).toContain("it is held already");
    expect(messageOf(() => a.downWrite())).toContain("it is held already");
    expect(a.tryDownWrite()).toBe(false); // a try cannot wait, so it is no recursion
    a.upRead();
  });

  it("is reported for another lock of the class, unless nested", () => {
    collect();
    const [parent, child] = [mutex(0, "inode"), mutex(1, "inode")];
    parent.lock();
    lockNested(1, () => child.lock());
    child.unlock();
    expect(reports).toEqual([]);
    child.lock();
    expect(kinds()).toEqual(["recursion"]);
  });

  it("of nested classes has an order too", () => {
    collect();
    const [parent, child] = [mutex(0, "inode"), mutex(1, "inode")];
    parent.lock();
    lockNested(1, () => child.lock());
    child.unlock();
    parent.unlock();
    lockNested(1, () => child.lock());
    parent.lock();
    expect(kinds()).toEqual(["cycle"]);
  });

  it("refuses a subclass out of range", () => {
    expect(() => lockNested(8, () => {})).toThrow(
      new RangeError("lockNested: subclass must be an integer in 1..7, got 8"),
    );
  });
});

describe("sleeping", () => {
  const calls: [string, () => unknown][] = [
    ["Mutex.lock", () => mutex(2).lock()],
    ["RwSem.downRead", () => new RwSem(words, 128).downRead()],
    ["RwSem.downWrite", () => new RwSem(words, 128).downWrite({ timeoutMs: 5 })],
    ["RcuDomain.synchronize", () => new RcuDomain(words, 256).synchronize()],
    ["RcuDomain.barrier", () => new RcuDomain(words, 256).barrier()],
  ];
  for (const [name, call] of calls) {
    it(`is reported for ${name} while a spinlock is held, and not after`, () => {
      collect();
      const lock = spin(0);
      lock.lock();
      call();
      lock.unlock();
      expect(kinds()).toEqual(["sleep-under-spinlock"]);
      expect(reports[0].message).toContain(`${name} may sleep, but a spinlock is held`);
    });
    it(`is not reported for ${name} under a mutex`, () => {
      collect();
      mutex(0).withLock(call);
      expect(reports).toEqual([]);
    });
  }

  it("is reported in a read section, for locks and for synchronize", () => {
    debug = enableLockDebug();
    const rcu = new RcuDomain(words, 256);
    rcu.read(() => {
      expect(messageOf(() => mutex(0).lock())).toContain(
        "Mutex.lock may sleep, but this is an RCU read section",
      );
      expect(messageOf(() => rcu.synchronize())).toContain("RcuDomain.synchronize may sleep");
      expect(messageOf(() => rcu.waitCookie(rcu.cookie()))).toContain("RcuDomain.waitCookie may sleep");
    });
    mutex(0).lock();
    rcu.synchronize();
    mutex(0).unlock();
  });

  it("is not reported for what cannot sleep: tries, spinlocks, polls, and waits that are over", () => {
    collect();
    const rcu = new RcuDomain(words, 256);
    const cookie = rcu.cookie();
    rcu.waitCookie(cookie);
    rcu.read(() => {
      rcu.read(() => spin(0).withLock(() => expect(mutex(1).tryLock()).toBe(true)));
      mutex(1).unlock();
      rcu.waitCookie(cookie);
      rcu.poll(rcu.cookie());
    });
    expect(reports).toEqual([]);
    expect(String(debug?.graph)).toBe(""); // a section is never waited for by a lock, so it has no place in the order
  });

  it("is reported once by synchronize, also if a reader makes it wait", () => {
    const rcu = new RcuDomain(words, 256);
    const other = new RcuDomain(anotherAgent(words), 256);
    other.readLock();
    collect();
    const answers: boolean[] = [];
    rcu.poll = (cookie) => {
      answers.push(RcuDomain.prototype.poll.call(rcu, cookie));
      if (answers.length === 1) other.readUnlock(); // the reader leaves once the writer has seen it
      return answers[answers.length - 1];
    };
    spin(0).withLock(() => rcu.synchronize());
    expect(answers).toEqual([false, true]);
    expect(kinds()).toEqual(["sleep-under-spinlock"]);
  });

  it("is checked in callbacks of synchronize, which are the user's code", () => {
    collect();
    const rcu = new RcuDomain(words, 256);
    rcu.call(() => spin(0).withLock(() => mutex(1).withLock(() => {})));
    rcu.synchronize();
    expect(kinds()).toEqual(["sleep-under-spinlock"]);
  });
});

describe("holding", () => {
  it("is what a release needs", () => {
    debug = enableLockDebug();
    const lock = mutex(0);
    words[0] = 1; // as if another thread had taken it
    expect(() => lock.unlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
    expect(lock.isLocked).toBe(true); // it was not taken from its holder
    words[0] = 0;
    lock.lock();
    lock.unlock();
    const a = sem(1, "a");
    a.downRead();
    expect(messageOf(() => a.upWrite())).toContain("RwSem.upWrite: this thread does not hold a");
    expect(messageOf(() => a.downgradeWrite())).toContain(
      "RwSem.downgradeWrite: this thread does not hold a",
    );
    a.upRead();
  });

  it("is asserted, in a mode or in any", () => {
    collect();
    const a = sem(0, "a");
    a.downRead();
    assertHeld(a);
    assertHeld(a, "read");
    expect(reports).toEqual([]);
    assertHeld(a, "write");
    a.upRead();
    assertHeld(a);
    expect(kinds()).toEqual(["not-held", "not-held"]);
  });

  it("is over at the end of a turn, or named with its stack", () => {
    collect();
    const [a, rcu] = [mutex(0, "a"), new RcuDomain(words, 256)];
    a.withLock(() => {});
    rcu.read(() => {});
    assertNoLocksHeld("end of turn");
    expect(reports).toEqual([]);
    a.lock();
    rcu.readLock();
    assertNoLocksHeld("end of turn");
    expect(kinds()).toEqual(["still-held"]);
    expect(reports[0].message).toContain("end of turn: still held: a, RCU read section");
    expect(reports[0].message).toContain("debug.order.test.ts");
    rcu.readUnlock();
    a.unlock();
  });

  it("ends when a wait is given up: nothing is held then", () => {
    collect();
    words[0] = 1;
    expect(mutex(0).lock({ timeoutMs: 1 })).toBe(false);
    expect(() => mutex(0).lock({ timeoutMs: -1 })).toThrow(RangeError);
    assertNoLocksHeld();
    expect(reports).toEqual([]);
  });
});

describe("tasks", () => {
  it("of one thread have no order among them if nobody can tell them apart", async () => {
    collect();
    const [a, b] = [mutex(0, "a"), mutex(1, "b")];
    const first = await a.acquireAsync();
    const second = await b.acquireAsync();
    first.release();
    const third = await a.acquireAsync();
    assertHeld(a);
    second.release();
    third.release();
    assertNoLocksHeld();
    expect(reports).toEqual([]);
  });

  it("deadlock with their own thread if that blocks", async () => {
    debug = enableLockDebug();
    const a = mutex(0, "a");
    using guard = await a.acquireAsync();
    expect(messageOf(() => a.lock())).toContain("a task of this very thread holds it");
    expect(guard.isHeld).toBe(true);
  });

  it("follow the order if they can be told apart", async () => {
    const storage = new AsyncLocalStorage<object>();
    collect({ currentTask: () => storage.getStore() });
    const [a, b] = [mutex(0, "a"), mutex(1, "b")];
    const both = (first: Mutex, second: Mutex) =>
      storage.run({}, async () => {
        using one = await first.acquireAsync();
        await Promise.resolve();
        using two = await second.acquireAsync();
        return one.isHeld && two.isHeld;
      });
    await Promise.all([both(a, b), both(a, b)]);
    expect(reports).toEqual([]);
    await both(b, a);
    expect(kinds()).toEqual(["cycle"]);
    assertNoLocksHeld();
    expect(reports).toHaveLength(1);
  });
});

describe("the package's own locks", () => {
  it("stay out of graph and reports, also when a crowd waits without blocking", async () => {
    collect();
    const [lock, a] = [mutex(0, "crowded"), sem(1, "a")];
    let inside = 0;
    const work = async (index: number) => {
      using _guard = await lock.acquireAsync();
      using _sem = await (index % 2 === 0 ? a.writeAsync() : a.readAsync());
      expect(++inside).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    // More than the queue has room for, so that the overflow path runs as well.
    await Promise.all(Array.from({ length: 40 }, (_, index) => work(index)));
    const readers = Array.from({ length: 40 }, async (_, index) => {
      using _sem = await (index % 2 === 0 ? a.writeAsync() : a.readAsync());
      await new Promise((resolve) => setImmediate(resolve));
    });
    await Promise.all(readers);
    assertNoLocksHeld();
    expect(reports).toEqual([]);
    expect(String(debug?.graph)).toBe("");
    expect(debug?.stat.toJSON().map(({ className }) => className)).not.toContain(
      expect.stringContaining("SpinLock"),
    );
    lock.validate();
    a.validate();
  });
});

describe("a reader that found no slot in the queue", () => {
  const [READER, OVERFLOW, FREED, KIND] = [1 << 8, 8 + 3, 8 + 4, 16 + 1];
  let sem: RwSem;

  beforeEach(() => {
    collect();
    sem = new RwSem(words, 0);
    words[0] = 1; // a writer of another thread
    for (let slot = 0; slot < 16; slot++) words[KIND + 3 * slot] = 1;
  });

  /** The next try is the user's and must be seen, although the package's own after such a wait is not. */
  function checkNextTry(): void {
    expect(words[0]).toBe(READER);
    expect(sem.tryDownRead()).toBe(true);
    sem.upRead();
    sem.upRead();
    expect(reports).toEqual([]);
    assertNoLocksHeld();
    expect(reports).toEqual([]);
  }

  it("leaves the next try to the user after waiting as a task", async () => {
    const reading = sem.downReadAsync();
    await new Promise((resolve) => setImmediate(resolve));
    expect(words[OVERFLOW]).toBe(1);
    Atomics.store(words, KIND, 0);
    Atomics.sub(words, 0, 1);
    Atomics.add(words, FREED, 1);
    Atomics.notify(words, FREED);
    expect(await reading).toBe(true);
    checkNextTry();
  });

  it("leaves the next try to the user after blocking", async () => {
    const code = `const { words } = require("node:worker_threads").workerData;
      while (Atomics.load(words, ${OVERFLOW}) === 0);
      Atomics.store(words, ${KIND}, 0);
      Atomics.sub(words, 0, 1);
      Atomics.add(words, ${FREED}, 1);
      Atomics.notify(words, ${FREED});`;
    const worker = new Worker(code, { eval: true, workerData: { words } });
    await once(worker, "online");
    expect(sem.downRead()).toBe(true);
    checkNextTry();
    await worker.terminate();
  });
});

describe("off", () => {
  it("means the prototypes are as they were", () => {
    const own = (prototype: object) => Object.entries(Object.getOwnPropertyDescriptors(prototype));
    const prototypes = [SpinLock, Mutex, RwSem, RcuDomain].map(({ prototype }) => prototype as object);
    const before = prototypes.map(own);
    debug = enableLockDebug();
    expect(prototypes.map(own)).not.toEqual(before);
    expect(() => enableLockDebug()).toThrow(expect.objectContaining({ code: "EINVAL" }));
    debug.disable();
    debug.disable();
    const after = prototypes.map(own);
    expect(after).toEqual(before);
    for (const [index, list] of after.entries()) {
      for (const [at, [name, { value }]] of list.entries()) {
        expect([name, value === before[index][at][1].value]).toEqual([name, true]);
      }
    }
  });

  it("makes every check a no-op", () => {
    const lock = mutex(0, "a");
    assertHeld(lock);
    lock.lock();
    assertNoLocksHeld();
    expect(lockNested(1, () => 3)).toBe(3);
    lock.unlock();
    expect(() => lockClass(lock, "")).toThrow(RangeError);
  });
});

function readBoth(first: RwSem, second: RwSem): void {
  using _one = first.read();
  using _two = second.read();
}

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("did not throw");
}
