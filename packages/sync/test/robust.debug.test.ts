import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { enableLockDebug, type LockDebug, type LockReport } from "../src/debug/index.ts";
import { RobustMutex, RobustSpinLock } from "../src/index.ts";
import { FakeAgents } from "./support/fake-agents.ts";

describe("the lock checks on robust locks", () => {
  let debug: LockDebug;
  let reports: LockReport[];
  let words: Int32Array;
  const agents = new FakeAgents();
  agents.self = 1024;
  beforeEach(() => {
    reports = [];
    words = new Int32Array(new SharedArrayBuffer(4 * 256));
    debug = enableLockDebug({ onReport: (report) => void reports.push(report) });
  });
  afterEach(() => debug.disable());
  const mutex = (at: number) => new RobustMutex(words, at, { agents, repair: () => {} });

  it("report an inversion and a release without a hold", () => {
    const [a, b] = [mutex(0), mutex(64)];
    for (const [first, second] of [
      [a, b],
      [b, a],
    ]) {
      first.lock();
      second.lock();
      second.unlock();
      first.unlock();
    }
    expect(reports.map(({ kind }) => kind)).toEqual(["cycle"]);
    expect(() => a.unlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
    expect(reports.length).toBe(2);
  });

  it("say nothing about what the locks do inside, also when an owner has died", async () => {
    const lock = mutex(0);
    const spin = new RobustSpinLock(words, 128, { agents, repair: () => {} });
    for (const each of [lock, spin]) {
      agents.as(4096, () => each.lock());
      debug.disable();
      debug = enableLockDebug({ onReport: (report) => void reports.push(report) });
      agents.kill(4096);
      const all = Array.from({ length: 20 }, () => each.withLockAsync(() => {}));
      await Promise.all(all);
      each.withLock(() => {});
    }
    expect(reports).toEqual([]);
  });
});
