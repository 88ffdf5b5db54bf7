import { Arena } from "@faultline/arena";
import { RandomStream } from "@faultline/fault-sim";
import { KERNEL_GEOMETRY, SharedMapleTree } from "@faultline/maple-tree";
import type { Chapter } from "../walk/chapter.ts";
import { PathCopyTree } from "./bonsai.ts";

const VMAS = 1000;
/** Places for a mapping; every mapping has a gap behind it. */
const PLACES = 2 * VMAS;
const ROUNDS = 5000;
/** Pages from one mapping to the next, and pages a mapping covers. */
const STRIDE = 32;
const PAGES = 16;
/** Bytes of a node: the kernel's maple node; a binary node with key range, two children, weight and entry. */
const MAPLE_BYTES = 256;
const BINARY_BYTES = 48;

export const chapter: Chapter = {
  number: 8,
  title: "Two ways to copy",
  claims: [
    {
      id: "C6",
      who: "Yoo",
      says: "Is it like RCUVM: a new root that shares most nodes with the old one, stale nodes freed later?",
    },
    {
      id: "C7",
      who: "Wilcox",
      says: "RCUVM was not an inspiration; one does not need to go up to the root to change a leaf.",
    },
  ],
  run: (page) => {
    page.say(
      `${VMAS} mappings with a gap after each; ${ROUNDS} times one is unmapped and mapped again at random:`,
    );
    const maple = mapleCopies();
    const path = pathCopies();
    page.table(
      ["tree", "new nodes per munmap", "per mmap", "bytes per munmap", "levels"],
      [
        [
          "maple",
          fixed(maple.erase),
          fixed(maple.store),
          Math.round(maple.erase * MAPLE_BYTES),
          maple.levels,
        ],
        [
          "copied path",
          fixed(path.erase),
          fixed(path.store),
          Math.round(path.erase * BINARY_BYTES),
          path.levels,
        ],
      ],
    );
    page.check(
      maple.erase < 2.2 && maple.store < 2.2,
      "the maple tree replaces one or two nodes, seldom more",
    );
    page.check(
      path.erase > 7,
      "copying the path to the root makes about as many nodes as the tree has levels",
    );
    page.check(
      maple.levels < path.levels / 2,
      "and a reader of the maple tree follows less than half as many pointers",
    );
    page.say(
      "In bytes the two are alike: a maple node is large. What both need is what chapter 4 showed: the old nodes are freed only after a grace period.",
    );
  },
};

interface Copies {
  readonly erase: number;
  readonly store: number;
  readonly levels: number;
}

function mapleCopies(): Copies {
  const arena = Arena.create({ bytes: 1 << 20 });
  const tree = SharedMapleTree.create(arena, { geometry: KERNEL_GEOMETRY, gaps: true, rcu: true });
  let built = 0;
  tree.onWrite = (event) => {
    built += event.built.length;
  };
  const copies = churn({
    erase: (place) => tree.erase(place * STRIDE),
    store: (place) => tree.storeRange(place * STRIDE, place * STRIDE + PAGES - 1, place + 1),
    made: () => built,
  });
  tree.assertValid();
  return { ...copies, levels: tree.height };
}

function pathCopies(): Copies {
  const tree = new PathCopyTree();
  const copies = churn({
    erase: (place) => tree.delete(place),
    store: (place) => tree.insert(place),
    made: () => tree.copied,
  });
  return { ...copies, levels: tree.levels };
}

interface CountedTree {
  readonly erase: (place: number) => void;
  readonly store: (place: number) => void;
  /** Nodes made so far. */
  readonly made: () => number;
}

/** Unmaps a mapping and maps one at a free place, both at random, the same ones for every tree. */
function churn(tree: CountedTree): { erase: number; store: number } {
  const random = new RandomStream(1, "places");
  const places = shuffled(random);
  for (const place of places.slice(0, VMAS)) tree.store(place);
  let erase = 0;
  let store = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const used = random.below(VMAS);
    const free = VMAS + random.below(PLACES - VMAS);
    const before = tree.made();
    tree.erase(places[used] ?? 0);
    const between = tree.made();
    tree.store(places[free] ?? 0);
    erase += between - before;
    store += tree.made() - between;
    swap(places, used, free);
  }
  return { erase: erase / ROUNDS, store: store / ROUNDS };
}

function shuffled(random: RandomStream): number[] {
  const places = Array.from({ length: PLACES }, (_, place) => place);
  for (let i = PLACES - 1; i > 0; i--) swap(places, i, random.below(i + 1));
  return places;
}

function swap(places: number[], a: number, b: number): void {
  [places[a], places[b]] = [places[b] ?? 0, places[a] ?? 0];
}

function fixed(value: number): string {
  return value.toFixed(2);
}
