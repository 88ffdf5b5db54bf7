import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PerWorkerRwSem } from "../src/per-worker-rwsem.ts";
import { RcuDomain } from "../src/rcu.ts";
import { anotherAgent } from "./support/agents.ts";
import { countNotifies } from "./support/notifies.ts";
import { settle } from "./support/settle.ts";
import { runTeam, teamWords } from "./support/team.ts";
import { PAYLOAD, RCU, SUBJECT, WRITES } from "./support/team-parts.ts";

/** Two objects over the same words, as two workers would have them. */
function make(workersMax = 4) {
  const words = teamWords();
  const rcu = new RcuDomain(words, RCU, { agentsMax: 8 });
  const [a, b] = [0, 1].map(() => new PerWorkerRwSem(words, SUBJECT, rcu, { workersMax }));
  return { words, rcu, a, b };
}

const gracePeriods = (rcu: RcuDomain) => Number(/grace periods (\d+)/.exec(String(rcu))?.[1]);

describe("PerWorkerRwSem", () => {
  it("lets readers in together, and a writer alone", () => {
    const { a, b } = make();
    expect([a.downRead(), b.downRead(), a.readerCount]).toEqual([true, true, 2]);
    expect(a.downWrite({ timeoutMs: 1 })).toBe(false);
    a.upRead();
    b.upRead();
    const guard = a.write();
    expect([b.tryDownRead(), b.downRead({ timeoutMs: 1 }), b.downWrite({ timeoutMs: 0 })]).toEqual([
      false,
      false,
      false,
    ]);
    expect(() => b.read({ timeoutMs: 0 })).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
    expect(() => b.write({ timeoutMs: 0 })).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
    expect(String(a)).toBe("PerWorkerRwSem(blocked by a writer, reading: 0, waiting: 0 R 0 W)");
    guard.release();
    b.read().release();
    expect(() => b.upWrite()).toThrow(expect.objectContaining({ code: "EPERM" }));
    a.validate();
  });

  it("counts reads that end in another worker than they began in", () => {
    const { words, a, b } = make();
    a.downRead();
    a.downRead();
    b.upRead();
    expect([a.readerCount, a.downWrite({ timeoutMs: 0 })]).toEqual([1, false]);
    a.validate();
    b.upRead();
    expect(a.downWrite()).toBe(true);
    a.upWrite();
    b.upRead();
    expect(() => a.validate()).toThrow("the readers' sum is -1");
    expect(words[SUBJECT + 16]).toBe(2);
  });

  it("has readers go the slow way after a writer, until a grace period has passed", () => {
    const { words, a, b } = make();
    a.write().release();
    // An agent that reads since then holds up the grace period that upWrite has asked for.
    const other = new RcuDomain(anotherAgent(words), RCU);
    a.write().release();
    other.readLock();
    a.write().release();
    b.read().release();
    expect(String(a)).toContain("(exiting,");
    other.readUnlock();
    b.read().release();
    expect(String(a)).toContain("(fast,");
  });

  it("lets no writer in while another worker may be counting itself without Atomics", async () => {
    const { words, rcu, a, b } = make();
    // What a fast reader does first, and then nothing for a while.
    const other = new RcuDomain(anotherAgent(words), RCU);
    other.readLock();
    let isIn = false;
    const writing = a.downWriteAsync().then(() => {
      isIn = true;
    });
    await settle();
    expect([isIn, b.tryDownRead()]).toEqual([false, false]);
    other.readUnlock();
    await writing;
    a.upWrite();
    rcu.synchronize();
    b.read().release();
    const before = gracePeriods(rcu);
    expect([String(a).includes("(fast,"), a.downWrite()]).toEqual([true, true]);
    expect(gracePeriods(rcu)).toBeGreaterThan(before);
  });

  it("looks at MODE and counts itself in one RCU section, which a writer can wait for", () => {
    const { words, rcu, a } = make();
    const { load } = Atomics;
    const counts: [boolean, number][] = [];
    Atomics.load = ((view: Int32Array, word: number) => {
      if (view === words && word === SUBJECT + 1) counts.push([rcu.isReading, words[SUBJECT + 16]]);
      return load(view, word);
    }) as typeof load;
    let leave = 0;
    const { readUnlock } = rcu;
    rcu.readUnlock = () => {
      leave = words[SUBJECT + 16];
      readUnlock.call(rcu);
    };
    try {
      a.downRead();
      expect([counts, leave]).toEqual([[[true, 0]], 1]);
      a.upRead();
      expect([counts.at(-1), leave]).toEqual([[true, 1], 0]);
    } finally {
      Atomics.load = load;
    }
  });

  it("has writers that come close together share a grace period", () => {
    const { rcu, a, b } = make();
    a.write().release();
    const before = gracePeriods(rcu);
    for (let turn = 0; turn < 10; turn++) b.write().release();
    expect(gracePeriods(rcu) - before).toBeLessThanOrEqual(1);
  });

  it("notifies nobody if nobody waits, and wakes the tasks that do", async () => {
    const { a, b } = make();
    expect(countNotifies(() => a.write().release())).toBe(0);
    expect(countNotifies(() => a.read().release())).toBe(0);
    expect(await a.downWriteAsync()).toBe(true);
    const reading = b.downReadAsync();
    const writing = b.downWriteAsync();
    expect(await b.downReadAsync({ timeoutMs: 1 })).toBe(false);
    await expect(b.downWriteAsync({ signal: AbortSignal.timeout(1) })).rejects.toMatchObject({
      code: "EINTR",
    });
    expect(countNotifies(() => a.upWrite())).toBe(1);
    // Whoever comes first lets the other in.
    await Promise.all([reading.then(() => b.upRead()), writing.then(() => b.upWrite())]);
    expect(String(a)).toContain("reading: 0, waiting: 0 R 0 W)");
    a.validate();
  });

  it("lets the readers that slept through a write in before the next writer, or gives up their turn", async () => {
    const { a, b } = make();
    const order: string[] = [];
    a.downWrite();
    const writing = b.downWriteAsync().then(() => order.push("write"));
    const controller = new AbortController();
    const aborted = b.downReadAsync({ signal: controller.signal });
    const reading = b.downReadAsync().then(() => order.push("read"));
    a.upWrite();
    controller.abort("enough"); // Before it has noticed that it is its turn.
    expect(a.downWrite({ timeoutMs: 0 })).toBe(false);
    const [outcome] = await Promise.allSettled([aborted, reading]);
    if (outcome.status === "fulfilled") b.upRead();
    expect(order).toEqual(["read"]);
    b.upRead();
    await writing;
    b.upWrite();
    a.downWrite();
    const late = await Promise.allSettled([
      b.downReadAsync({ timeoutMs: 1 }),
      b.downReadAsync({ timeoutMs: 2 }),
    ]);
    expect(late).toMatchObject([{ value: false }, { value: false }]);
    a.upWrite();
    expect(a.downWrite({ timeoutMs: 0 })).toBe(true);
    a.validate();
  });

  it("wakes a writer if the only reader that slept gave up while its turn was being declared", async () => {
    const { words, a, b } = make();
    a.downWrite();
    const writing = b.downWriteAsync();
    const [sleepers, turn] = [SUBJECT + 5, SUBJECT + 10];
    Atomics.add(words, sleepers, 1);
    const { store } = Atomics;
    Atomics.store = ((view: Int32Array, word: number, value: number) => {
      if (word === turn) Atomics.sub(words, sleepers, 1); // It has looked at TURN, which is still 0.
      return store(view, word, value);
    }) as typeof store;
    try {
      a.upWrite();
    } finally {
      Atomics.store = store;
    }
    expect(await writing).toBe(true);
    b.upWrite();
    a.validate();
  });

  it("leaves no trace of a writer that gave up while readers were in", async () => {
    const { a, b } = make();
    b.downRead();
    const signal = AbortSignal.timeout(1);
    await expect(a.downWriteAsync({ signal })).rejects.toMatchObject({ code: "EINTR" });
    expect([a.isWriteLocked, a.tryDownRead()]).toEqual([false, true]);
    a.upRead();
    b.upRead();
    expect(await a.downWriteAsync()).toBe(true);
  });

  it("gives up a write whose time is over, or signal aborted, within its grace period", async () => {
    const { words, a, b } = make();
    const reader = new RcuDomain(anotherAgent(words), RCU);
    reader.readLock();
    expect(a.downWrite({ timeoutMs: 2 })).toBe(false);
    expect(await a.downWriteAsync({ timeoutMs: 2 })).toBe(false);
    const controller = new AbortController();
    const aborted = a.downWriteAsync({ signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toThrow(expect.objectContaining({ code: "EINTR" }));
    expect(b.downRead()).toBe(true);
    reader.readUnlock();
    expect(a.downWrite({ timeoutMs: 0 })).toBe(false);
    b.upRead();
    expect(a.downWrite()).toBe(true);
    a.upWrite();
    a.validate();
  });

  it("refuses to wait inside an RCU section, and leaves nothing behind", async () => {
    const { rcu, a, b } = make();
    rcu.readLock();
    expect(() => a.downWrite()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    await expect(a.downWriteAsync()).rejects.toMatchObject({ code: "EDEADLK" });
    rcu.readUnlock();
    b.downWrite();
    rcu.readLock();
    expect(() => a.downRead()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    rcu.readUnlock();
    b.upWrite();
    expect(a.isWriteLocked).toBe(false);
    a.validate();
  });

  it("works in one thread on an ArrayBuffer, where waiting is a deadlock", () => {
    const words = new Int32Array(1024);
    const rcu = new RcuDomain(words, 512, { agentsMax: 2 });
    using sem = new PerWorkerRwSem(words, 0, rcu, { workersMax: 2 });
    sem.write().release();
    const guard = sem.read();
    expect(() => sem.downWrite()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    expect(sem.isWriteLocked).toBe(false);
    guard.release();
    sem.downWrite();
    expect(() => sem.downRead()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    sem.upWrite();
    sem.validate();
  });

  it("keeps counting when a slot changes hands", () => {
    const { words, rcu, a, b } = make(1);
    a.downRead();
    expect(() => b.downRead()).toThrow(expect.objectContaining({ code: "ENOSPC" }));
    a.close();
    expect(b.downRead()).toBe(true);
    expect(b.readerCount).toBe(2);
    b.upRead();
    b.upRead();
    b.write().release();
    expect(() => new PerWorkerRwSem(words, SUBJECT, rcu, { workersMax: 2 })).toThrow(
      "workersMax is 1 in the words, got 2",
    );
    expect(() => PerWorkerRwSem.words(0)).toThrow(RangeError);
    expect(() => new PerWorkerRwSem(new Int32Array(100), 90, rcu)).toThrow(RangeError);
  });

  it("lets in whom a count of readers and a writer's flag would let in", () => {
    const action = fc.tuple(fc.constantFrom("read", "unread", "write", "unwrite", "settle"), fc.nat(1));
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60, size: "max" }), (script) => {
        const { rcu, a, b } = make();
        let readers = 0;
        let isWriting = false;
        for (const [what, who] of script) {
          const sem = [a, b][who];
          if (what === "read") {
            expect(sem.tryDownRead()).toBe(!isWriting);
            if (!isWriting) readers++;
          } else if (what === "unread" && readers > 0) {
            sem.upRead();
            readers--;
          } else if (what === "write") {
            const isFree = !isWriting && readers === 0;
            expect(sem.downWrite({ timeoutMs: 0 })).toBe(isFree);
            if (isFree) isWriting = true;
          } else if (what === "unwrite" && isWriting) {
            sem.upWrite();
            isWriting = false;
          } else if (what === "settle") {
            rcu.synchronize();
          }
          expect([a.readerCount, a.isWriteLocked]).toEqual([readers, isWriting]);
          a.validate();
        }
      }),
    );
  });

  it("shows no reader a writer at work, whoever waits, awaits or gives up", async () => {
    const words = teamWords();
    const team = [
      "perWorkerWrite",
      "perWorkerRead",
      "perWorkerReadTimed",
      "perWorkerWriteTimed",
      "perWorkerReadAsync",
      "perWorkerWriteAsync",
    ] as const;
    expect(await runTeam(words, team, 3000)).toEqual([0, 0, 0, 0, 0, 0]);
    expect([words[PAYLOAD], words[PAYLOAD + 1]]).toEqual([words[WRITES], words[WRITES]]);
    const sem = new PerWorkerRwSem(words, SUBJECT, new RcuDomain(words, RCU));
    sem.validate();
    expect([sem.readerCount, sem.isWriteLocked]).toEqual([0, false]);
  });

  it("lets readers that outnumber a rare writer stay fast and still see whole writes", async () => {
    const words = teamWords();
    const readers = Array.from({ length: 3 }, () => "perWorkerRead" as const);
    expect(await runTeam(words, ["perWorkerWrite", ...readers], 20_000)).toEqual([0, 0, 0, 0]);
    expect(words[PAYLOAD]).toBe(20_000);
  });
});
