import { Arena } from "@faultline/arena";
import { KERNEL_GEOMETRY, SharedMapleTree } from "@faultline/maple-tree";
import type { Chapter } from "../walk/chapter.ts";
import type { Page } from "../walk/page.ts";

/** The ranges of Wilcox's example, inclusive at both ends; 4 stands for his p4. The gaps are left out. */
const MAIL: readonly (readonly [first: number, last: number, entry: number])[] = [
  [0, 49, 1],
  [50, 99, 2],
  [100, 149, 3],
  [150, 199, 4],
  [250, 999, 6],
  [1000, 3999, 7],
  [4000, 4049, 8],
];

/** The kernel's own fan-out; the package's default is wider. */
const OPTIONS = { geometry: KERNEL_GEOMETRY, gaps: true };

export const chapter: Chapter = {
  number: 5,
  title: "A B-tree of ranges",
  claims: [
    {
      id: "C7",
      who: "Wilcox",
      says: "The maple tree was not inspired by RCUVM and knows nothing of the VM: it is a general B-tree.",
    },
  ],
  run: (page) => {
    const tree = SharedMapleTree.create(Arena.create({ bytes: 1 << 20 }), OPTIONS);
    for (const [first, last, entry] of MAIL) tree.storeRange(first, last, entry);
    threeNotations(page, tree);
    emptyIsAValue(page, tree);
    overwriting(page, tree);
    capacity(page);
  },
};

function threeNotations(page: Page, tree: SharedMapleTree): void {
  const { first, last, entry } = tree.entryAt(175);
  page.say("One range of the example, in the three ways people write it:");
  page.table(
    ["where", "range", "what"],
    [
      ["the mail", `${first} to ${last + 1}`, "each number ends a slot, exclusive"],
      ["the tree", `${first}-${last}`, "a pivot is the last index of its slot"],
      ["/proc/PID/maps", `[${first},${last + 1})`, "start inclusive, end exclusive"],
    ],
  );
  page.check(entry === 4 && first === 150 && last === 199, "index 175 belongs to p4, stored over 150-199");
}

function emptyIsAValue(page: Page, tree: SharedMapleTree): void {
  page.part("Empty is a value, and takes a slot");
  const rows = tree.ranges();
  for (const range of rows) {
    const last = range.last > 1e9 ? "MAX" : range.last;
    page.line(`  ${`${range.first}-${last}`.padEnd(12)} ${range.entry === 0 ? "NULL" : `p${range.entry}`}`);
  }
  const gap = tree.findGap({ size: 50, max: 3999 });
  page.check(gap === 200, "the lowest free run of 50 indices is 200-249, found from the gap in the root");
}

function overwriting(page: Page, tree: SharedMapleTree): void {
  page.part("A store over the middle of one range");
  const before = [...tree.entries()].length;
  tree.storeRange(1500, 1999, 9);
  const after = [...tree.entries()].length;
  page.line(`  ${before} entries before storing p9 over 1500-1999, ${after} after`);
  page.check(after === before + 2, "one entry became three: 1000-1499, 1500-1999, 2000-3999");
  tree.assertValid();
}

function capacity(page: Page): void {
  page.part("How high is it?");
  const tree = SharedMapleTree.create(Arena.create({ bytes: 1 << 20 }), OPTIONS);
  for (let index = 0; index < 1000; index++) tree.storeRange(index * 20, index * 20 + 9, index + 1);
  page.line(`  1000 ranges with a gap after each: height ${tree.height}`);
  const binary = Math.ceil(Math.log2(1000));
  page.line(`  a balanced binary tree of 1000 has at least ${binary} levels`);
  page.check(tree.height < binary / 2, "a reader follows less than half as many pointers");
}
