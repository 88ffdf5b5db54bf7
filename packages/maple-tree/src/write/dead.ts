/*
 * What happens to nodes that have been replaced. Dead marks come first, for all of them, then the arena gets
 * them: from then on words 1 and 2 of a node are the arena's.
 *
 * Source: Linux lib/maple_tree.c, mas_topiary_replace(), mt_destroy_walk().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { endOf } from "../search/path.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { NODE_MASK, PARENT, SLOTS, TAG_MASK } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/**
 * Kills the subtree below `handle`, which has just been unpublished, except for what the new tree has adopted:
 * a child whose parent word does not name its old parent any more lives on.
 */
export function killTree(core: TreeCore, handle: number): void {
  if ((handle & TAG_MASK) === LEAF) return killNode(core, handle & NODE_MASK);
  const victims: number[] = [];
  collect(core, handle, victims);
  for (const node of victims) core.markDead(node);
  for (const node of victims) core.retire(node);
}

function killNode(core: TreeCore, node: number): void {
  core.markDead(node);
  core.retire(node);
}

function collect(core: TreeCore, handle: number, victims: number[]): void {
  const i32 = core.i32;
  const node = handle & NODE_MASK;
  victims.push(node);
  if ((handle & TAG_MASK) === LEAF) return;
  const end = endOf(i32, node);
  for (let slot = 0; slot <= end; slot++) {
    const child = i32[node + SLOTS + slot]!;
    const parent = i32[(child & NODE_MASK) + PARENT]!;
    if (parent > 0 && (parent & NODE_MASK) === node) collect(core, child, victims);
  }
}

/**
 * Makes every child that the new nodes below `handle` share with the old tree name its new parent. Children
 * that are new themselves do so since they were built.
 */
export function adopt(core: TreeCore, handle: number): void {
  if ((handle & TAG_MASK) === LEAF || core.inPlace) return;
  const i32 = core.i32;
  const node = handle & NODE_MASK;
  const end = endOf(i32, node);
  for (let slot = 0; slot <= end; slot++) {
    const child = i32[node + SLOTS + slot]!;
    const word = (child & NODE_MASK) + PARENT;
    if (i32[word] === (node | slot)) {
      adopt(core, child);
    } else {
      core.put(word, node | slot);
      if (core.observed) core.step({ what: "adopt", node: child & NODE_MASK, parent: node, slot });
    }
  }
}
