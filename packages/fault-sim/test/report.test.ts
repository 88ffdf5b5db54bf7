import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { svgChart, textChart } from "../src/index.ts";
import { formatRate, formatShare, formatTime } from "../src/report/format.ts";
import { textTable } from "../src/report/table.ts";

const point = fc.tuple(fc.integer({ min: 0, max: 512 }), fc.integer({ min: 0, max: 1e9 }));
const series = fc.array(
  fc.record({
    name: fc.stringMatching(/^[a-z<&]{1,8}$/),
    points: fc.array(point, { minLength: 1, maxLength: 9 }),
  }),
  {
    minLength: 1,
    maxLength: 6,
  },
);

describe("reports", () => {
  it("print numbers with units people read", () => {
    expect([0, 12, 4650, 4_650_000].map(formatRate)).toEqual(["0", "12.0", "4.65 k", "4.65 M"]);
    expect([900, 1_970_000, 2.5e9, 3e12].map(formatTime)).toEqual([
      "0.90 ns",
      "1.97 us",
      "2.50 ms",
      "3.00 s",
    ]);
    expect(formatShare(1, 3)).toBe("33 %");
    expect(formatShare(0, 0)).toBe("0 %");
  });

  it("align columns of numbers to the right and others to the left", () => {
    const table = textTable(
      ["name", "n"],
      [
        ["a", "1"],
        ["bcdef", "22"],
      ],
    );
    expect(table.split("\n")).toEqual(["name    n", "-----  --", "a       1", "bcdef  22"]);
  });

  it("draw a chart of the asked size whatever the points are", () => {
    fc.assert(
      fc.property(series, (list) => {
        const lines = textChart(list, { width: 40, height: 9, ascii: true }).split("\n");
        expect(lines).toHaveLength(9 + 3);
        expect(Math.max(...lines.slice(0, 9).map((line) => line.length))).toBeLessThanOrEqual(40 + 10);
      }),
    );
  });

  it("write SVG without NaN, inside its view box, with names escaped", () => {
    fc.assert(
      fc.property(series, (list) => {
        const svg = svgChart("a < b & c", list);
        expect(svg).not.toContain("NaN");
        expect(svg).toContain("<title>a &lt; b &amp; c</title>");
        for (const match of svg.matchAll(/c[xy]="([^"]+)"/g)) {
          expect(Number(match[1])).toBeGreaterThanOrEqual(0);
          expect(Number(match[1])).toBeLessThanOrEqual(720);
        }
      }),
    );
  });
});
