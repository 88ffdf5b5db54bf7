/*
 * Fills an empty tree with ascending ranges: leaves first, then the levels above, each node nearly full.
 *
 * All slots of a level are listed, cut into nodes, and give the list of the level above. The cuts depend only on
 * the numbers of slots (and, for leaves, on which are empty), so all nodes are reserved before the first is
 * built: a refusal leaves the tree empty. Nobody sees a node before the root word is stored.
 *
 * Source of the idea: Linux lib/maple_tree.c, mas_expected_entries(), which makes single stores split that way.
 */
import type { TreeCore } from "./core.ts";
import { checkRange, MapleError } from "./errors.ts";
import { MAX_INDEX } from "./geometry.ts";
import { gapBelow } from "./items.ts";
import * as L from "./layout.ts";
import type { IndexRange } from "./ranges.ts";
import type { WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { NODE_MASK, PARENT } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** Slots of one level, in order: contents, last index, and gap below. */
interface Level {
  readonly slot: number[];
  readonly pivot: number[];
  readonly gap: number[];
}

/** Stores `ranges` into the empty tree. `entryOf` gives the entry of each. @throws MapleError `EINVAL`, `ENOMEM` */
export function loadSorted<R extends IndexRange>(
  w: WriteState,
  ranges: Iterable<R>,
  entryOf: (range: R) => number,
): void {
  const { core } = w;
  let level = leafSlots(ranges, entryOf);
  if (level.slot.length === 0) return;
  let ends = cut(core, level, LEAF);
  core.reserve(nodesAbove(core, ends.length));
  core.writeBegin();
  level = buildLevel(w, level, ends, LEAF);
  let height = 1;
  for (; level.slot.length > 1; height++) {
    ends = cut(core, level, core.internalType);
    level = buildLevel(w, level, ends, core.internalType);
  }
  const root = level.slot[0]!;
  core.i32[(root & NODE_MASK) + PARENT] = -core.header;
  core.setHeight(height);
  core.publish(0, 0, root);
  core.writeEnd();
}

/** The slots of all leaves, with the empty ranges between. */
function leafSlots<R extends IndexRange>(ranges: Iterable<R>, entryOf: (range: R) => number): Level {
  const level: Level = { slot: [], pivot: [], gap: [] };
  const push = (slot: number, pivot: number): void => {
    level.slot.push(slot);
    level.pivot.push(pivot);
    level.gap.push(0);
  };
  let free = 0;
  for (const range of ranges) {
    const { first, last } = range;
    checkRange("fromSorted", first, last);
    if (first < free) {
      throw new MapleError("EINVAL", `fromSorted: ${first}..${last} begins before ${free}, which is next`);
    }
    const entry = entryOf(range);
    if (entry === 0) continue;
    if (first > free) push(0, first - 1);
    push(entry, last);
    free = last + 1;
  }
  if (free > 0 && free <= MAX_INDEX) push(0, MAX_INDEX);
  return level;
}

/** Last slot of each node: one slot is left free, no leaf but the last ends empty, and no node is too small. */
function cut(core: TreeCore, { slot }: Level, type: L.NodeType): number[] {
  const room = core.slotsOf(type) - 1;
  const fewest = core.minSlotsOf(type) + 2;
  const ends: number[] = [];
  let from = 0;
  while (slot.length - from > room) {
    const left = slot.length - from;
    let take = left - room < fewest ? left >> 1 : room;
    if (type === LEAF && slot[from + take - 1] === 0) take--;
    from += take;
    ends.push(from - 1);
  }
  ends.push(slot.length - 1);
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
function buildLevel(w: WriteState, level: Level, ends: readonly number[], type: L.NodeType): Level {
  const { core, items } = w;
  const above: Level = { slot: [], pivot: [], gap: [] };
  let from = 0;
  let min = 0;
  for (const end of ends) {
    items.count = 0;
    for (let i = from; i <= end; i++) items.push(level.slot[i]!, level.pivot[i]!, level.gap[i]!);
    const node = items.build(core, type, 0, items.count - 1);
    above.slot.push(node);
    above.pivot.push(level.pivot[end]!);
    above.gap.push(gapBelow(core, node, min));
    min = level.pivot[end]! + 1;
    from = end + 1;
  }
  return above;
}
