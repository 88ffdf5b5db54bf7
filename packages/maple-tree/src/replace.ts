/*
 * Puts a replacement subtree into the tree, when a write changed more than one leaf.
 *
 *   1 build    all new nodes, from the leaves up; unchanged children are shared and still name old parents
 *   2 publish  one store, at the lowest level where the change fits: the slot of the old top, or the root word
 *   3 adopt    shared children name their new parents
 *   4 dead     every node that was replaced, top first
 *   5 defer    all of those
 *   6 gap      above the new top, in place
 *
 * Between 2 and 3 a shared child names a parent that is no longer in the tree; nobody climbs without the lock.
 * Between 2 and 4 a reader may still be in an old node and not know it: what it finds there is the tree as it
 * was before the write, which is a correct answer for a read that overlaps the write.
 *
 * (Linux 6.12 marks the old top dead before it adopts; since nothing here climbs, dead marks stay together.)
 *
 * Source: Linux lib/maple_tree.c, mas_wmb_replace(), mas_topiary_replace().
 */
import type { TreeCore } from "./core.ts";
import { adopt, killTree } from "./dead.ts";
import { updateGaps } from "./gap.ts";
import { gapBelow } from "./items.ts";
import * as L from "./layout.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { NODE_MASK, PARENT, TAG_MASK } = L;

/**
 * Replaces the subtree at `oldTop`, whose lowest index is `min`, by the one at `newTop`. `height` is that of
 * the new tree if `oldTop` is the root.
 */
export function replaceTop(
  core: TreeCore,
  oldTop: number,
  newTop: number,
  min: number,
  height: number,
): void {
  const i32 = core.i32;
  const node = newTop & NODE_MASK;
  const parent = i32[(oldTop & NODE_MASK) + PARENT]!;
  i32[node + PARENT] = parent;
  if (parent < 0) {
    core.setHeight(height);
    core.publish(0, 0, newTop);
  } else {
    core.publish(parent & NODE_MASK, parent & TAG_MASK, newTop);
  }
  adopt(core, newTop);
  killTree(core, oldTop);
  if (parent > 0) updateGaps(core, node, gapBelow(core, newTop, min));
}
