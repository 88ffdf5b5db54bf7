import { describe, expect, it } from "vitest";
import { rowsOf, tableOf } from "../bench/rows.ts";

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
});
