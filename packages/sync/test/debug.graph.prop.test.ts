import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GraphLock, type LockEdge, LockGraph } from "../src/debug/index.ts";

const end = (name: number, isShared: boolean, isRecursiveRead: boolean): GraphLock => ({
  className: `c${name}`,
  isShared,
  isRecursiveRead,
  site: { stack: [] },
});

/** A dependency between two of a handful of classes, in any mode. */
const edges = (): fc.Arbitrary<LockEdge> =>
  fc
    .tuple(fc.nat(4), fc.nat(4), fc.boolean(), fc.boolean())
    .filter(([from, to]) => from !== to)
    .map(([from, to, isShared, isRecursive]) => ({
      from: end(from, isShared, false),
      to: end(to, isRecursive, isRecursive),
    }));

/** Do the two not wait for each other? One arrives as a recursive reader where the other holds shared. */
const isWeak = (arriving: LockEdge, leaving: LockEdge) =>
  arriving.to.isRecursiveRead && leaving.from.isShared;

/** Every chain of known edges, tried one by one: is there one that closes a circle in which all wait? */
function naiveHasCycle(known: readonly LockEdge[], edge: LockEdge): boolean {
  const search = (last: LockEdge, used: readonly LockEdge[]): boolean =>
    known.some((next) => {
      if (next.from.className !== last.to.className || used.includes(next) || isWeak(last, next))
        return false;
      const closes = next.to.className === edge.from.className && !isWeak(next, edge);
      return closes || search(next, [...used, next]);
    });
  return search(edge, []);
}

describe("LockGraph", () => {
  it("finds a circle exactly if trying every chain finds one, and the chain it gives is one", () => {
    fc.assert(
      fc.property(fc.array(edges(), { maxLength: 9 }), edges(), (known, edge) => {
        const graph = new LockGraph();
        for (const each of known) graph.add(each);
        graph.validate();
        const cycle = graph.findCycle(edge);
        expect(cycle !== undefined).toBe(naiveHasCycle(known, edge));
        if (cycle === undefined) return;
        const circle = [edge, ...cycle];
        for (const [index, each] of circle.entries()) {
          const next = circle[(index + 1) % circle.length];
          expect(next.from.className).toBe(each.to.className);
          expect(isWeak(each, next)).toBe(false);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("survives being sent: what is merged from its JSON is the same graph", () => {
    fc.assert(
      fc.property(fc.array(edges()), (known) => {
        const [graph, copy] = [new LockGraph(), new LockGraph()];
        for (const each of known) graph.add(each);
        for (const each of JSON.parse(JSON.stringify(graph)) as LockEdge[]) copy.add(each);
        copy.validate();
        expect(String(copy)).toBe(String(graph));
        expect(known.every((each) => copy.has(each))).toBe(true);
      }),
    );
  });

  it("has a validate that finds a class which depends on itself", () => {
    const graph = new LockGraph();
    graph.add({ from: end(1, false, false), to: end(1, true, false) });
    expect(() => graph.validate()).toThrow("LockGraph: c1 -> c1 (read) leads to the class it comes from");
  });
});
