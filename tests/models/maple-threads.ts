/*
 * What the threads of a model do with a scene's tree, and what a reader may see of the write: the table of
 * the tree's design, row by row.
 *
 *   may a reader observe …                        asserted by
 *   a mixture of old and new for one index: no    entryOf: what it reads was stored there, before or after
 *   the old value after the store returned: only  lookups(): a load of a slot that began later ends in the
 *     if it loaded the pointer before             new value, or in a restart
 *   a hole while a range is replaced: no          entryOf, where nothing is no value before and none after
 *   half of a store over several indices: no      forward: after one look at the new tree there is no look at
 *     for writes with one publishing store        the old one
 *   an iteration as a snapshot: not promised;     isOneOf: ascending, no index twice, none left out, each range
 *     but it is monotone                          one of those before or after, but for a cut beginning
 *   freed memory: no                              the writer poisons what it frees, with plain stores, so that
 *                                                 even a reader which comes by nothing wrong is in a race
 */
import { Arena } from "@faultline/arena";
import { MAX_INDEX, type Range, SharedMapleTree } from "@faultline/maple-tree";
import { layout, poisonNode } from "@faultline/maple-tree/testing";
import { RcuDomain } from "@faultline/sync/rcu";
import { SpinLock } from "@faultline/sync/spinlock";
import { carryOut, NODES, RCU, type Scene, type Stored } from "./maple-scenes.ts";
import { sharedCopy } from "./unseen.ts";

/** A thread of a model whose shared memory is a scene's. */
export type MapleThread = (words: Int32Array) => unknown;
/** What makes a reader or writer a broken one. */
export type Sabotage = (tree: SharedMapleTree, scene: Scene) => void;
/** What a reader does with the tree, and asserts. */
export type Reading = (tree: SharedMapleTree, scene: Scene, words: Int32Array) => void;

/**
 * The tree as a thread of its own sees it. The threads of a model share one realm, where all that attach to
 * the same buffer would be taken for one RCU agent; so each gets its agent on words of its own.
 */
function attach(words: Int32Array, { root }: Scene, agentWords: Int32Array, reads: boolean): SharedMapleTree {
  const rcu = new RcuDomain(agentWords, RCU);
  if (reads) rcu.read(() => {});
  rcu.rebind(words);
  const arena = Object.assign(Arena.attach({ buffer: words.buffer as SharedArrayBuffer }), { rcu });
  if (!reads) return SharedMapleTree.attach(arena, root);
  // Opening a tree takes the arena's lock, to look up the cache that a reader does not use. There is nothing to
  // be learnt from its meeting the writer there, so the reader opens the copy and then moves.
  const tree = SharedMapleTree.attach(Arena.attach({ buffer: agentWords.buffer as SharedArrayBuffer }), root);
  Object.assign(tree.core, { arena });
  return Object.assign(tree, { arena });
}

/** Carries the scene's write out, says that it is done, and frees what may be freed; then more, which may reuse it. */
export function writer(scene: Scene, sabotage?: Sabotage, then: readonly Stored[] = []): MapleThread {
  return (words) => {
    const tree = attach(words, scene, sharedCopy(scene.words), false);
    const { cache } = tree.core;
    cache.onFree = (node) => poisonNode(tree, node);
    sabotage?.(tree, scene);
    carryOut(tree, scene.options);
    Atomics.store(words, scene.returned, 1);
    cache.reclaim();
    for (const range of then) tree.storeRange(...range);
  };
}

/** Takes the tree's lock where the reading does: the gap search, and all readers of a tree without RCU. */
export function lockingReader(scene: Scene, reading: Reading, sabotage?: Sabotage): MapleThread {
  return (words) => {
    const tree = attach(words, scene, sharedCopy(scene.unclaimed(0)), true);
    const lock = new SpinLock(words, scene.root + layout.LOCK);
    tree.core.locked = (fn) => lock.withLock(fn);
    sabotage?.(tree, scene);
    reading(tree, scene, words);
  };
}

/** Reads without a lock. */
export function reader(scene: Scene, reading: Reading, sabotage?: Sabotage, number = 0): MapleThread {
  return (words) => {
    const tree = attach(words, scene, sharedCopy(scene.unclaimed(number)), true);
    sabotage?.(tree, scene);
    reading(tree, scene, words);
  };
}

/** Throws unless the tree is as it was before the write or as it is after it, also if the writer has died. */
export function contents(scene: Scene, words: Int32Array): void {
  // Without a look at locks or dead marks: who has died may have left both.
  const tree = attach(words, scene, sharedCopy(scene.unclaimed(0)), true);
  tree.core.concurrent = false;
  const borders = [...scene.before, ...scene.after].flatMap(({ first, last }) => [first, last]);
  const isLike = (ranges: readonly Range[]): boolean =>
    borders.every((index) => tree.load(index) === at(ranges, index));
  if (!isLike(scene.before) && !isLike(scene.after))
    throw new Error("neither old nor new when all have gone");
}

/**
 * The same in one read section, which contains those of the reading. What there is to be learnt of the beginnings
 * and ends of sections, a reading with few of them shows as well.
 */
export function inOneSection(reading: Reading): Reading {
  return (tree, ...given) => tree.arena.rcu.read(() => reading(tree, ...given));
}

/** Looks the indices up, each in a read section of its own. */
export function lookups(...indices: readonly number[]): Reading {
  return (tree, scene) => {
    let newest = 0;
    for (const index of indices) newest = forward(newest, entryOf(scene, index, tree.load(index)));
  };
}

/** As {@link lookups}, and watches each load of a slot: did the store return before it? `how` breaks the loads. */
export function watchedLookups(indices: readonly number[], how: Loads = asTheyAre): Reading {
  return (tree, scene, words) => {
    for (const index of indices) {
      let isOver = 0;
      const watch: Loads = (load, view, word) => {
        if (isSlot(word)) isOver = load(words, scene.returned);
        return load(view, word);
      };
      const entry = throughLoads(watch, () => throughLoads(how, () => tree.load(index)));
      if (isOver === 1 && entryOf(scene, index, entry) === OLD) {
        throw new Error(`${index}: the old entry, loaded when the store had returned`);
      }
    }
  };
}

/** Reads the ranges of `[first, last]` from a cursor, the empty ones too, each in a read section of its own. */
export function cursor(first = 0, last = MAX_INDEX): Reading {
  return (tree, scene) => {
    const at = tree.cursor(first);
    let behind = first - 1;
    let newest = 0;
    for (let entry = at.walk(); behind < last; entry = at.nextRange()) {
      const range = { first: at.index, last: at.last, entry };
      newest = forward(newest, isOneOf(scene, range, behind, behind < first));
      behind = at.last;
    }
  };
}

/** Reads all ranges with the iterator. */
export const iterator: Reading = (tree, scene) => {
  let last = -1;
  let newest = 0;
  for (const range of tree.ranges()) {
    newest = forward(newest, isOneOf(scene, range, last));
    last = range.last;
  }
  if (last !== MAX_INDEX) throw new Error(`the iteration ended at ${last}`);
};

/** Reads without concurrency in mind, and so under the tree's lock. */
export function lockedLookups(...indices: readonly number[]): Reading {
  return (tree, scene) => {
    tree.locked(() => {
      for (const index of indices) entryOf(scene, index, tree.load(index));
    });
  };
}

/** Searches a gap, the lowest or the highest: it is that of the ranges before the write or after it. */
export function gapSearch(end: "lowest" | "highest", size: number, max: number): Reading {
  return (tree, { before, after }) => {
    const low = end === "lowest";
    const gap = low ? tree.findGap({ size, max }) : tree.findGapReverse({ size, max });
    const search: (...given: Parameters<typeof lastGap>) => number | undefined = low ? firstGap : lastGap;
    if (gap === search(before, size, max) || gap === search(after, size, max)) return;
    throw new Error(`the ${end} gap, at ${gap}, is neither old nor new`);
  };
}

function firstGap(ranges: readonly Range[], size: number): number | undefined {
  return ranges.find((range) => range.entry === 0 && range.last - range.first >= size - 1)?.first;
}

function lastGap(ranges: readonly Range[], size: number, max: number): number {
  const ends = ranges
    .filter(({ entry }) => entry === 0)
    .map(({ first, last }) => ({ first, last: Math.min(last, max) }))
    .filter(({ first, last }) => last - first >= size - 1);
  return ends[ends.length - 1]!.last - size + 1;
}

const OLD = 1;
const NEW = 2;

/** Was the entry stored at the index before, after, or both? @returns {@link OLD} and {@link NEW}, or both added */
function entryOf(scene: Scene, index: number, entry: number): number {
  const age = (at(scene.before, index) === entry ? OLD : 0) + (at(scene.after, index) === entry ? NEW : 0);
  if (age === 0) throw new Error(`${index}: ${entry} is neither old nor new`);
  return age;
}

function at(ranges: readonly Range[], index: number): number {
  return ranges.find(({ last }) => last >= index)!.entry;
}

/** A reader that has seen what is only new sees nothing any more that is only old. */
function forward(newest: number, age: number): number {
  if (newest === NEW && age === OLD)
    throw new Error("neither old nor new: the new tree, and then the old one");
  return age === NEW ? NEW : newest;
}

/** Is it a range from before or after that goes on behind `last`? @returns its age, as {@link entryOf} */
function isOneOf({ before, after }: Scene, range: Range, last: number, isFirst = last < 0): number {
  if (isFirst ? range.first > last + 1 : range.first !== last + 1)
    throw new Error(`neither old nor new: from ${last} on to ${range.first}..${range.last}`);
  // A restart may land inside a range: then its beginning is cut.
  const isHere = (one: Range): boolean =>
    one.entry === range.entry && one.last === range.last && one.first <= range.first;
  const age = (before.some(isHere) ? OLD : 0) + (after.some(isHere) ? NEW : 0);
  if (age === 0) throw new Error(`${range.first}..${range.last}: ${range.entry} is neither old nor new`);
  return age;
}

const asTheyAre: Loads = (load, view, word) => load(view, word);

type Load = (view: Int32Array, word: number) => number;
/** What happens where a thread calls `Atomics.load`. */
export type Loads = (load: Load, view: Int32Array, word: number) => number;

/** Runs `fn` with its calls of `Atomics.load` going through `loads`: to watch production code, or to break it. */
export function throughLoads<T>(loads: Loads, fn: () => T): T {
  const load = Atomics.load as Load;
  Atomics.load = ((view: Int32Array, word: number) => loads(load, view, word)) as typeof Atomics.load;
  try {
    return fn();
  } finally {
    Atomics.load = load as typeof Atomics.load;
  }
}

/** Is this word a slot of a node? */
export function isSlot(word: number): boolean {
  return word >= NODES && word % layout.NODE_WORDS >= layout.SLOTS;
}

/** Is this the word that tells whether a node is dead? */
export function isParent(word: number): boolean {
  return word >= NODES && word % layout.NODE_WORDS === layout.PARENT;
}
