import { MAX_INDEX, type StepEvent, type WriteType } from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";
import { makeTree, rangesText } from "./helpers.ts";

// A root leaf: [0,9]=1 … [90,99]=10, [100,MAX] empty. Observed in Linux 6.12: first column RCU, second without.
// A slot_store of RCU mode moves one pivot in place there; here that is a node_store.
const CASES: [
  first: number,
  last: number,
  entry: number,
  rcu: WriteType,
  plain: WriteType,
  becomes?: string,
][] = [
  [10, 19, 99, "exact_fit", "exact_fit"],
  [10, 24, 99, "node_store", "slot_store"],
  [15, 29, 99, "node_store", "slot_store"],
  [15, 24, 99, "node_store", "node_store"],
  [5, 25, 99, "node_store", "slot_store"],
  [12, 15, 99, "node_store", "node_store"],
  [110, 119, 99, "node_store", "append"],
  [90, 99, 0, "node_store", "node_store", `90..${MAX_INDEX}`],
  [150, 160, 0, "exact_fit", "exact_fit", `100..${MAX_INDEX}`],
  [20, 49, 99, "node_store", "node_store"],
];

function tenRanges(rcu: boolean) {
  const fixture = makeTree({ gaps: true, rcu });
  for (let i = 0; i < 10; i++) fixture.tree.storeRange(i * 10, i * 10 + 9, i + 1);
  fixture.writes.length = 0;
  return fixture;
}

describe("store types", () => {
  for (const [first, last, entry, rcuType, plainType, becomes] of CASES) {
    it(`stores ${entry} over ${first}..${last} as ${rcuType} with RCU and as ${plainType} without`, () => {
      for (const rcu of [true, false]) {
        const { tree, writes } = tenRanges(rcu);
        const planned = tree.explain(first, last, entry);
        tree.storeRange(first, last, entry);
        const [event] = writes;
        const expected = rcu ? rcuType : plainType;
        expect(event?.type).toBe(expected);
        expect(planned.type).toBe(expected);
        expect(`${event?.first}..${event?.last}`).toBe(becomes ?? `${first}..${last}`);
        tree.assertValid();
      }
    });
  }

  it("splits at the 16th entry, then after 9 and 6 in turn, leaving nodes of 15 slots behind", () => {
    const { tree, writes } = makeTree({ gaps: true });
    for (let i = 0; i < 60; i++) tree.storeRange(i * 10, i * 10 + 9, i + 1);
    const splits = writes.flatMap((e, i) => (e.type === "split_store" ? [i + 1] : []));
    expect(splits.slice(0, 4)).toEqual([16, 25, 31, 40]);
    expect(writes[15]?.reserved).toBe(3);
    tree.assertValid();
  });

  it("reports nothing when nobody listens, and the same tree comes out", () => {
    const heard = tenRanges(true);
    const unheard = tenRanges(true);
    unheard.tree.onWrite = undefined;
    for (const { tree } of [heard, unheard]) tree.storeRange(15, 24, 7);
    expect(rangesText(unheard.tree)).toBe(rangesText(heard.tree));
    expect(unheard.writes).toEqual([]);
  });
});

describe("the order of effects", () => {
  function stepsOf(run: (steps: StepEvent[]) => void): string[] {
    const steps: StepEvent[] = [];
    run(steps);
    return steps.map((s) => s.what);
  }

  it("is build, publish, dead, defer, gap for one leaf", () => {
    const { tree } = makeTree({ gaps: true });
    for (let i = 0; i < 40; i++) tree.storeRange(i * 10, i * 10 + 8, i + 1);
    const whats = stepsOf((steps) => {
      tree.onStep = (step) => steps.push(step);
      tree.storeRange(105, 113, 0);
    });
    expect(whats.slice(0, 5)).toEqual(["type", "build", "publish", "dead", "defer"]);
    expect(whats.slice(5).every((what) => what === "gap")).toBe(true);
  });

  it("publishes once, after all builds and before any dead mark, for a spanning store", () => {
    const { tree } = makeTree({ gaps: true });
    for (let i = 0; i < 400; i++) tree.storeRange(i * 10, i * 10 + 8, i + 1);
    const whats = stepsOf((steps) => {
      tree.onStep = (step) => steps.push(step);
      tree.storeRange(105, 2113, 0);
    });
    const order = ["type", "build", "publish", "adopt", "dead", "defer", "gap"];
    const ranks = whats.map((what) => order.indexOf(what));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    expect(whats.filter((what) => what === "publish")).toHaveLength(1);
    tree.assertValid();
  });

  it("is seen whole by a reader at every step: the old tree or the new one", () => {
    const { tree } = makeTree({ gaps: true });
    for (let i = 0; i < 400; i++) tree.storeRange(i * 10, i * 10 + 8, i + 1);
    const before = (index: number): number => (index % 10 === 9 ? 0 : Math.floor(index / 10) + 1);
    const indices = Array.from({ length: 400 }, (_, i) => i * 10 + (i % 10));
    let published = false;
    tree.onStep = (step) => {
      published ||= step.what === "publish";
      for (const index of indices) {
        const changed = published && index >= 1003 && index <= 1504;
        expect(tree.load(index)).toBe(changed ? 777 : before(index));
      }
    };
    tree.storeRange(1003, 1504, 777);
    expect(published).toBe(true);
  });
});
