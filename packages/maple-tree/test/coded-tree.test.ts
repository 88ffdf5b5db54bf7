import { Arena } from "@faultline/arena";
import { enumCodec, MapleTree, SharedMapleTree, ZERO } from "@faultline/maple-tree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const COLOURS = ["red", "green", "blue"] as const;
type Colour = (typeof COLOURS)[number];

function makeTree(): SharedMapleTree {
  return SharedMapleTree.create(Arena.create({ shared: true }), { gaps: true });
}

const step = fc.record({
  op: fc.constantFrom("set", "insert", "delete", "allocate"),
  first: fc.nat(200),
  size: fc.integer({ min: 1, max: 30 }),
  value: fc.constantFrom<Colour | undefined>(...COLOURS, undefined),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Does the same to both kinds of tree; they have the same calls. */
function apply(tree: ReturnType<typeof makeCoded> | MapleTree<Colour>, each: Step): unknown {
  const last = each.first + each.size - 1;
  try {
    if (each.op === "set") return tree.setRange(each.first, last, each.value);
    if (each.op === "insert") return tree.insertRange(each.first, last, each.value);
    if (each.op === "delete") return tree.delete(each.first);
    return tree.allocate(each.value ?? "red", { size: each.size, max: 300 });
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

const makeCoded = () => makeTree().coded(enumCodec(COLOURS));

describe("a shared tree with a codec", () => {
  it("answers as a local tree with the same values does", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const coded = makeCoded();
        const local = new MapleTree<Colour>({ gaps: true });
        for (const each of steps) {
          expect(apply(coded, each)).toEqual(apply(local, each));
          expect(coded.get(each.first)).toBe(local.get(each.first));
          expect(coded.entryAt(each.first)).toEqual(local.entryAt(each.first));
          expect(coded.find(each.first)).toEqual(local.find(each.first));
          expect(coded.findBefore(each.first)).toEqual(local.findBefore(each.first));
        }
        expect([...coded]).toEqual([...local]);
        expect([...coded.ranges(10, 90)]).toEqual([...local.ranges(10, 90)]);
        expect([...coded.gaps()]).toEqual([...local.gaps()]);
        coded.tree.assertValid();
      }),
      { numRuns: 100 },
    );
  });

  it("is seen in the same way by another agent's view", () => {
    const tree = makeTree();
    tree.coded(enumCodec(COLOURS)).setRange(10, 19, "blue");
    const other = SharedMapleTree.open(tree.handle()).coded(enumCodec(COLOURS));
    expect(other.get(15)).toBe("blue");
    other.set(15, ZERO as unknown as Colour);
    expect([other.get(15), other.has(15), other.entryAt(15).value]).toEqual([undefined, false, ZERO]);
    expect(other.allocateCyclic("red", { min: 10, max: 30, next: 12 }).index).toBe(20);
    other.clear();
    expect([...other]).toEqual([]);
  });

  it("refuses what cannot be stored, and changes nothing", () => {
    const coded = makeCoded();
    expect(() => coded.set(1, "pink" as Colour)).toThrow("enumCodec: pink is no value of it");
    for (const entry of [0, -1, 1.5, 2 ** 30, Number.NaN]) {
      const odd = coded.tree.coded<string>({ encode: () => entry, decode: () => "" });
      expect(() => odd.insertRange(1, 2, "x")).toThrow(`insertRange: the codec gave ${entry}`);
    }
    expect(() => enumCodec(["a", "a"])).toThrow("enumCodec: a is there twice");
    expect(coded.tree.isEmpty).toBe(true);
  });

  it("decodes inside a read section, so that what an entry refers to is not reused meanwhile", () => {
    const tree = makeTree();
    let depth: boolean | undefined;
    const coded = tree.coded<number>({
      encode: (value) => value,
      decode: (entry) => {
        depth = tree.arena.rcu.isReading;
        return entry;
      },
    });
    coded.set(5, 7);
    depth = undefined;
    expect(coded.get(5)).toBe(7);
    expect(depth).toBe(true);
  });
});
