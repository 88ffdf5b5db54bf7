import { Arena } from "@faultline/arena";
import { KERNEL_GEOMETRY, type WriteEvent } from "@faultline/maple-tree";
import { type MailVariant, mailTree } from "@faultline/maple-tree/testing";
import type { Chapter } from "../walk/chapter.ts";

interface Row {
  readonly tree: string;
  readonly variant: MailVariant;
  readonly first: number;
  readonly last: number;
}

const STORES: readonly Row[] = [
  { tree: "A has one entry more", variant: "extra-entry", first: 150, last: 199 },
  { tree: "as in the mail", variant: "as-written", first: 150, last: 199 },
  { tree: "B has 13 slots", variant: "wide-b", first: 150, last: 199 },
  { tree: "as in the mail, erase p2", variant: "as-written", first: 50, last: 99 },
];

export const chapter: Chapter = {
  number: 7,
  title: "When Root must go too",
  claims: [
    {
      id: "C13",
      who: "Wilcox",
      says: "If A and B must be rebalanced, a new Root is needed as well; all three old nodes die.",
    },
    {
      id: "C14",
      who: "Yoo",
      says: "So updating values in a B-tree in an RCU-safe way is not the hard part.",
    },
  ],
  run: (page) => {
    page.say(
      "The same kind of store in four trees, in the kernel's geometry, where a leaf that does not end at MAX keeps at least 7 slots:",
    );
    const results = STORES.map(run);
    page.table(
      ["tree", "store type", "new", "dead", "height"],
      results.map(({ row, event, dead, height }) => [row.tree, event.type, event.built.length, dead, height]),
    );
    const [extra, written, wide, erase] = results;
    page.check(
      extra?.event.type === "node_store" && extra.dead === "A",
      "room enough: one leaf is replaced, Root and B stay",
    );
    page.check(
      written?.event.type === "rebalance" && written.dead === "A B Root" && written.height === "2 -> 1",
      "the mail's own example leaves A2 with 6 slots, too few: it takes the last sentence's way, and both leaves fit one node",
    );
    page.check(
      wide?.event.type === "rebalance" && wide.event.built.length === 3 && wide.height === "2 -> 2",
      "with more in B there are a new A, a new B and a new Root, published by one store into the root word",
    );
    page.check(
      erase?.event.type === "exact_fit" && erase.event.built.length === 0,
      "nothing empty beside it: one slot becomes NULL in place, no node is replaced",
    );
    page.say(
      "Why not slide the divider between A and B? A reader may have compared with the old pivot and then load the new slot; so the node that holds the pivot is rewritten and published one level up.",
    );
  },
};

interface Result {
  readonly row: Row;
  readonly event: WriteEvent;
  readonly dead: string;
  readonly height: string;
}

function run(row: Row): Result {
  const arena = Arena.create({ bytes: 1 << 16 });
  const options = { geometry: KERNEL_GEOMETRY, gaps: true, rcu: true };
  const { tree, names } = mailTree(arena, options, row.variant);
  const before = tree.height;
  let event: WriteEvent | undefined;
  tree.onWrite = (happened) => {
    event = happened;
  };
  tree.storeRange(row.first, row.last, 0);
  tree.assertValid();
  if (event === undefined) throw new Error("the store reported no write");
  const dead = event.dead.map((node) => names.of(node)).sort();
  return { row, event, dead: dead.join(" ") || "-", height: `${before} -> ${tree.height}` };
}
