import { describe, expect, it } from "vitest";
import { check, type Model, reportText } from "../src/index.ts";
import { readSource } from "../src/source.ts";

const ANNOTATED = new URL("./models/annotated.model.ts", import.meta.url);

describe("a source", () => {
  it("shows its shared operations, whatever its types, strings and comments say", () => {
    const { operations } = readSource(`
      function f(w: Int32Array, names: string[], kind: Options["kind"]): void {
        Atomics.load(w, 0); // Atomics.store(w, 0, 1)
        const text = "Atomics.add(w, 0, 1)" + \`\${Atomics.sub(w, 0, 1)}\`;
        const r = /Atomics.or(w)/;
        w[0]! += this.#words[1];
        Atomics
          .wait(w, 0, 0);
        Atomics.pause?.();
        const { load } = Atomics;
      }`);
    expect(operations).toEqual([
      { line: 3, method: "load", of: "" },
      { line: 4, method: "sub", of: "" },
      { line: 6, method: undefined, of: "w" },
      { line: 6, method: undefined, of: "#words" },
      { line: 8, method: "wait", of: "" },
    ]);
  });

  it("shows its annotations with the line that each is about", () => {
    const { annotations } = readSource(
      [
        "a[0]; // interleave: intended race - beside",
        "/* interleave: intended race: above */",
        "",
        "// something else",
        "a[1];",
        "// interleave: intnded race - what",
      ].join("\n"),
    );
    expect(annotations.map(({ line, reason }) => [line, reason])).toEqual([
      [1, "beside"],
      [5, "above"],
      [6, ""],
    ]);
  });

  it("shows its relative imports", () => {
    const { imports } = readSource(
      `import a from "./a.ts"; import "../b.ts"; import c from "c"; export * from './d.ts';`,
    );
    expect(imports).toEqual(["./a.ts", "../b.ts", "./d.ts"]);
  });
});

describe("an intended race", () => {
  it("passes where each of its plain accesses says so, and the report tells", async () => {
    const report = await check(ANNOTATED);
    expect(report).toMatchObject({ ok: true, exhausted: true });
    expect(report.intended).toEqual([
      { at: "annotated.model.ts:9", reason: "a hint, wrong at worst" },
      { at: "annotated.model.ts:14", reason: "any of the two guesses will do" },
    ]);
  });

  it("leaves nothing unexplored behind it", async () => {
    const report = await check(ANNOTATED, { reduction: false });
    // Two threads of three steps each, in every order.
    expect(report).toMatchObject({ ok: true, executions: 20 });
  });

  it("is a violation if one of its plain accesses does not say so", async () => {
    const report = await check(ANNOTATED, { exportName: "unannotated" });
    expect(report.failure?.kind).toBe("race");
  });

  it("is found by chance as well", async () => {
    expect(await check(ANNOTATED, { strategy: "random", maxExecutions: 50 })).toMatchObject({
      ok: true,
      executions: 50,
      intended: [{ reason: "a hint, wrong at worst" }, {}],
    });
  });

  it("is warned of if it is never seen, or its annotation cannot be read", async () => {
    const { warnings } = await check(ANNOTATED);
    expect(warnings).toEqual([
      'annotated.model.ts:18: "interleave: intended race" is not "interleave: intended race - reason"',
      "annotated.model.ts:21: no race was seen that is intended here (nobody comes here)",
    ]);
  });

  it("is warned of if the model allows it and it is never seen", async () => {
    const model: Model<Int32Array> = {
      setup: () => new Int32Array(new SharedArrayBuffer(4)),
      threads: [(w) => void w[0]!++, (w) => void w[0]!++],
      races: [
        { at: "source.test.ts", reason: "a statistic" },
        { at: "elsewhere.ts", reason: "once upon a time" },
      ],
    };
    const report = await check(model);
    expect(report.intended).toEqual([{ at: "source.test.ts", reason: "a statistic" }]);
    expect(report.warnings).toEqual(["races: no race was seen at elsewhere.ts (once upon a time)"]);
  });
});

describe("coverage", () => {
  it("tells which shared operations of the source were never reached", async () => {
    const report = await check(ANNOTATED, { coverage: true });
    expect(report.coverage).toEqual({
      reached: 4,
      missed: [
        { at: "annotated.model.ts:18", operation: "Atomics.store" },
        { at: "annotated.model.ts:19", operation: "words[]" },
        { at: "annotated.model.ts:20", operation: "Atomics.notify" },
        { at: "annotated.model.ts:21", operation: "words[]" },
        { at: "annotated.model.ts:35", operation: "words[]" },
      ],
    });
    expect(reportText(report)).toContain(
      "reached 4 of 9 shared operations in the source\nnever reached: annotated.model.ts:18 Atomics.store\n",
    );
  });

  it("knows both ways that a thread may go from one place", async () => {
    const branching = new URL("./models/branching.model.ts", import.meta.url);
    const report = await check(branching, { coverage: true });
    expect(report.coverage).toEqual({ reached: 4, missed: [] });
  });

  it("explores the same, and is not told unless it is asked for", async () => {
    const [plain, covered] = [await check(ANNOTATED), await check(ANNOTATED, { coverage: true })];
    expect(plain.coverage).toBeUndefined();
    expect(covered.executions).toBe(plain.executions);
  });

  it("follows imports, and reads what was reached of files that are not imported", async () => {
    const model = new URL("../gallery/missed-wake-up.model.ts", import.meta.url);
    const fixed = await check(model, { exportName: "fixed", coverage: true });
    const missed = fixed.coverage!.missed.map(({ operation }) => operation);
    // The broken twin's own operations.
    expect(missed.length).toBeGreaterThan(0);
    const both = await check((await import("../gallery/missed-wake-up.model.ts")).fixed, { coverage: true });
    expect(both.coverage).toEqual(fixed.coverage);
  });
});
