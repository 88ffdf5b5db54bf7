import { MAX_INDEX, MapleTree } from "@faultline/maple-tree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const SPACE = 300;
const used = fc.array(fc.record({ first: fc.nat(SPACE), size: fc.integer({ min: 1, max: 20 }) }), {
  maxLength: 40,
});
const request = fc
  .record({
    size: fc.integer({ min: 1, max: 24 }),
    min: fc.nat(SPACE),
    span: fc.integer({ min: 24, max: SPACE }),
    align: fc.constantFrom(1, 2, 3, 8, 16, 50),
    offset: fc.nat(49),
  })
  .map(({ span, offset, ...rest }) => ({
    ...rest,
    max: rest.min + span,
    alignOffset: offset % rest.align,
  }));

/** Every start there could be, by looking at each index. */
function starts(isUsed: boolean[], { size, min, max, align, alignOffset }: Required<Request>): number[] {
  const found: number[] = [];
  for (let at = min; at + size - 1 <= max; at++) {
    if ((at - alignOffset) % align !== 0) continue;
    if (!isUsed.slice(at, at + size).some(Boolean)) found.push(at);
  }
  return found;
}

interface Request {
  size: number;
  min: number;
  max: number;
  align: number;
  alignOffset: number;
}

describe("a search for an aligned gap", () => {
  it("finds the lowest and the highest start there is, and says so when there is none", () => {
    fc.assert(
      fc.property(used, request, (ranges, asked) => {
        const tree = new MapleTree<number>({ gaps: true });
        const isUsed: boolean[] = new Array(3 * SPACE).fill(false);
        for (const { first, size } of ranges) {
          tree.setRange(first, first + size - 1, 1);
          isUsed.fill(true, first, first + size);
        }
        const expected = starts(isUsed, asked);
        if (expected.length === 0) {
          expect(() => tree.findGap(asked)).toThrow(expect.objectContaining({ code: "EBUSY" }));
          expect(() => tree.findGapReverse(asked)).toThrow(expect.objectContaining({ code: "EBUSY" }));
        } else {
          expect(tree.findGap(asked)).toBe(expected[0]);
          expect(tree.findGapReverse(asked)).toBe(expected.at(-1));
          expect(tree.allocate(9, asked)).toBe(expected[0]);
        }
        tree.assertValid();
      }),
      { numRuns: 500 },
    );
  });

  it("takes a gap that fits exactly, which a search for size + align - 1 would miss", () => {
    const tree = new MapleTree<number>({ gaps: true });
    tree.setRange(0, MAX_INDEX, 1);
    tree.setRange(32, 47, undefined);
    expect(tree.findGap({ size: 16, align: 16 })).toBe(32);
    expect(tree.findGapReverse({ size: 16, align: 16 })).toBe(32);
  });

  it("refuses an alignment that is none", () => {
    const tree = new MapleTree<number>({ gaps: true });
    expect(() => tree.findGap({ size: 1, align: 0 })).toThrow("findGap: align must be at least 1, got 0");
    expect(() => tree.findGap({ size: 1, align: 4, alignOffset: 4 })).toThrow(
      "alignOffset 4 is not below align 4",
    );
    expect(() => tree.findGap({ size: 1, align: 1.5 })).toThrow(RangeError);
    tree.setRange(0, MAX_INDEX, 1);
    expect(() => tree.findGap({ size: 2, align: 4, alignOffset: 1 })).toThrow(
      "findGap: no 2 free indices aligned to 4 + 1 in 0..",
    );
  });
});
