/*
 * Trees of the default geometry that are high enough for inner nodes to split, to be spliced and to merge: more ranges
 * than the property tests store.
 */
import { WIDE_GEOMETRY } from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";
import { newSubject, type Subject, VARIANTS } from "./subjects.ts";

const RANGES = 6000;
const WIDTH = 10;

type Order = "ascending" | "descending" | "shuffled";

/** The numbers below `count`, in an order which is the same in each run. */
function numbers(count: number, order: Order): number[] {
  const list = Array.from({ length: count }, (_, n) => (order === "descending" ? count - 1 - n : n));
  if (order !== "shuffled") return list;
  let state = 7;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    const j = state % (i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

/** Range `n` lies in a cell of its own, with gaps of changing width between; every seventh fills its cell. */
function rangeOf(n: number): [first: number, last: number] {
  return [n * WIDTH + (n % 7), n * WIDTH + (n % 7 === 0 ? WIDTH - 1 : 7)];
}

function expectHolds(subject: Subject, stored: ReadonlySet<number>): void {
  expect(subject.validate()).toEqual([]);
  const found = subject.entries().map((range) => [range.first, range.last, range.entry]);
  const wanted = [...stored].sort((a, b) => a - b).map((n) => [...rangeOf(n), n + 1]);
  expect(found).toEqual(wanted);
  for (const n of [0, 1, 999, RANGES - 1]) {
    expect(subject.load(rangeOf(n)[1])).toBe(stored.has(n) ? n + 1 : 0);
    expect(subject.load(n * WIDTH + 9)).toBe(stored.has(n) && n % 7 === 0 ? n + 1 : 0);
  }
}

/** The lowest or highest run of `size` free indices, by looking at all ranges. */
function slowGap(
  subject: Subject,
  size: number,
  min: number,
  max: number,
  fromTop: boolean,
): number | undefined {
  const fits = subject
    .ranges(min, max)
    .filter(({ entry }) => entry === 0)
    .map(({ first, last }) => [Math.max(first, min), Math.min(last, max)] as const)
    .filter(([first, last]) => last - first + 1 >= size);
  const run = fits.at(fromTop ? -1 : 0);
  return run && (fromTop ? run[1] - size + 1 : run[0]);
}

describe.each(VARIANTS.filter(({ geometry }) => geometry === WIDE_GEOMETRY))("$name", (variant) => {
  it.each<[Order, boolean]>([
    ["ascending", false],
    ["ascending", true],
    ["descending", true],
    ["shuffled", false],
    ["shuffled", true],
  ])("holds what was stored in %s order and what is left after erasing (gaps: %s)", (order, gaps) => {
    const subject = newSubject(variant, gaps);
    const stored = new Set<number>();
    for (const n of numbers(RANGES, order)) {
      subject.insert(...rangeOf(n), n + 1);
      stored.add(n);
      if (stored.size % 2000 === 0) expectHolds(subject, stored);
    }
    expect(subject.core.height).toBeGreaterThan(2);
    for (const n of numbers(RANGES, "shuffled")) {
      expect(subject.erase(rangeOf(n)[0])).toBe(n + 1);
      stored.delete(n);
      if (stored.size % 1500 === 0 || stored.size < 60) expectHolds(subject, stored);
    }
    expect(subject.validate()).toEqual([]);
  });

  it("finds the gaps that a look at all ranges finds", () => {
    const subject = newSubject(variant, true);
    for (const n of numbers(RANGES, "shuffled")) if (n % 11 !== 3) subject.store(...rangeOf(n), n + 1);
    for (const n of numbers(400, "shuffled")) {
      const min = n * 149;
      const max = min + 40 * (n % 97);
      const size = 1 + (n % 14);
      if (max - min + 1 < size) continue;
      for (const fromTop of [false, true]) {
        expect(subject.gap(size, min, max, fromTop)).toBe(slowGap(subject, size, min, max, fromTop));
      }
    }
  });
});
