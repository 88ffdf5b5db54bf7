import { describe, expect, it, vi } from "vitest";
import { Mutex } from "../src/mutex.ts";
import { RefCount, type RefCountFault } from "../src/refcount.ts";
import { runTeam, teamWords } from "./support/team.ts";
import { FREED, SUBJECT } from "./support/team-parts.ts";

function counted(start: number): { count: RefCount; faults: RefCountFault[] } {
  const faults: RefCountFault[] = [];
  const count = new RefCount(new Int32Array(4), 2, { warn: (fault) => void faults.push(fault) });
  count.set(start);
  return { count, faults };
}

describe("RefCount", () => {
  it("tells exactly the drop that reaches zero", () => {
    const { count, faults } = counted(1);
    count.inc();
    count.add(3);
    expect(count.subAndTest(3)).toBe(false);
    expect(count.decAndTest()).toBe(false);
    expect(count.decAndTest()).toBe(true);
    expect(count.incNotZero()).toBe(false);
    expect(faults).toEqual([]);
    count.validate();
  });

  it.each([
    ["use-after-free", 0, (count: RefCount) => count.inc()],
    ["overflow", RefCount.MAX, (count: RefCount) => count.inc()],
    ["overflow", RefCount.MAX - 1, (count: RefCount) => count.addNotZero(2)],
    ["underflow", 0, (count: RefCount) => count.decAndTest()],
    ["underflow", 2, (count: RefCount) => count.subAndTest(3)],
    ["underflow", 0, (count: RefCount) => count.dec()],
    ["underflow", 0, (count: RefCount) => count.decNotOne()],
    ["leak", 1, (count: RefCount) => count.dec()],
  ] as const)("reports %s from %i, and saturates", (fault, start, act) => {
    const { count, faults } = counted(start);
    act(count);
    expect(faults).toEqual([fault]);
    expect(count.read()).toBe(RefCount.SATURATED);
    expect(() => count.validate()).toThrow("saturated");
    expect(String(count)).toBe("RefCount(saturated)");
  });

  it("never frees what is saturated", () => {
    const { count } = counted(RefCount.MAX);
    count.inc();
    for (let turn = 0; turn < 100; turn++) {
      expect(count.decAndTest()).toBe(false);
      expect(count.decNotOne()).toBe(true);
      expect(count.incNotZero()).toBe(true);
      expect(count.isSaturated).toBe(true);
    }
  });

  it("refuses what would pass a limit, without a fault", () => {
    const { count, faults } = counted(9);
    expect(count.addNotZero(1, 10)).toBe(true);
    expect(count.addNotZero(1, 10)).toBe(false);
    expect([count.read(), faults]).toEqual([10, []]);
  });

  it("holds the lock after decAndLock only if the reference was the last", () => {
    const { count } = counted(2);
    const mutex = new Mutex(new Int32Array(Mutex.WORDS), 0);
    expect([count.decAndLock(mutex), mutex.isLocked]).toEqual([false, false]);
    expect([count.decAndLock(mutex), mutex.isLocked]).toEqual([true, true]);
  });

  it("drops a held reference once, and frees with the last", () => {
    const { count } = counted(1);
    let freed = 0;
    const guard = count.tryHold(() => freed++);
    expect(count.decAndTest()).toBe(false);
    guard?.release();
    guard?.release();
    expect([freed, count.read()]).toEqual([1, 0]);
    expect(count.tryHold(() => freed++)).toBeUndefined();
  });

  it("prints each kind of fault once if nobody asked to be told", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const count = new RefCount(new Int32Array(1), 0);
    count.inc();
    count.set(0);
    count.inc();
    expect(warn.mock.calls).toEqual([["RefCount.add(1) on 0 at word 0: use-after-free, saturated"]]);
    warn.mockRestore();
  });

  it("names the argument that is out of range", () => {
    const { count } = counted(1);
    expect(() => count.add(0)).toThrow("count must be an integer in 1..2147483647, got 0");
    expect(() => count.addNotZero(5, 4)).toThrow("limit must be an integer in 5..2147483647, got 4");
    expect(() => count.set(-1)).toThrow(RangeError);
    expect(() => new RefCount(new Int32Array(1), 1)).toThrow(RangeError);
  });

  it("is freed once, and not while anybody holds it, by four threads", async () => {
    const words = teamWords();
    const count = new RefCount(words, SUBJECT);
    count.set(4);
    expect(
      await runTeam(
        words,
        Array.from({ length: 4 }, () => "refcount" as const),
        50_000,
      ),
    ).toEqual([0, 0, 0, 0]);
    expect([words[FREED], count.read()]).toEqual([1, 0]);
  });
});
