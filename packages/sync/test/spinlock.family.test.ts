/* What every kind of spinlock must do, and in which order those that promise one serve. */
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { McsLock, QSpinLock, TicketLock } from "../src/index.ts";
import { sharedWords } from "./support/memory.ts";
import { SPINLOCK_NAMES, type SpinLockName, spinlocksOver } from "./support/spinlocks.ts";
import { stress } from "./support/stress.ts";
import { COUNTER, LOCK, type PartName } from "./support/stress-parts.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const fresh = (name: SpinLockName) => {
  const words = sharedWords(256);
  return { words, lock: spinlocksOver(words, 16)[name] };
};

for (const name of SPINLOCK_NAMES) {
  describe(name, () => {
    afterEach(() => void vi.restoreAllMocks());

    it("is held by one or by nobody, refuses a release without a hold, and leaves its words at rest", () => {
      fc.assert(
        fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (script) => {
          const { words, lock } = fresh(name);
          let isHeld = false;
          for (const isTake of script) {
            if (isTake) expect(lock.tryLock()).toBe(!isHeld);
            else if (isHeld) lock.unlock();
            else expect(() => lock.unlock()).toThrow(code("EPERM"));
            isHeld = isTake;
            expect(lock.isLocked).toBe(isHeld);
            lock.validate();
          }
          if (isHeld) lock.unlock();
          // Tickets are numbers that go on; everything else is as before the first hold.
          if (name !== "TicketLock") expect(words.every((word) => word === 0)).toBe(true);
          expect(String(lock)).toContain("free");
        }),
      );
    });

    it("throws EDEADLK instead of waiting for itself on an ArrayBuffer", () => {
      const lock = spinlocksOver(new Int32Array(256), 16)[name];
      lock.lock();
      expect(() => lock.lock()).toThrow(code("EDEADLK"));
      expect(String(lock)).toContain("held");
      lock.unlock();
      lock.validate();
    });

    it("times out in a blocking call and can be taken afterwards", () => {
      const { lock } = fresh(name);
      lock.lock();
      for (let round = 0; round < 40; round++) expect(lock.lock({ timeoutMs: 0.05 })).toBe(false);
      lock.unlock();
      expect(lock.lock({ timeoutMs: 0 })).toBe(true);
      lock.validate();
    });

    it("does not notify when nobody waits", () => {
      const notify = vi.spyOn(Atomics, "notify");
      const { lock } = fresh(name);
      for (let round = 0; round < 10; round++) lock.withLock(() => {});
      expect(notify).not.toHaveBeenCalled();
    });

    it("excludes tasks of one thread from each other, also when some of them are aborted", async () => {
      const { lock } = fresh(name);
      let inside = 0;
      let entered = 0;
      const controller = new AbortController();
      const work = async () => {
        expect(++inside).toBe(1);
        entered++;
        await turn();
        inside--;
      };
      lock.lock();
      // More than there are nodes, so that some wait without one.
      const tasks = Array.from({ length: 16 }, (_, task) =>
        lock.withLockAsync(work, task % 3 === 0 ? { signal: controller.signal } : undefined),
      );
      const settled = Promise.allSettled(tasks);
      await turn();
      controller.abort();
      await turn(); // an unlock in the same turn may grant the lock to one of them, and a grant wins
      lock.unlock();
      const results = await settled;
      expect(results.filter(({ status }) => status === "rejected").length).toBe(6);
      expect([entered, lock.isLocked]).toEqual([10, false]);
      lock.validate();
    });

    it("loses no increment between threads", async () => {
      const { results, words } = await stress(Array<PartName>(3).fill(`lock ${name}`), 5000);
      expect(words[COUNTER]).toBe(results.reduce((sum, each) => sum + each, 0));
      expect(spinlocksOver(words, LOCK)[name].tryLock()).toBe(true);
    });

    it("loses no increment and no waiter when many give up", async () => {
      const { results, words } = await stress(Array<PartName>(3).fill(`impatient ${name}`), 2000);
      expect(words[COUNTER]).toBe(results.reduce((sum, each) => sum + each, 0));
      const lock = spinlocksOver(words, LOCK)[name];
      lock.validate();
      expect(lock.tryLock()).toBe(true);
    });
  });
}

describe("the order of service", () => {
  for (const name of ["TicketLock", "McsLock", "QSpinLock"] as const) {
    it(`${name} serves in the order of arrival, as if those that gave up had never come`, async () => {
      const script = fc.array(fc.record({ givesUp: fc.boolean() }), { minLength: 1, maxLength: 9 });
      await fc.assert(
        fc.asyncProperty(script, async (arrivals) => {
          const { lock } = fresh(name);
          const served: number[] = [];
          const controller = new AbortController();
          lock.lock();
          // A ticket cannot be given back, so a ticket lock takes those that may give up out of the order.
          const options = (givesUp: boolean) => (givesUp ? { signal: controller.signal } : undefined);
          const tasks = arrivals.map(async ({ givesUp }, task) => {
            await lock.lockAsync(options(givesUp));
            served.push(task);
            await turn();
            lock.unlock();
          });
          const settled = Promise.allSettled(tasks);
          await turn();
          controller.abort();
          await turn();
          lock.unlock();
          await settled;
          const expected = [...arrivals.keys()].filter((task) => !arrivals[task].givesUp);
          expect(served).toEqual(expected);
          lock.validate();
          expect(lock.isLocked).toBe(false);
        }),
        { numRuns: 60 },
      );
    });
  }

  it("QSpinLock hands a newcomer nothing while somebody waits", async () => {
    const { lock } = fresh("QSpinLock");
    lock.lock();
    const second = lock.lockAsync();
    await turn();
    expect(String(lock)).toBe("QSpinLock(held, pending)");
    const third = lock.lockAsync();
    await turn();
    expect(String(lock)).toBe("QSpinLock(held, pending, tail: 1)");
    lock.unlock();
    expect(lock.tryLock()).toBe(false);
    expect(await second).toBe(true);
    lock.unlock();
    expect(await third).toBe(true);
    lock.unlock();
    lock.validate();
  });

  it("QSpinLock wakes a waiter without a node when the head gives up in the moment of the release", async () => {
    const words = sharedWords(256);
    const nodes = { nodes: 16, nodesMax: 1 };
    const [other, lock] = [0, 1].map((word) => new QSpinLock(words, word, nodes));
    const [second, head] = [new AbortController(), new AbortController()];
    // The other lock has the only node, so the waiter comes before the head of the queue.
    other.lock();
    const others = [other.withLockAsync(() => {}), other.withLockAsync(() => {})];
    lock.lock();
    const given = [lock.lockAsync({ signal: second.signal })];
    const waiter = lock.lockAsync();
    other.unlock();
    await Promise.all(others);
    given.push(lock.lockAsync({ signal: head.signal }));
    const settled = Promise.allSettled(given);
    await turn();
    expect(String(lock)).toBe("QSpinLock(held, pending, tail: 1)");
    second.abort();
    await turn();
    lock.unlock();
    head.abort();
    expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await waiter).toBe(true);
    lock.unlock();
    expect(words.every((word) => word === 0)).toBe(true);
  });

  it("QSpinLocks share a table of nodes", async () => {
    const words = sharedWords(256);
    const nodes = { nodes: 16, nodesMax: 2 };
    const locks = [0, 1].map((word) => new QSpinLock(words, word, nodes));
    let served = 0;
    for (const lock of locks) lock.lock();
    const tasks = locks.flatMap((lock) => [1, 2, 3, 4].map(() => lock.withLockAsync(() => void served++)));
    await turn();
    for (const lock of locks) lock.unlock();
    await Promise.all(tasks);
    expect(served).toBe(8);
    expect(words.every((word, index) => index >= 16 || word === 0)).toBe(true);
    for (const lock of locks) lock.validate();
  });
});

describe("words that are no lock", () => {
  it("are reported with their values", () => {
    const words = new Int32Array(256);
    words[0] = 2;
    expect(() => new QSpinLock(words, 0).validate()).toThrow("word 0 is 0x2");
    expect(() => new McsLock(words.fill(99, 0, 1), 0).validate()).toThrow("TAIL is 99");
    expect(() => new TicketLock(words.fill(-5, 0, 1), 0).validate()).toThrow("ahead of NEXT by 5");
    words.fill(0)[4] = 9;
    expect(() => new McsLock(words, 0).validate()).toThrow("node 1 has STATE 9");
  });

  it("are refused when they end too early", () => {
    const words = new Int32Array(16);
    expect(() => new McsLock(words, 0)).toThrow("McsLock: word must be");
    expect(() => new TicketLock(words, 13)).toThrow("0..12");
    expect(() => new QSpinLock(words, 0, { nodes: 10, nodesMax: 4 })).toThrow("QSpinLock nodes");
    expect(() => new QSpinLock(words, 0, { nodes: 1, nodesMax: 0 })).toThrow("nodesMax must be");
  });

  it("wrap around: ticket numbers pass 2^31 and 2^32", async () => {
    for (const start of [2 ** 31 - 2, -2]) {
      const words = sharedWords(4);
      words.fill(start, 0, 2);
      const lock = new TicketLock(words, 0);
      for (let round = 0; round < 4; round++) {
        lock.lock();
        const next = lock.lockAsync();
        lock.validate();
        expect(lock.tryLock()).toBe(false);
        lock.unlock();
        expect(await next).toBe(true);
        lock.unlock();
      }
    }
  });
});
