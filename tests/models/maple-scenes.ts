/*
 * Small trees, and for every type of write one that changes them: what readers run against.
 *
 * A scene is built once, and copied into the shared memory of each execution (unseen.ts).
 */
import { Arena } from "@faultline/arena";
import {
  MAX_INDEX,
  type Range,
  SharedMapleTree,
  TEACHING_GEOMETRY,
  type TreeOptions,
  type WriteType,
} from "@faultline/maple-tree";
import { RcuDomain } from "@faultline/sync/rcu";
import { privateCopy, sharedCopy } from "./unseen.ts";

/** Of full size from the start: the checker does not follow a buffer that grows. */
const BYTES = 2 * 16384;
/** Where an arena has its RCU domain (packages/arena/src/arena.ts, the picture at the top). */
export const RCU = 1088;
const AGENTS_MAX = 2;
/** First word behind the header: nodes lie here, and nothing else. */
export const NODES = 4096;

/** `[first, last, entry]`. */
export type Stored = readonly [first: number, last: number, entry: number];

/** A write, before it is carried out. */
export interface SceneOptions extends TreeOptions {
  readonly type: WriteType;
  /** What the tree holds before. */
  readonly ranges: readonly Stored[];
  /** What the write stores. */
  readonly store: Stored;
  /** Erase everything instead. */
  readonly clears?: boolean;
}

/** A tree, the write that will change it, and what it holds before and after. */
export interface Scene {
  readonly options: SceneOptions;
  /** Word of the tree's header. */
  readonly root: number;
  /** A word for the writer to say that its store has returned. */
  readonly returned: number;
  /** The store that makes the new tree the tree; `node` 0 is the root word. `undefined` if no node is replaced. */
  readonly published: { readonly node: number; readonly slot: number; readonly to: number } | undefined;
  readonly before: readonly Range[];
  readonly after: readonly Range[];
  /** Words of the arena, with the RCU slots of both readers taken. */
  readonly words: Int32Array;
  /** The same with the slots below `reader` taken: in a copy of these that reader will take its own. */
  readonly unclaimed: (reader: number) => Int32Array;
}

/** Carries the scene's write out. */
export function carryOut(tree: SharedMapleTree, { store, clears }: SceneOptions): void {
  if (clears === true) tree.clear();
  else tree.storeRange(...store);
}

/** @throws Error if the write would be of another type than the scene says */
export function scene(options: SceneOptions): Scene {
  const { ranges, store, type, clears, ...treeOptions } = options;
  const arena = Arena.create({ shared: true, bytes: BYTES, bytesMax: BYTES, agentsMax: AGENTS_MAX });
  const tree = SharedMapleTree.create(arena, { geometry: TEACHING_GEOMETRY, ...treeOptions });
  for (const range of ranges) tree.storeRange(...range);
  const returned = arena.allocWords(1);
  settle(arena, tree);
  const planned = clears === true ? "new_root" : tree.explain(...store).type;
  if (planned !== type) throw new Error(`scene: the store is a ${planned}, not a ${type}`);
  const unclaimed: Int32Array[] = [privateCopy(arena.i32)];
  const before = [...tree.ranges()];
  for (let reader = 0; reader < AGENTS_MAX; reader++) unclaimed.push(claimed(unclaimed[reader]!));
  let published: Scene["published"];
  tree.onStep = (step) => {
    if (step.what === "publish") published = step;
  };
  carryOut(tree, options);
  return {
    options,
    published,
    root: tree.root,
    returned,
    before,
    after: [...tree.ranges()],
    words: unclaimed[AGENTS_MAX]!,
    unclaimed: (reader) => unclaimed[reader]!,
  };
}

/** No node is deferred, and there is a slab, so that the write finds free nodes. */
function settle(arena: Arena, tree: SharedMapleTree): void {
  tree.core.cache.free(tree.core.cache.alloc());
  tree.core.cache.reclaim();
  arena.validate();
}

/** A copy of the words in which one more RCU slot is taken. */
function claimed(words: Int32Array): Int32Array {
  const copy = sharedCopy(words);
  const rcu = new RcuDomain(copy, RCU);
  rcu.readLock();
  rcu.readUnlock();
  return privateCopy(copy);
}

const three: readonly Stored[] = [
  [0, 9, 1],
  [10, 19, 2],
  [20, 29, 3],
];

/** `count` ranges of ten indices, entries from 1. Eight slots are a leaf; nine of these are two leaves of five. */
const tens = (count: number): Stored[] =>
  Array.from({ length: count }, (_, i) => [10 * i, 10 * i + 9, i + 1] as const);

/** Two leaves under an allocation node: gaps of ten at 10 and 60, and one without end from 100. */
const gaps = {
  gaps: true,
  ranges: [...tens(6).filter(([first]) => first !== 10), ...tens(10).slice(7)],
} as const;

/** One scene for each type of write, and some that differ in what is replaced. */
export const SCENES = {
  firstEntry: scene({ type: "store_root", ranges: [], store: [0, 0, 7] }),
  firstLeaf: scene({ type: "store_root", ranges: [[0, 0, 1]], store: [10, 19, 7] }),
  rootLeaf: scene({ type: "node_store", ranges: three, store: [15, 24, 7] }),
  border: scene({ type: "node_store", ranges: three, store: [10, 24, 2] }),
  leaf: scene({ type: "node_store", ranges: tens(9), store: [5, 14, 70] }),
  inRootLeaf: scene({ type: "node_store", ranges: three, store: [12, 15, 7] }),
  inLeaf: scene({ type: "node_store", ranges: tens(9), store: [12, 15, 70] }),
  replaced: scene({ type: "exact_fit", ranges: three, store: [10, 19, 7] }),
  erased: scene({ type: "exact_fit", ranges: three, store: [10, 19, 0] }),
  rebalanced: scene({ type: "rebalance", ranges: tens(9), store: [0, 39, 70] }),
  split: scene({ type: "split_store", ranges: tens(7), store: [12, 15, 70] }),
  spanning: scene({ type: "spanning_store", ranges: tens(9), store: [15, 74, 70] }),
  everything: scene({ type: "new_root", ranges: tens(9), store: [0, MAX_INDEX, 70] }),
  cleared: scene({ type: "new_root", ranges: tens(9), store: [0, MAX_INDEX, 0], clears: true }),
} satisfies Record<string, Scene>;

/** Writes to a tree whose gaps are searched: each changes which gap is the first, or the last. */
export const GAP_SCENES = {
  firstLeaf: scene({ type: "store_root", ranges: [], gaps: true, store: [0, 9, 7] }),
  filled: scene({ type: "exact_fit", ...gaps, store: [10, 19, 7] }),
  erased: scene({ type: "exact_fit", ranges: tens(10), gaps: true, store: [30, 39, 0] }),
  leaf: scene({ type: "node_store", ...gaps, store: [15, 24, 7] }),
  inLeaf: scene({ type: "node_store", ...gaps, store: [12, 15, 7] }),
  rebalanced: scene({ type: "rebalance", ...gaps, store: [0, 39, 7] }),
  split: scene({ type: "split_store", ranges: tens(7), gaps: true, store: [12, 15, 0] }),
  spanning: scene({ type: "spanning_store", ...gaps, store: [15, 74, 7] }),
  everything: scene({ type: "new_root", ...gaps, store: [0, MAX_INDEX, 0] }),
} satisfies Record<string, Scene>;

/** Writes of a tree without RCU: in place. */
export const PLAIN_SCENES = {
  append: scene({ type: "append", rcu: false, ranges: three, store: [40, 49, 7] }),
  slot: scene({ type: "slot_store", rcu: false, ranges: tens(4), store: [15, 29, 7] }),
  leaf: scene({ type: "node_store", rcu: false, ranges: tens(4), store: [12, 15, 7] }),
} satisfies Record<string, Scene>;
