import { describe, expect, test } from "vitest";
import { expandVma, shrinkVma, splitVma, VM } from "../src/index.ts";
import { Drawing, type Marks, RW } from "./drawn-ranges.ts";

const PAGE = 4096;
const X = 1;
const Y = 2;

describe("the basics of merge and split", () => {
  test("B1: a new range that fills the gap makes one of all three", () => {
    const d = new Drawing("L[0,1) R[2,3)");
    expect(d.mergeNew(1, 2)).toBe(true);
    expect(d.draw()).toBe("L[0,3)");
  });

  test("B2: splitting twice makes three, the middle stays the original", () => {
    const d = new Drawing("V[0,3)");
    d.mm.run(splitVma(d.mm, d.vma("V"), PAGE, "below"));
    d.mm.run(splitVma(d.mm, d.vma("V"), 2 * PAGE, "above"));
    expect(d.draw()).toBe("?[0,1) V[1,2) ?[2,3)");
  });

  test("B3, A3: a mapping expands over the next and takes its anon_vma", () => {
    const d = new Drawing("P[0,3) N[3,5)", { N: { av: X } });
    d.mm.run(expandVma(d.mm, d.vma("P"), 0, 5 * PAGE));
    expect(d.draw()).toBe("P[0,5)=1");
  });

  test("B4: a mapping shrinks at its end", () => {
    const d = new Drawing("V[0,3)");
    d.mm.run(shrinkVma(d.mm, d.vma("V"), 0, PAGE));
    expect(d.draw()).toBe("V[0,1)");
  });
});

test("N1–N7: new ranges one after the other in the same address space", () => {
  const d = new Drawing("A[0,2) B[3,4) C[11,12)");
  expect(d.mergeNew(7, 9)).toBe(false);
  d.add("D", 7, 9);
  d.mark("A", { close: true });
  d.mark("B", { av: X });
  expect(d.mergeNew(2, 3)).toBe(true);
  expect(d.draw()).toBe("A[0,4)=1 D[7,9) C[11,12)");
  d.mergeNew(4, 5);
  expect(d.draw()).toBe("A[0,5)=1 D[7,9) C[11,12)");
  d.mark("D", { av: X, close: true });
  d.mergeNew(6, 7);
  expect(d.draw()).toBe("A[0,5)=1 D[6,9)=1 C[11,12)");
  expect(d.locked).toEqual(["D"]);
  d.mark("D", { close: false });
  d.mergeNew(5, 6);
  expect(d.draw()).toBe("A[0,9)=1 C[11,12)");
  d.mark("C", { av: X });
  d.mergeNew(10, 11);
  d.mergeNew(9, 10);
  expect(d.draw()).toBe("A[0,12)=1");
});

type Row = readonly [
  row: string,
  before: string,
  marks: Readonly<Record<string, Marks>>,
  change: readonly [name: string, start: number, end: number] | readonly [start: number, end: number],
  after: string,
  locked?: readonly string[],
];

const V7 = "P[0,3) V[3,7) N[7,9)";
const rows: Row[] = [
  ["C1", "P[0,3) N[5,9)", { N: { close: true } }, [3, 5], "P[0,5) N[5,9)"],
  ["C2", "P[0,3) V[3,5)", { V: { close: true } }, ["V", 3, 5], "P[0,3) V[3,5)"],
  ["C3", "V[3,5) N[5,9)", { V: { close: true } }, ["V", 3, 5], "V[3,5) N[5,9)"],
  ["C4", "P[0,3) V[3,5) N[5,9)", { V: { close: true } }, ["V", 3, 5], "P[0,3) V[3,5) N[5,9)"],
  ["C5", "P[0,3) V[3,5) N[5,9)", { N: { close: true } }, ["V", 3, 5], "P[0,5) N[5,9)"],
  ["C6", "P[0,2) N[5,7)", { P: { close: true }, N: { close: true } }, [2, 5], "P[0,5) N[5,7)", ["P"]],
  [
    "M1",
    "V[2,6) N[6,9)",
    { V: { close: true, av: X }, N: { close: true } },
    ["V", 3, 6],
    "V[2,3)=1 N[3,9)=1",
    ["N", "V"],
  ],
  ["M2", "V[2,6) N[6,9)", { V: { av: X }, N: { close: true } }, ["V", 2, 6], "N[2,9)=1"],
  [
    "M3",
    "P[0,3) V[3,7)",
    { P: { close: true }, V: { close: true, av: X } },
    ["V", 3, 6],
    "P[0,6)=1 V[6,7)=1",
    ["P", "V"],
  ],
  ["M4", "P[0,3) V[3,7)", { P: { close: true }, V: { av: X } }, ["V", 3, 7], "P[0,7)=1"],
  ["M5", V7, { V: { av: X } }, ["V", 3, 7], "P[0,9)=1"],
  ["A1", V7, { P: { av: X }, N: { av: Y } }, ["V", 3, 7], "P[0,7)=1 N[7,9)=2", ["P", "V"]],
  ["A2", "P[0,3) N[7,9)", { P: { av: X }, N: { av: Y } }, [3, 7], "P[0,7)=1 N[7,9)=2", ["P"]],
  ["A4", "P[0,3) V[3,5) N[5,8)", { N: { av: X } }, ["V", 3, 5], "P[0,8)=1"],
  ["A5", "P[0,3) V[3,5) N[5,8)", { V: { av: X } }, ["V", 3, 5], "P[0,8)=1"],
  ["A6", "P[0,3) V[3,8)", { V: { av: X } }, ["V", 3, 5], "P[0,5)=1 V[5,8)=1"],
  ["A7", "V[0,5) N[5,8)", { V: { av: X } }, ["V", 3, 5], "V[0,3)=1 N[3,8)=1"],
  ["none into a long chain", "P[0,3)", { P: { av: X, chain: 2 } }, [3, 5], "P[0,3)=1"],
  ["a long chain into none", "P[0,3) V[3,5)", { V: { av: X, chain: 2 } }, ["V", 3, 5], "P[0,3) V[3,5)=1"],
  [
    "equal long chains",
    "P[0,3) V[3,5)",
    { P: { av: X, chain: 2 }, V: { av: X, chain: 2 } },
    ["V", 3, 5],
    "P[0,5)=1",
  ],
];

describe("which ranges join, and who survives", () => {
  test.each(rows.map((row) => ({ name: row[0], row })))("$name", ({ row }) => {
    const [, before, marks, change, after, locked] = row;
    const d = new Drawing(before, marks);
    if (change.length === 2) d.mergeNew(change[0], change[1]);
    else d.change(change[0], change[1], change[2]);
    expect(d.draw()).toBe(after);
    if (locked !== undefined) expect(d.locked).toEqual(locked);
  });

  test.each([
    [4, 5],
    [5, 6],
    [6, 7],
    [4, 7],
    [4, 6],
  ])("M6: the inner range [%i,%i) joins nothing", (start, end) => {
    const d = new Drawing("P[0,3) V[3,8) N[8,10)");
    expect(d.change("V", start, end)).toBe(false);
    expect(d.draw()).toBe("P[0,3) V[3,8) N[8,10)");
  });

  test.each(["IO", "DONTEXPAND", "PFNMAP", "MIXEDMAP"] as const)("S1–S8: %s never joins", (flag) => {
    const vmFlags = RW | VM[flag];
    const added = new Drawing("A[0,3)", { A: { vmFlags } });
    expect(added.mergeNew(3, 4, { vmFlags })).toBe(false);
    const changed = new Drawing("A[0,3) V[3,4)", { A: { vmFlags } });
    expect(changed.change("V", 3, 4, vmFlags)).toBe(false);
  });

  test("E4: just expand extends the left neighbour and does not look right", () => {
    const d = new Drawing("Q[0,2) P[3,5) N[9,10)");
    expect(d.mergeNew(5, 9, { justExpand: true })).toBe(true);
    expect(d.draw()).toBe("Q[0,2) P[3,9) N[9,10)");
  });

  test("different flags, or an offset that does not continue, keep neighbours apart", () => {
    expect(new Drawing("P[0,3)").mergeNew(3, 4, { vmFlags: RW | VM.ACCOUNT })).toBe(false);
    const d = new Drawing("P[0,3)");
    d.vma("P").vmPgoff = 7;
    expect(d.mergeNew(3, 4)).toBe(false);
  });

  test("F1: if the tree has no memory nothing changes", () => {
    const d = new Drawing("P[0,3) V[3,5)", { V: { av: X } });
    d.mm.tree.store = () => {
      throw Object.assign(new Error("planted"), { code: "ENOMEM" });
    };
    expect(() => d.change("V", 3, 5)).toThrow("planted");
    expect(d.draw()).toBe("P[0,3) V[3,5)=1");
  });
});
