/* The checks of where code runs: in interrupts, in read sections, at the end of a turn and of a thread. */
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { enableLockDebug, type LockDebug, type LockReport, lockClass } from "../src/debug/index.ts";
import { Mutex, RcuDomain, RcuRef, SpinLock, SrcuDomain, ThreadRegistry } from "../src/index.ts";
import {
  bhDisable,
  bhEnable,
  irqRestore,
  irqSave,
  lockBh,
  lockIrqSave,
  raiseIrq,
  raiseSoftirq,
  unlockBh,
  unlockIrqRestore,
} from "../src/irq.ts";
import { anotherAgent } from "./support/agents.ts";

let words: Int32Array;
let debug: LockDebug;
let reports: LockReport[];
const kinds = () => reports.map(({ kind }) => kind);

beforeEach(() => {
  words = new Int32Array(new SharedArrayBuffer(16_384));
  reports = [];
  debug = enableLockDebug({ onReport: (report) => void reports.push(report) });
});
afterEach(() => debug.disable());

const spin = (at: number, name: string) => lockClass(new SpinLock(words, at * 64), name);
const mutex = (at: number, name: string) => lockClass(new Mutex(words, at * 64), name);
const section = (lock: SpinLock) => lock.withLock(() => {});

describe("interrupts", () => {
  it("make a class unsafe that was taken with interrupts on, before it ever hangs, with both places", () => {
    const lock = spin(0, "stats");
    function takenInTask(): void {
      section(lock);
    }
    takenInTask();
    expect(reports).toEqual([]);
    raiseIrq(function handler() {
      section(lock);
    });
    expect(kinds()).toEqual(["irq-unsafe"]);
    expect(reports[0].code).toBe("EDEADLK");
    expect(reports[0].message).toMatch(
      /stats: a hardirq takes it(.*\n)*.*taken in a hardirq\n(.*\n)*.*handler/,
    );
    expect(reports[0].message).toMatch(/taken where a hardirq can come\n(.*\n)*.*takenInTask/);
    raiseIrq(() => section(lock));
    section(lock);
    expect(reports).toHaveLength(1); // once known, it is said once
  });

  it("are found the other way round, also by another lock of the class and by a try", () => {
    raiseIrq(() => {
      const lock = spin(0, "stats");
      expect(lock.tryLock()).toBe(true);
      lock.unlock();
    });
    expect(reports).toEqual([]);
    section(spin(1, "stats"));
    expect(kinds()).toEqual(["irq-unsafe"]);
  });

  it("are safe with lockIrqSave, and softirqs with lockBh", () => {
    const [lock, soft] = [spin(0, "hard"), spin(1, "soft")];
    unlockIrqRestore(lock, lockIrqSave(lock));
    raiseIrq(() => section(lock));
    lockBh(soft);
    unlockBh(soft);
    bhDisable();
    section(soft);
    bhEnable();
    raiseSoftirq(() => section(soft));
    expect(reports).toEqual([]);
    lockBh(lock); // keeps softirqs out, not hardirqs
    unlockBh(lock);
    expect(kinds()).toEqual(["irq-unsafe"]);
    section(soft);
    expect(reports[1].message).toContain("soft: a softirq takes it");
  });

  it("turn an order round: a class they take is held while an unsafe one is taken", () => {
    const [safe, middle, unsafe] = [spin(0, "safe"), spin(1, "middle"), spin(2, "unsafe")];
    raiseIrq(() => section(safe));
    const flags = lockIrqSave(safe);
    section(middle);
    unlockIrqRestore(safe, flags);
    section(unsafe);
    expect(reports).toEqual([]);
    const again = lockIrqSave(middle);
    section(unsafe);
    unlockIrqRestore(middle, again);
    expect(kinds()).toEqual(["irq-order"]);
    const chain = reports[0].chain.map(({ from, to }) => `${from.className} -> ${to.className}`);
    expect(chain).toEqual(["safe -> middle", "middle -> unsafe"]);
    expect(reports[0].message).toContain("unsafe is taken while holding safe, which a hardirq takes");
  });

  it("turn an order round that was there first, when one of its classes becomes unsafe", () => {
    const [safe, unsafe] = [spin(0, "safe"), spin(1, "unsafe")];
    const flags = lockIrqSave(safe);
    section(unsafe);
    unlockIrqRestore(safe, flags);
    section(unsafe);
    raiseIrq(() => section(safe));
    expect(kinds()).toEqual(["irq-order"]);
  });

  it("may not sleep, nor may a thread that has switched them off", () => {
    const lock = mutex(0, "m");
    raiseIrq(() => lock.withLock(() => {}));
    expect(reports[0].message).toContain("Mutex.lock may sleep, but this is a hardirq");
    const flags = irqSave();
    lock.withLock(() => {});
    irqRestore(flags);
    expect(reports.at(-1)?.message).toContain("Mutex.lock may sleep, but interrupts are off");
    expect(kinds().filter((kind) => kind === "sleep-in-irq")).toHaveLength(2);
  });
});

describe("RCU", () => {
  const sections: [string, (fn: () => void) => void][] = [
    ["RcuDomain, mb", (fn) => new RcuDomain(words, 1024).read(fn)],
    ["RcuDomain, qsbr", (fn) => new RcuDomain(words, 2048, { flavour: "qsbr" }).read(fn)],
    [
      "SrcuDomain",
      (fn) => {
        const srcu = new SrcuDomain(words, 3072);
        const index = srcu.readLock();
        fn();
        srcu.readUnlock(index);
      },
    ],
  ];

  it.each(sections)("lets readers load in a section of an %s, and nobody outside", (_name, read) => {
    const ref = new RcuRef(words, 0);
    read(() => ref.load());
    ref.loadProtected();
    expect(reports).toEqual([]);
    ref.load();
    expect(kinds()).toEqual(["load-outside-section"]);
    expect(reports[0]).toMatchObject({ code: "EPERM" });
    expect(reports[0].message).toContain("debug.contexts.test.ts");
  });

  const waits: [string, (rcu: RcuDomain, srcu: SrcuDomain) => unknown][] = [
    ["RcuDomain.synchronize", (rcu) => rcu.synchronize()],
    ["RcuDomain.synchronizeExpedited", (rcu) => rcu.synchronizeExpedited()],
    ["RcuDomain.barrier", (rcu) => rcu.barrier()],
    ["SrcuDomain.synchronize", (_rcu, srcu) => srcu.synchronize()],
    ["SrcuDomain.synchronizeExpedited", (_rcu, srcu) => srcu.synchronizeExpedited()],
    ["SrcuDomain.barrier", (_rcu, srcu) => srcu.barrier()],
    ["Atomics.wait", () => Atomics.wait(words, 0, 0, 1)],
  ];

  it.each(waits)("reports %s in a read section, also of another domain", (name, wait) => {
    const [reading, rcu] = [new RcuDomain(words, 1024), new RcuDomain(words, 2048)];
    const srcu = new SrcuDomain(words, 3072);
    reading.read(() => wait(rcu, srcu));
    expect(kinds()).toEqual(["sleep-in-read-section"]);
    expect(reports[0].message).toContain(`${name} may sleep`);
    wait(rcu, srcu);
    const index = srcu.readLock(); // these may sleep, though not for the same domain
    rcu.synchronize();
    srcu.readUnlock(index);
    expect(reports).toHaveLength(1);
  });

  it("reports an expedited wait once, also if a reader makes it sleep", () => {
    debug.disable();
    const other = new RcuDomain(anotherAgent(words), 1024);
    other.readLock(); // another thread's, as far as the checks know
    debug = enableLockDebug({ onReport: (report) => void reports.push(report) });
    const onStall = () => other.readUnlock();
    const rcu = new RcuDomain(words, 1024, { onStall, stallMs: 1 });
    spin(0, "s").withLock(() => rcu.synchronizeExpedited());
    expect(kinds()).toEqual(["sleep-under-spinlock"]);
  });

  it.each([
    ["RcuDomain", () => new RcuDomain(words, 1024)],
    ["SrcuDomain", () => new SrcuDomain(words, 1024)],
  ] as const)("reports a function that %s.call gets twice before it has run", (name, open) => {
    const rcu = open();
    let ran = 0;
    const free = () => void ran++;
    rcu.call(free);
    rcu.call(() => void ran++);
    rcu.barrier();
    rcu.call(free);
    expect(reports).toEqual([]);
    rcu.call(free);
    expect(kinds()).toEqual(["double-call"]);
    expect(reports[0].message).toContain(
      `${name}.call: this function is waiting for its grace period already`,
    );
    rcu.barrier();
    expect(ran).toBe(4);
  });
});

describe("a spinlock", () => {
  it("is not held across an await: its release says so, once", async () => {
    const lock = spin(0, "s");
    lock.lock();
    await Promise.resolve();
    lock.unlock();
    expect(kinds()).toEqual(["await-under-spinlock"]);
    expect(reports[0].message).toContain("s was held at the end of an event-loop turn");
    section(lock);
    await Promise.resolve();
    section(lock);
    using guard = await lock.acquireAsync(); // whoever awaits it has asked for that
    await Promise.resolve();
    guard.release();
    expect(reports).toHaveLength(1);
  });

  it("is not held while the thread sleeps by other means than this package", () => {
    spin(0, "s").withLock(() => Atomics.wait(words, 1000, 0, 1));
    expect(reports[0].message).toContain("Atomics.wait may sleep, but a spinlock is held");
    mutex(1, "m").withLock(() => Atomics.wait(words, 1000, 0, 1));
    expect(reports).toHaveLength(1);
  });
});

describe("the end of a thread", () => {
  it("with a lock held is reported when it leaves its registry", () => {
    const registry = new ThreadRegistry(words, 1024);
    registry.join();
    const lock = mutex(0, "m");
    lock.lock();
    registry.leave();
    expect(kinds()).toEqual(["still-held"]);
    expect(reports[0].message).toContain("ThreadRegistry.leave: still held: m");
    lock.unlock();
  });

  it.each(["end", "exit", "throw"])("with a lock held is reported by itself: %s", async (end) => {
    const url = new URL("./support/debug-end.worker.ts", import.meta.url);
    const worker = new Worker(url, { workerData: { words, end } });
    worker.on("error", () => {}); // of "throw"; the report is what is asked for
    const messages: string[] = [];
    worker.on("message", (message) => messages.push(message));
    await new Promise((resolve) => worker.on("exit", resolve));
    expect(messages).toHaveLength(1);
    expect(messages[0]).toContain("end of the thread: still held: kept");
    expect(messages[0]).toContain("debug-end.worker.ts");
  });

  it("leaves process and prototypes as they were", () => {
    debug.disable();
    const count = process.listenerCount("exit");
    const { wait } = Atomics;
    debug = enableLockDebug();
    expect(process.listenerCount("exit")).toBe(count + 1);
    debug.disable();
    expect([process.listenerCount("exit"), Atomics.wait === wait]).toEqual([count, true]);
  });
});
