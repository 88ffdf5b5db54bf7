import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Mutex } from "../src/index.ts";
import { Actors, Command, Status, until } from "./support/actors.ts";
import { sharedWords, wordsOn } from "./support/memory.ts";
import { countNotifies } from "./support/notifies.ts";

describe("Mutex in one thread", () => {
  for (const Buffer of [ArrayBuffer, SharedArrayBuffer]) {
    it(`takes, refuses and gives back on a zeroed ${Buffer.name}`, () => {
      const mutex = new Mutex(wordsOn(Buffer, 256), 16);
      mutex.lock();
      expect(mutex.tryLock()).toBe(false);
      expect(mutex.isLocked).toBe(true);
      expect(String(mutex)).toBe("Mutex(held, waiting: 0)");
      mutex.unlock();
      expect(mutex.withLock(() => mutex.isLocked)).toBe(true);
      mutex.acquire().release();
      expect(mutex.isLocked).toBe(false);
      mutex.validate();
    });
  }

  it("throws EDEADLK instead of waiting for itself on an ArrayBuffer", () => {
    const mutex = new Mutex(new Int32Array(Mutex.WORDS), 0);
    mutex.lock();
    expect(() => mutex.lock()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    mutex.unlock();
    mutex.validate();
  });

  it("throws EPERM when nobody holds it", () => {
    const mutex = new Mutex(new Int32Array(Mutex.WORDS), 0);
    expect(() => mutex.unlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
    mutex.validate();
  });

  it("leaves nothing in the queue after a timeout", () => {
    const mutex = new Mutex(sharedWords(Mutex.WORDS), 0);
    mutex.lock();
    expect(mutex.lock({ timeoutMs: 2 })).toBe(false);
    expect(mutex.isContended).toBe(false);
    mutex.validate();
    expect(() => mutex.acquire({ timeoutMs: 0 })).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
  });

  it("reports a state word that is no mutex", () => {
    const words = new Int32Array(Mutex.WORDS);
    words[0] = 64;
    expect(() => new Mutex(words, 0).validate()).toThrow("STATE is 64");
  });

  it("refuses words that end too early", () => {
    expect(() => new Mutex(new Int32Array(Mutex.WORDS), 1)).toThrow("word must be an integer in 0..0");
  });
});

describe("Mutex among the tasks of one thread", () => {
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const shared = () => sharedWords(Mutex.WORDS);

  for (const handoffAfter of [0, 1, 3]) {
    it(`lets a first waiter be overtaken ${handoffAfter} times, and no more`, async () => {
      const mutex = new Mutex(shared(), 0, { handoffAfter });
      mutex.lock();
      const waiter = mutex.lockAsync();
      await turn();
      let overtakings = 0;
      // The unlock wakes the waiter, who gets its turn only after this task has taken the lock again.
      for (mutex.unlock(); mutex.tryLock() && overtakings < 10; mutex.unlock()) {
        overtakings++;
        await turn();
      }
      expect(overtakings).toBe(handoffAfter);
      expect(await waiter).toBe(true);
      mutex.unlock();
      mutex.validate();
    });
  }

  it("grants in the order of arrival, as if those that were aborted had never come", async () => {
    const step = fc.oneof(fc.constant("arrive"), fc.constant("unlock"), fc.nat({ max: 5 }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (script) => {
        const mutex = new Mutex(shared(), 0);
        const waiting: { id: number; controller: AbortController }[] = []; // the model
        let holder = -1;
        let granted = -1;
        let arrivals = 0;
        for (const action of script) {
          if (action === "arrive" && waiting.length < 16) {
            const id = arrivals++;
            const controller = new AbortController();
            const take = mutex.lockAsync({ signal: controller.signal });
            take.then(
              () => {
                granted = id;
              },
              () => {},
            );
            if (holder === -1) holder = id;
            else waiting.push({ id, controller });
          } else if (action === "unlock" && holder !== -1) {
            mutex.unlock();
            holder = waiting.shift()?.id ?? -1;
          } else if (typeof action === "number") {
            for (const { controller } of waiting.splice(action, 1)) controller.abort();
          }
          for (let look = 0; look < 100 && mutex.waiterCount !== waiting.length; look++) await turn();
          await turn();
          expect([mutex.isLocked, mutex.waiterCount]).toEqual([holder !== -1, waiting.length]);
          if (holder !== -1) expect(granted).toBe(holder);
          mutex.validate();
        }
      }),
      { numRuns: 200 },
    );
  });

  it("notifies a first waiter once, however often the lock is taken and given back before it has looked", async () => {
    const mutex = new Mutex(shared(), 0, { handoffAfter: 100 });
    mutex.lock();
    const waiter = mutex.lockAsync();
    await turn();
    const notifies = countNotifies(() => {
      for (let time = 0; time < 10; time++) {
        mutex.unlock();
        mutex.lock();
      }
      mutex.unlock();
    });
    expect(notifies).toBe(1);
    expect(await waiter).toBe(true);
    mutex.unlock();
    mutex.validate();
  });

  it("learns how long to look from spins that did not pay, and looks again when they do", () => {
    const words = shared();
    words[2] = 40;
    const mutex = new Mutex(words, 0);
    mutex.lock();
    for (let round = 0; round < 60; round++) expect(mutex.lock({ timeoutMs: 0 })).toBe(false);
    expect(words[2]).toBe(0);
    expect(words[1]).toBe(0);
  });

  it("does not spin while somebody else does, and never with a budget of 0", () => {
    const words = shared();
    words[2] = 40;
    words[1] = 1;
    const mutex = new Mutex(words, 0);
    mutex.lock();
    expect(mutex.lock({ timeoutMs: 0 })).toBe(false);
    words[1] = 0;
    expect(new Mutex(words, 0, { spinBudget: 0 }).lock({ timeoutMs: 0 })).toBe(false);
    expect(words[2]).toBe(40);
  });

  it("names an option that is out of range", () => {
    expect(() => new Mutex(shared(), 0, { spinBudget: -1 })).toThrow("spinBudget must be an integer");
    expect(() => new Mutex(shared(), 0, { handoffAfter: 0.5 })).toThrow("got 0.5");
    const words = shared();
    words[1] = 3;
    expect(() => new Mutex(words, 0).validate()).toThrow("SPINNER is 3");
  });
});

describe("Mutex between threads", () => {
  let actors: Actors;
  afterEach(() => actors.stop());

  it("serves waiters in the order in which they came", async () => {
    actors = await new Actors(5).ready();
    const order = [3, 0, 4, 1, 2];
    actors.mutex.lock();
    for (const [before, actor] of order.entries()) {
      actors.tell(actor, Command.mutexLock);
      actors.untilMutexWaiters(before + 1);
    }
    actors.mutex.unlock();
    for (const actor of order) {
      actors.untilStatus(actor, Status.Holding);
      expect(order.filter((other) => actors.status(other) === Status.Holding)).toEqual([actor]);
      actors.does(actor, Command.mutexUnlock, Status.Idle);
    }
    actors.mutex.validate();
    expect(actors.mutex.isLocked).toBe(false);
  });

  it("gives the lock to a waiter that was woken and lost, before anybody else", async () => {
    actors = await new Actors(1).ready();
    const { mutex } = actors;
    mutex.lock();
    actors.tell(0, Command.mutexLock);
    actors.untilMutexWaiters(1);
    // Overtake the waiter until it has noticed: then the unlock hands over, and tryLock cannot succeed.
    let overtakings = 0;
    until(
      () => {
        mutex.unlock();
        if (!mutex.tryLock()) return true;
        overtakings++;
        return false;
      },
      () => `overtaken ${overtakings} times: ${mutex}`,
    );
    actors.untilStatus(0, Status.Holding);
    mutex.validate();
  });

  it("wakes the second waiter when the first has given up", async () => {
    actors = await new Actors(2).ready();
    actors.mutex.lock();
    actors.tell(0, Command.mutexLockTimed);
    actors.tell(1, Command.mutexLock);
    actors.untilStatus(0, Status.TimedOut);
    actors.untilMutexWaiters(1);
    actors.mutex.unlock();
    actors.untilStatus(1, Status.Holding);
    actors.mutex.validate();
  });

  it("lets more threads wait than the queue has slots", async () => {
    actors = await new Actors(18).ready();
    const all = Array.from({ length: 18 }, (_, actor) => actor);
    actors.mutex.lock();
    for (const actor of all) actors.tell(actor, Command.mutexLock);
    actors.untilMutexWaiters(16);
    actors.mutex.unlock();
    for (const served of all) {
      const holder = () => all.find((actor) => actors.status(actor) === Status.Holding) ?? -1;
      until(
        () => holder() !== -1,
        () => `${served} of 18 got it: ${actors.mutex}`,
      );
      actors.does(holder(), Command.mutexUnlock, Status.Idle);
    }
    expect(actors.mutex.isLocked).toBe(false);
    actors.mutex.validate();
  });
});
