/*
 * Fills an empty tree with ascending ranges: leaves first, then the levels above, each node nearly full.
 *
 * All slots of a level are listed, cut into nodes, and give the list of the level above. The cuts depend only on
 * the numbers of slots (and, for leaves, on which are empty), so all nodes are reserved before the first is
 * built: a refusal leaves the tree empty. Nobody sees a node before the root word is stored.
 *
 * Source of the idea: Linux lib/maple_tree.c, mas_expected_entries(), which makes single stores split that way.
 */
import type { TreeCore } from "../core.ts";
import { checkRange, MapleError } from "../errors.ts";
import * as L from "../layout.ts";
import type { IndexRange } from "../search/ranges.ts";
import { gapBelow, Items } from "./items.ts";
import type { WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { NODE_MASK, PARENT } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** Stores `ranges` into the empty tree. `entryOf` gives the entry of each. @throws MapleError `EINVAL`, `ENOMEM` */
export function loadSorted<R extends IndexRange>(
  w: WriteState,
  ranges: Iterable<R>,
  entryOf: (range: R) => number,
): void {
  const { core } = w;
  let level = leafSlots(core.maxIndex, ranges, entryOf);
  if (level.count === 0) return;
  let ends = cut(core, level, LEAF);
  core.reserve(nodesAbove(core, ends.length));
  core.writeBegin();
  level = buildLevel(core, level, ends, LEAF);
  let height = 1;
  for (; level.count > 1; height++) {
    ends = cut(core, level, core.internalType);
    level = buildLevel(core, level, ends, core.internalType);
  }
  const root = level.slot[0]!;
  core.i32[(root & NODE_MASK) + PARENT] = -core.header;
  core.setHeight(height);
  core.publish(0, 0, root);
  core.writeEnd();
}

/** The slots of all leaves, with the empty ranges between. */
function leafSlots<R extends IndexRange>(
  max: number,
  ranges: Iterable<R>,
  entryOf: (range: R) => number,
): Items {
  // Three slots are room for one more range: the gap before, the range, and the gap behind the last one.
  const level = new Items(Array.isArray(ranges) ? 2 * ranges.length + 3 : 1024);
  let free = 0;
  for (const range of ranges) {
    const { first, last } = range;
    checkRange("fromSorted", first, last, max);
    if (first < free) {
      throw new MapleError("EINVAL", `fromSorted: ${first}..${last} begins before ${free}, which is next`);
    }
    const entry = entryOf(range);
    if (entry === 0) continue;
    if (level.count + 3 > level.slot.length) level.grow();
    if (first > free) level.push(0, first - 1, 0);
    level.push(entry, last, 0);
    free = last + 1;
  }
  if (free > 0 && free <= max) level.push(0, max, 0);
  return level;
}

/** Last slot of each node: one slot is left free, no leaf but the last ends empty, and no node is too small. */
function cut(core: TreeCore, { slot, count }: Items, type: L.NodeType): number[] {
  const room = core.slotsOf(type) - 1;
  const fewest = core.minSlotsOf(type) + 2;
  const ends: number[] = [];
  let from = 0;
  while (count - from > room) {
    const left = count - from;
    let take = left - room < fewest ? left >> 1 : room;
    if (type === LEAF && slot[from + take - 1] === 0) take--;
    from += take;
    ends.push(from - 1);
  }
  ends.push(count - 1);
  return ends;
}

/** Nodes of a tree with so many leaves. */
function nodesAbove(core: TreeCore, leaves: number): number {
  let total = leaves;
  for (let count = leaves; count > 1; total += count) {
    count = Math.ceil(count / (core.slotsOf(core.internalType) - 1));
  }
  return total;
}

/** Builds the nodes of a level; their list is the level above. */
function buildLevel(core: TreeCore, level: Items, ends: readonly number[], type: L.NodeType): Items {
  const above = new Items(ends.length);
  let from = 0;
  let min = 0;
  for (const end of ends) {
    const node = level.build(core, type, from, end);
    above.push(node, level.pivot[end]!, gapBelow(core, node, min));
    min = level.pivot[end]! + 1;
    from = end + 1;
  }
  return above;
}
