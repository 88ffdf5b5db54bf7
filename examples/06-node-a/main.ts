import { Arena } from "@faultline/arena";
import { type StepEvent, TEACHING_GEOMETRY } from "@faultline/maple-tree";
import {
  type BuiltTree,
  type LookupStep,
  lookupSteps,
  mailTree,
  replaceOrders,
} from "@faultline/maple-tree/testing";
import type { Chapter } from "../walk/chapter.ts";
import type { Page } from "../walk/page.ts";
import { problemsOf } from "./orders.ts";

export const chapter: Chapter = {
  number: 6,
  title: "Node A becomes A2",
  claims: [
    {
      id: "C11",
      who: "Wilcox",
      says: "With Root over A and B, replacing p4 by NULL builds a new A2 and writes it over A's entry in Root.",
    },
    {
      id: "C12",
      who: "Wilcox",
      says: "A is marked dead and RCU-freed; Root need not be replaced, because a store to a pointer is atomic.",
    },
  ],
  run: (page) => {
    readerInside(page);
    readerBefore(page);
    allOrders(page);
  },
};

function teachingTree(): BuiltTree {
  const arena = Arena.create({ bytes: 1 << 16 });
  return mailTree(arena, { geometry: TEACHING_GEOMETRY, gaps: true, rcu: true });
}

/** The reader has loaded the pointer to A; then the whole store happens; then the reader goes on. */
function readerInside(page: Page): void {
  const { tree, names } = teachingTree();
  const { rcu } = tree.arena;
  const cache = tree.core.cache;
  const nodeOf = (name: string): number => names.node(name);
  const [root, a, b] = [nodeOf("Root"), nodeOf("A"), nodeOf("B")];
  page.say(
    "A reader wants index 175 and has just loaded the pointer to A from Root. Then the store of NULL over 150-199 runs:",
  );
  rcu.readLock();
  const reader = lookupSteps(tree, 175);
  advance(reader, (step) => step.what === "slot" && step.node === root);
  let built = 0;
  let dead = 0;
  tree.onStep = (event) => {
    if (event.what === "build") names.set(event.node, `A${++built + 1}`);
    if (event.what === "dead") dead += 1;
    const text = describe(event, (node) => (node === 0 ? "root word" : names.of(node)));
    if (text !== undefined) page.line(`    W  ${text}`);
  };
  tree.storeRange(150, 199, 0);
  tree.onStep = undefined;
  const freed: string[] = [];
  cache.onFree = (node) => freed.push(names.of(node));
  cache.reclaim();
  page.check(freed.length === 0, "the reader is still inside: A is not freed, its memory is what it was");
  const seen = finish(reader, (step) => {
    const text = describeRead(step, (node) => names.of(node));
    if (text !== undefined) page.line(`    R  ${text}`);
  });
  rcu.readUnlock();
  cache.reclaim();
  page.line(`    R  leaves; the grace period ends; freed: ${freed.join(", ")}`);
  page.check(seen === 0, "the reader finds A dead after its load, restarts, and gets NULL from A2");
  page.check(freed.join() === "A", "A is freed now, and only A");
  page.check(built === 1 && dead === 1, "one node new, one node dead");
  page.check(nodeOf("Root") === root && tree.core.isDead(root) === false, "Root is the same node");
  page.check(tree.core.isDead(b) === false && a !== b, "B was not touched");
  tree.assertValid();
}

/** The variant in which the reader tested A before it died: the old answer, which is right too. */
function readerBefore(page: Page): void {
  page.part("The same, but the reader had tested A before it died");
  const { tree, names } = teachingTree();
  tree.arena.rcu.readLock();
  const reader = lookupSteps(tree, 175);
  advance(reader, (step) => step.what === "dead-test" && step.node === names.node("A"));
  tree.storeRange(150, 199, 0);
  const seen = finish(reader, () => undefined);
  tree.arena.rcu.readUnlock();
  page.check(
    seen === 4,
    "it returns p4: it began before the store, so the old answer is as right as the new one",
  );
  page.say("So p4 itself must outlive the section too, not only the node that held it.", 2);
}

/** The four effects in each of their 24 orders, against one reader, in every interleaving. */
function allOrders(page: Page): void {
  page.part("All 24 orders of build, publish, mark dead, defer the free");
  const orders = replaceOrders().map((order) => ({ order, ...problemsOf(order) }));
  const problems = [...new Set(orders.flatMap((found) => found.problems))];
  const safe = orders.filter((found) => found.problems.length === 0);
  page.table(
    ["a reader may", "orders", "for example"],
    problems.map((problem) => {
      const broken = orders.filter((found) => found.problems.includes(problem));
      return [problem, broken.length, broken[0]?.order.join(", ") ?? ""];
    }),
  );
  page.line(`  ${orders.reduce((sum, found) => sum + found.schedules, 0)} schedules run`);
  page.check(safe.length === 1, "one order of the 24 is safe");
  page.check(
    safe[0]?.order.join() === "build,publish,dead,defer",
    "it is the kernel's: build, publish, dead, defer",
  );
}

function advance(reader: Generator<LookupStep, number>, stop: (step: LookupStep) => boolean): void {
  for (let next = reader.next(); !next.done; next = reader.next()) {
    if (stop(next.value)) return;
  }
}

function finish(reader: Generator<LookupStep, number>, show: (step: LookupStep) => void): number {
  let next = reader.next();
  for (; !next.done; next = reader.next()) show(next.value);
  return next.value;
}

function describe(event: StepEvent, name: (node: number) => string): string | undefined {
  switch (event.what) {
    case "type":
      return `${event.type}: NULL over ${event.requestedFirst}-${event.requestedLast}, widened to ${event.first}-${event.last}`;
    case "build":
      return `builds ${name(event.node)} aside`;
    case "publish":
      return `${name(event.node)} slot ${event.slot} := A2, one store`;
    case "dead":
      return `${name(event.node)}.parent := ${name(event.node)}, which means dead`;
    case "defer":
      return `${name(event.node)} is queued for RCU`;
    case "gap":
      return `${name(event.node)} gap[${event.slot}] ${event.from} -> ${event.to}, in place`;
    default:
      return undefined;
  }
}

function describeRead(step: LookupStep, name: (node: number) => string): string | undefined {
  switch (step.what) {
    case "root":
      return `starts at ${name(step.node)}`;
    case "slot":
      return `loads slot ${step.slot} of ${name(step.node)}`;
    case "dead-test":
      return step.dead ? `sees that ${name(step.node)} is dead` : undefined;
    case "restart":
      return "restarts";
    default:
      return undefined;
  }
}
