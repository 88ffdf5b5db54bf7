import { describe, expect, it } from "vitest";
import { floorsOf } from "../bench/floors-text.ts";
import { isContended, rowsOf, tableOf } from "../bench/rows.ts";

describe("the rows of the benchmark", () => {
  const ns = new Map([
    ["SpinLock lock + unlock", 20],
    ["compareExchange + store", 10],
    ["RcuDomain mb read section, 1 worker", 15],
    ["RcuDomain mb read section, 2 workers", 15],
  ]);

  it("hold both figures, their ratio and the goal", () => {
    expect(rowsOf(ns)[0]).toEqual({
      name: "SpinLock lock + unlock",
      backend: "js",
      nsPerOp: 20,
      reference: "compareExchange + store",
      referenceNsPerOp: 10,
      ratio: 2,
      goal: 1.25,
    });
  });

  it("leave out what was not measured, such as C without a compiler", () => {
    expect(rowsOf(ns)).toHaveLength(2);
    expect(rowsOf(new Map())).toEqual([]);
  });

  it("say in the table whether the goal is met", () => {
    const lines = tableOf(rowsOf(ns)).split("\n");
    expect(lines[2]).toMatch(/missed +\|$/);
    expect(lines[3]).toMatch(/met +\|$/);
  });

  it("show both backends of a lock, each beside its own reference", () => {
    const both = new Map([...ns, ["SpinLock lock + unlock (wasm)", 9], ["C pthread_spin", 5]]);
    const spin = rowsOf(both).filter(({ name }) => name === "SpinLock lock + unlock");
    expect(spin.map(({ backend, ratio, goal }) => [backend, ratio, goal])).toEqual([
      ["js", 2, 1.25],
      ["js", 4, null],
      ["wasm", 1.8, 1.8],
    ]);
  });

  it("count a goal in nanoseconds as a ratio to one", () => {
    const [row] = rowsOf(new Map([["RcuDomain qsbr read section", 1.5]]));
    expect([row.ratio, row.goal]).toEqual([1.5, 2]);
  });

  it("show the floor of a goal that is missed, and only of those", () => {
    const figures = new Map([
      ["RcuDomain mb read section", 20],
      ["two Atomics.store", 14],
      ["Atomics.load + two Atomics.store", 21],
    ]);
    const text = floorsOf(rowsOf(figures), figures);
    expect(text).toContain("**RcuDomain mb read section, js**: 1.43 × two Atomics.store, goal 1.20");
    expect(text).toContain("floor would be 21.0 ns");
    expect(floorsOf(rowsOf(new Map()), figures)).toBe("Every goal is met.");
  });

  it("take the median where threads contend, the minimum elsewhere", () => {
    const contended = [
      "Mutex, 2 workers (wasm)",
      "C pthread_mutex, 2 threads",
      "Mutex round trip, waiter asleep",
    ];
    expect(contended.every(isContended)).toBe(true);
    expect(
      ["Mutex lock + unlock", "SeqLock read, 2 workers", "RwSem read, 2 workers"].some(isContended),
    ).toBe(false);
  });
});
