import { afterEach, describe, expect, it } from "vitest";
import { SpinLock } from "../src/index.ts";
import {
  bhDisable,
  bhEnable,
  irqContext,
  irqRestore,
  irqSave,
  irqsDisabled,
  lockBh,
  lockIrqSave,
  raiseIrq,
  raiseSoftirq,
  softirqsEnabled,
  tryLockIrqSave,
  unlockBh,
  unlockIrqRestore,
} from "../src/irq.ts";

describe("simulated interrupts", () => {
  afterEach(() => {
    expect([irqContext(), irqsDisabled(), softirqsEnabled()]).toEqual(["task", false, true]);
  });

  it("run at once if they are on, in a context of their own and with interrupts off", () => {
    const seen: unknown[] = [];
    raiseIrq(() => seen.push(irqContext(), irqsDisabled()));
    raiseSoftirq(() => seen.push(irqContext(), irqsDisabled(), softirqsEnabled()));
    expect(seen).toEqual(["hardirq", true, "softirq", false, false]);
  });

  it("wait until they are on again, in order, hardirqs before softirqs; saving nests", () => {
    const seen: string[] = [];
    const outer = irqSave();
    raiseSoftirq(() => seen.push("soft"));
    raiseIrq(() => seen.push("one"));
    const inner = irqSave();
    raiseIrq(() => seen.push("two"));
    irqRestore(inner);
    expect(seen).toEqual([]);
    irqRestore(outer);
    expect(seen).toEqual(["one", "two", "soft"]);
    expect([outer, inner]).toEqual([0, 1]);
  });

  it("do not interrupt each other, but a hardirq interrupts a softirq", () => {
    const seen: string[] = [];
    raiseSoftirq(() => {
      seen.push("soft begins");
      raiseSoftirq(() => seen.push("next soft"));
      raiseIrq(() => {
        seen.push(`${irqContext()} begins`);
        raiseIrq(() => seen.push("next hard"));
        seen.push("hard ends");
      });
      seen.push(`${irqContext()} ends`);
    });
    expect(seen).toEqual([
      "soft begins",
      "hardirq begins",
      "hard ends",
      "next hard",
      "softirq ends",
      "next soft",
    ]);
  });

  it("of the soft kind wait for bhEnable, the hard ones do not", () => {
    const seen: string[] = [];
    bhDisable();
    bhDisable();
    raiseSoftirq(() => seen.push("soft"));
    raiseIrq(() => seen.push("hard"));
    bhEnable();
    expect(seen).toEqual(["hard"]);
    bhEnable();
    expect(seen).toEqual(["hard", "soft"]);
    expect(() => bhEnable()).toThrow(expect.objectContaining({ code: "EPERM" }));
  });

  it("go on after a handler that throws, whose error goes to whoever let it run", () => {
    const seen: string[] = [];
    const flags = irqSave();
    raiseIrq(() => {
      throw new Error("handler");
    });
    raiseIrq(() => seen.push("next"));
    expect(() => irqRestore(flags)).toThrow("handler");
    expect([irqContext(), irqsDisabled(), seen.length]).toEqual(["task", false, 0]);
    irqRestore(0);
    expect(seen).toEqual(["next"]);
  });

  it("stay out of a section under lockIrqSave, and are on again after it", () => {
    const lock = new SpinLock(new Int32Array(1), 0);
    const seen: boolean[] = [];
    const flags = lockIrqSave(lock);
    raiseIrq(() => seen.push(lock.isLocked));
    expect(tryLockIrqSave(lock)).toBeUndefined();
    expect(() => lockIrqSave(lock)).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    expect(irqsDisabled()).toBe(true);
    unlockIrqRestore(lock, flags);
    expect(seen).toEqual([false]);
    const again = tryLockIrqSave(lock);
    expect(again).toBe(0);
    unlockIrqRestore(lock, again ?? 0);
    lockBh(lock);
    raiseSoftirq(() => seen.push(lock.isLocked));
    expect(() => lockBh(lock)).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    unlockBh(lock);
    expect(seen).toEqual([false, false]);
  });

  it("refuse flags nobody has saved", () => {
    expect(() => irqRestore(2 as 1)).toThrow("flags must be a result of irqSave(), got 2");
  });
});
