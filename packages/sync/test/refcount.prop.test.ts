/* RefCount against a number that knows no limits. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { RefCount } from "../src/refcount.ts";

const MAX = RefCount.MAX;
const amount = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constantFrom(MAX, MAX - 1, MAX >> 1));
const step = fc.record({
  action: fc.constantFrom("add", "addNotZero", "limited", "subAndTest", "dec", "decIfOne", "decNotOne"),
  amount,
});

/** What each operation gives, and what it leaves; `"bad"` is saturated. */
function model(
  action: string,
  old: number | "bad",
  amount: number,
): { gives: unknown; leaves: number | "bad" } {
  if (old === "bad") {
    const gives =
      { add: undefined, addNotZero: true, limited: true, dec: undefined, decNotOne: true }[action] ?? false;
    return { gives: action === "add" || action === "dec" ? undefined : gives, leaves: "bad" };
  }
  const sum = old + amount > MAX ? "bad" : old + amount;
  switch (action) {
    case "add":
      return { gives: undefined, leaves: old === 0 ? "bad" : sum };
    case "addNotZero":
      return old === 0 ? { gives: false, leaves: 0 } : { gives: true, leaves: sum };
    case "limited": {
      const fits = old !== 0 && old + amount <= MAX - 1;
      return { gives: fits, leaves: fits ? old + amount : old };
    }
    case "subAndTest":
      return { gives: old === amount, leaves: old < amount ? "bad" : old - amount };
    case "dec":
      return { gives: undefined, leaves: old <= 1 ? "bad" : old - 1 };
    case "decIfOne":
      return { gives: old === 1, leaves: old === 1 ? 0 : old };
    default:
      return { gives: old !== 1, leaves: old === 0 ? "bad" : old === 1 ? 1 : old - 1 };
  }
}

it("RefCount gives and leaves what an unlimited number would, or is saturated for ever", () => {
  const start = fc.constantFrom(0, 1, 2, MAX - 1, MAX);
  fc.assert(
    fc.property(start, fc.array(step, { maxLength: 40 }), (first, script) => {
      let faults = 0;
      const count = new RefCount(new Int32Array(1), 0, { warn: () => void faults++ });
      count.set(first);
      let expected: number | "bad" = first;
      for (const { action, amount } of script) {
        const operations: Record<string, () => unknown> = {
          add: () => count.add(amount),
          addNotZero: () => count.addNotZero(amount),
          limited: () => count.addNotZero(Math.min(amount, MAX - 1), MAX - 1),
          subAndTest: () => count.subAndTest(amount),
          dec: () => count.dec(),
          decIfOne: () => count.decIfOne(),
          decNotOne: () => count.decNotOne(),
        };
        const used = action === "limited" ? Math.min(amount, MAX - 1) : amount;
        const { gives, leaves } = model(action, expected, used);
        const before = faults;
        expect(operations[action]()).toBe(gives);
        expect(count.isSaturated ? "bad" : count.read()).toBe(leaves);
        if (expected !== "bad") expect(faults - before).toBe(leaves === "bad" ? 1 : 0);
        expected = leaves;
        if (leaves !== "bad") count.validate();
      }
    }),
  );
});
