/*
 * Every order of the four effects of a leaf's replacement, against a reader that is interrupted everywhere.
 *
 * The schedules: the reader starts before, between or after the effects; each later effect happens after any
 * number of the reader's loads. The reader is the twin of the production one, so a restart loop that no further
 * effect will end is seen as such.
 */
import { Arena } from "@faultline/arena";
import { KERNEL_GEOMETRY, TEACHING_GEOMETRY } from "@faultline/maple-tree";
import {
  type LookupStep,
  lookupSteps,
  mailTree,
  type ReplaceEffect,
  replaceLeafInOrder,
  replaceOrders,
  WildNodeError,
} from "@faultline/maple-tree/testing";
import { describe, expect, it } from "vitest";
import { makeTree } from "./helpers.ts";
import { random } from "./self-describing.ts";

const INDEX = 175;
const OLD = 4;
const NEW = 99;
const STEPS = 11;
const RESTARTS_MAX = 3;

type Verdict = "wild" | "spin" | "stale" | "wrote freed memory";

function mail() {
  const arena = Arena.create({ bytes: 1 << 15 });
  const { tree } = mailTree(arena, { geometry: TEACHING_GEOMETRY });
  return { arena, tree };
}

/** What goes wrong when effects happen before the reader's steps numbered `at`; the reader starts after `start`. */
function verdictsOf(order: readonly ReplaceEffect[], start: number, at: readonly number[]): Set<Verdict> {
  const { arena, tree } = mail();
  const verdicts = new Set<Verdict>();
  const writer = replaceLeafInOrder(tree, { first: 150, last: 209, entry: NEW }, order);
  const effect = (): void => {
    const step = writer.next();
    if (!step.done && step.value.wroteFreed) verdicts.add("wrote freed memory");
  };
  for (let i = 0; i < start; i++) effect();
  arena.rcu.readLock();
  const reader = lookupSteps(tree, INDEX);
  let done = 0;
  let restarts = 0;
  try {
    for (let taken = 0; ; taken++) {
      for (; at[done] === taken; done++) {
        effect();
        restarts = 0;
      }
      const step = reader.next();
      if (step.done) {
        if (step.value !== OLD && step.value !== NEW) verdicts.add("wild");
        else if (step.value === OLD && start === 4) verdicts.add("stale");
        break;
      }
      if (step.value.what === "restart" && ++restarts === RESTARTS_MAX) {
        verdicts.add("spin");
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof WildNodeError || error instanceof RangeError)) throw error;
    verdicts.add("wild");
  }
  arena.rcu.readUnlock();
  for (; done < at.length; done++) effect();
  return verdicts;
}

/** All ascending lists of `count` step numbers; infinity: when the reader has come to an end, or to none. */
function* schedules(count: number, from = 0): Generator<number[]> {
  if (count === 0) return yield [];
  for (let step = from; step <= STEPS + 1; step++) {
    const at = step > STEPS ? Number.POSITIVE_INFINITY : step;
    for (const rest of schedules(count - 1, step)) yield [at, ...rest];
  }
}

function allVerdicts(order: readonly ReplaceEffect[]): Verdict[] {
  const found = new Set<Verdict>();
  for (let start = 0; start <= 4; start++) {
    for (const at of schedules(4 - start)) {
      for (const verdict of verdictsOf(order, start, at)) found.add(verdict);
    }
  }
  return [...found].sort();
}

describe("replaceLeafInOrder", () => {
  const [right, ...wrong] = replaceOrders();

  it("has one order in which no schedule shows a reader anything but the old entry or the new one", () => {
    expect(right).toEqual(["build", "publish", "dead", "defer"]);
    expect(allVerdicts(right!)).toEqual([]);
  });

  it("breaks with each of the 23 others, in the way the broken rule says", () => {
    expect(wrong).toHaveLength(23);
    for (const order of wrong) {
      const before = (a: ReplaceEffect, b: ReplaceEffect): boolean => order.indexOf(a) < order.indexOf(b);
      const found = allVerdicts(order);
      const name = order.join(", ");
      expect(found, name).not.toEqual([]);
      if (before("publish", "build")) expect(found, name).toContain("wild");
      if (before("dead", "publish")) expect(found, name).toContain("spin");
      if (before("defer", "publish") && before("dead", "defer")) expect(found, name).toContain("wild");
      if (before("defer", "dead")) expect(found, name).toContain("wrote freed memory");
    }
  });

  it("leaves the tree that storeRange would leave, if the order is right", () => {
    const [one, other] = [mail(), mail()];
    const steps = [...replaceLeafInOrder(one.tree, { first: 150, last: 209, entry: NEW }, right!)];
    expect(steps.map((s) => s.effect)).toEqual(right);
    expect(steps.map((s) => s.freed)).toEqual([false, false, false, true]);
    other.tree.storeRange(150, 209, NEW);
    one.tree.assertValid();
    expect([...one.tree.ranges()]).toEqual([...other.tree.ranges()]);
  });

  it("refuses an order that has an effect twice, and a store that is of another type", () => {
    const { tree } = mail();
    const store = { first: 150, last: 209, entry: NEW };
    expect(() => replaceLeafInOrder(tree, store, ["build", "build", "dead", "defer"]).next()).toThrow(
      "replaceLeafInOrder: order must have each effect once, got build, build, dead, defer",
    );
    expect(() => replaceLeafInOrder(tree, { first: 0, last: 5000, entry: 1 }, right!).next()).toThrow(
      "spanning_store",
    );
  });
});

describe("lookupSteps", () => {
  function finish(steps: Generator<LookupStep, number, void>): number {
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  it("returns what load returns, in trees of every height", () => {
    const below = random(5);
    for (const geometry of [KERNEL_GEOMETRY, TEACHING_GEOMETRY]) {
      const { arena, tree } = makeTree({ geometry, shared: true });
      arena.rcu.readLock();
      for (let n = 0; n < 400; n++) {
        const first = below(4000);
        tree.storeRange(first, first + below(20), below(5) === 0 ? 0 : n + 1);
        const index = below(4100);
        expect(finish(lookupSteps(tree, index))).toBe(tree.load(index));
        expect(finish(lookupSteps(tree, 0))).toBe(tree.load(0));
      }
      expect(tree.height).toBeGreaterThan(1);
      arena.rcu.readUnlock();
    }
  });

  it("returns the old entry or the new one, whichever kind of write comes between any two of its loads", () => {
    const below = random(17);
    const kinds = new Set<string>();
    for (let round = 0; round < 300; round++) {
      const { arena, tree, writes } = makeTree({ geometry: TEACHING_GEOMETRY, gaps: true, shared: true });
      const count = 1 + below(40);
      for (let i = 0; i < count; i++) tree.storeRange(i * 10, i * 10 + 4 + below(6), i + 1);
      const first = below(count * 10);
      const last = first + below(below(2) === 0 ? 12 : count * 10);
      const entry = below(2) === 0 ? 0 : 777;
      const index = first + below(last - first + 1);
      const old = tree.load(index);
      arena.rcu.readLock();
      const steps = lookupSteps(tree, index);
      let result = steps.next();
      for (let taken = below(14); taken > 0 && !result.done; taken--) result = steps.next();
      tree.storeRange(first, last, entry);
      kinds.add(writes.at(-1)!.type);
      while (!result.done) result = steps.next();
      arena.rcu.readUnlock();
      expect([old, entry]).toContain(result.value);
      expect(finish(lookupSteps(tree, index))).toBe(entry);
    }
    for (const kind of ["node_store", "split_store", "rebalance", "spanning_store"])
      expect(kinds).toContain(kind);
  });
});
