import { afterEach, describe, expect, it } from "vitest";
import { Mutex } from "../src/index.ts";
import { Actors, Command, Status, until } from "./support/actors.ts";

describe("Mutex in one thread", () => {
  for (const Buffer of [ArrayBuffer, SharedArrayBuffer]) {
    it(`takes, refuses and gives back on a zeroed ${Buffer.name}`, () => {
      const mutex = new Mutex(new Int32Array(new Buffer(1024)), 16);
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
    const mutex = new Mutex(new Int32Array(new SharedArrayBuffer(Mutex.WORDS * 4)), 0);
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
