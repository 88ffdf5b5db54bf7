import { beforeEach, describe, expect, it } from "vitest";
import { SeqLock } from "../src/index.ts";
import { FakeAgents } from "./support/fake-agents.ts";

const ANN = 1024;
const BOB = 1025;
const EVE = 2048;
const A = SeqLock.WORDS;
const B = SeqLock.WORDS + 1;
const code = (name: string) => expect.objectContaining({ code: name });

describe("a robust SeqLock", () => {
  let agents: FakeAgents;
  let words: Int32Array;
  let repairs: number;
  beforeEach(() => {
    agents = new FakeAgents();
    words = new Int32Array(new SharedArrayBuffer(4 * (SeqLock.WORDS + 2)));
    repairs = 0;
  });
  const repair = () => {
    repairs++;
    Atomics.store(words, B, Atomics.load(words, A));
  };
  const make = (fn: () => void = repair) => new SeqLock(words, 0, { agents, repair: fn });
  const readBoth = (lock: SeqLock) => lock.read(() => [Atomics.load(words, A), Atomics.load(words, B)]);
  /** As a writer leaves it that died between its two stores. */
  const dieWriting = (lock: SeqLock) => {
    agents.as(EVE, () => lock.writeLock());
    Atomics.store(words, A, 7);
    agents.kill(EVE);
  };

  it("is repaired by the next writer", () => {
    const lock = make();
    dieWriting(lock);
    expect(agents.as(ANN, () => lock.write(() => [words[A], words[B]]))).toEqual([7, 7]);
    expect([repairs, lock.isWriting, lock.isLocked, lock.isUnusable]).toEqual([1, false, false, false]);
    lock.validate();
  });

  it("is repaired by a reader, when nobody writes any more", () => {
    const lock = make();
    dieWriting(lock);
    expect(agents.as(ANN, () => readBoth(lock))).toEqual([7, 7]);
    expect([repairs, lock.isLocked]).toEqual([1, false]);
    dieWriting(lock);
    agents.as(BOB, () => lock.agentDied(EVE));
    lock.validate();
    expect(agents.as(ANN, () => lock.readOrLock(() => words[B]))).toBe(7);
    expect(repairs).toBe(2);
  });

  it("needs no repair if the dead one had the lock and did not write", () => {
    const lock = make();
    agents.as(EVE, () => lock.readExclLock());
    agents.kill(EVE);
    expect(agents.as(ANN, () => lock.tryWriteLock())).toBe(true);
    agents.as(ANN, () => lock.writeUnlock());
    expect(repairs).toBe(0);
    lock.validate();
  });

  it("refuses readers and writers once it could not be repaired", () => {
    const lock = make(() => {
      throw new Error("beyond repair");
    });
    dieWriting(lock);
    const calls: (() => unknown)[] = [
      () => readBoth(lock),
      () => lock.writeLock(),
      () => lock.tryWriteLock(),
    ];
    for (const call of calls) {
      expect(() => agents.as(ANN, call)).toThrow(code("ENOTRECOVERABLE"));
    }
    expect([lock.isUnusable, lock.isWriting]).toEqual([true, true]);
    lock.validate();
  });

  it("lets a reader wait for a writer that lives, and no longer than it wants", () => {
    const lock = make();
    agents.as(BOB, () => lock.writeLock());
    expect(() => agents.as(ANN, () => lock.readBegin({ timeoutMs: 2 }))).toThrow(code("ETIMEDOUT"));
    expect(() => agents.as(ANN, () => lock.writeUnlock())).toThrow(code("EPERM"));
    expect(lock.isLocked).toBe(true);
    agents.as(BOB, () => lock.writeUnlock());
    expect(agents.as(ANN, () => readBoth(lock))).toEqual([0, 0]);
  });

  it("wants to know how to repair", () => {
    expect(() => new SeqLock(words, 0, { agents } as never)).toThrow("repair must be a function");
  });
});
