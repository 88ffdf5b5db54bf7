import { afterEach, describe, expect, it } from "vitest";
import { SpinLock, SyncError, TestAndSetLock } from "../src/index.ts";
import { Actors, Command, Status, until } from "./support/actors.ts";
import { sharedWords, wordsOn } from "./support/memory.ts";

describe("SpinLock in one thread", () => {
  for (const Buffer of [ArrayBuffer, SharedArrayBuffer]) {
    it(`takes, refuses and gives back on a zeroed ${Buffer.name}`, () => {
      const lock = new SpinLock(wordsOn(Buffer, 16), 3);
      expect(lock.isLocked).toBe(false);
      expect(lock.lock()).toBe(true);
      expect(lock.tryLock()).toBe(false);
      expect(String(lock)).toBe("SpinLock(held)");
      lock.unlock();
      expect(lock.tryLock()).toBe(true);
      lock.unlock();
      expect(lock.isLocked).toBe(false);
      lock.validate();
    });
  }

  it("is the same lock when constructed twice over the same word", () => {
    const words = new Int32Array(16);
    new SpinLock(words, 5).lock();
    expect(new SpinLock(words, 5).isLocked).toBe(true);
    expect(new SpinLock(words, 6).isLocked).toBe(false);
  });

  it("throws EDEADLK instead of waiting for itself on an ArrayBuffer", () => {
    const lock = new SpinLock(new Int32Array(1), 0);
    lock.lock();
    expect(() => lock.lock()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    expect(() => lock.lock({ timeoutMs: 1 })).toThrow(SyncError);
  });

  it("throws EPERM when nobody holds it and stays free", () => {
    const lock = new SpinLock(new Int32Array(1), 0);
    expect(() => lock.unlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
    expect(lock.tryLock()).toBe(true);
  });

  it("gives the lock back when the function given to withLock throws", () => {
    const lock = new SpinLock(new Int32Array(1), 0);
    expect(lock.withLock(() => lock.isLocked)).toBe(true);
    expect(() =>
      lock.withLock(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(lock.isLocked).toBe(false);
  });

  it("releases once through a guard", () => {
    const lock = new SpinLock(new Int32Array(1), 0);
    const guard = lock.acquire();
    expect(guard.isHeld).toBe(true);
    guard[Symbol.dispose]();
    expect(guard.isHeld).toBe(false);
    lock.lock();
    guard.release();
    expect(lock.isLocked).toBe(true);
  });

  it("names the argument and its value when it is out of range", () => {
    const words = new Int32Array(4);
    expect(() => new SpinLock(words, 4)).toThrow("word must be an integer in 0..3");
    expect(() => new SpinLock(words, 1.5)).toThrow(RangeError);
    expect(() => new SpinLock([] as unknown as Int32Array, 0)).toThrow(TypeError);
    const lock = new SpinLock(words, 0);
    expect(() => lock.lock({ timeoutMs: -1 })).toThrow("timeoutMs must be a number >= 0, got -1");
    expect(lock.isLocked).toBe(false);
  });

  it("reports a word that is no lock", () => {
    const words = new Int32Array([7]);
    expect(() => new SpinLock(words, 0).validate()).toThrow("SpinLock: word 0 is 0x7");
    expect(() => new TestAndSetLock(words, 0).validate()).toThrow("word 0 is 7, expected 0, 1 or 2");
    expect(String(new TestAndSetLock(words, 0))).toBe("TestAndSetLock(corrupt)");
  });

  it("times out while another thread holds a shared lock", () => {
    const lock = new SpinLock(sharedWords(1), 0);
    lock.lock();
    expect(lock.lock({ timeoutMs: 2 })).toBe(false);
    expect(() => lock.acquire({ timeoutMs: 0 })).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
    lock.unlock();
    expect(lock.lock({ timeoutMs: 2 })).toBe(true);
  });
});

describe("SpinLock between threads", () => {
  let actors: Actors;
  afterEach(() => actors.stop());

  it("wakes the sleepers one after the other", async () => {
    actors = await new Actors(3).ready();
    const { spin } = actors;
    spin.lock();
    for (const actor of [0, 1, 2]) actors.tell(actor, Command.spinLock);
    until(
      () => String(spin) === "SpinLock(held, pending)",
      () => String(spin),
    );
    spin.unlock();
    const isHolding = (actor: number) => actors.status(actor) === Status.Holding;
    for (const served of [1, 2, 3]) {
      until(
        () => [0, 1, 2].some(isHolding),
        () => `${served - 1} of 3 sleepers got the lock: ${spin}`,
      );
      const holder = [0, 1, 2].findIndex(isHolding);
      actors.does(holder, Command.spinUnlock, Status.Idle);
    }
    expect(spin.isLocked).toBe(false);
  });

  it("gives up in time in another thread and can be taken afterwards", async () => {
    actors = await new Actors(1).ready();
    actors.spin.lock();
    actors.does(0, Command.spinLockTimed, Status.TimedOut);
    actors.spin.unlock();
    actors.does(0, Command.spinLockTimed, Status.Holding);
  });
});
