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
 * Without RCU nobody is inside, and the lowest node that can take the change is changed in place: to copy it would
 * mean that all its children, mostly not in the processor's cache, get a new parent word.
 *
 * Source: Linux lib/maple_tree.c, mas_wmb_replace(), mas_topiary_replace().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { largestGapSlot, nodeGap, updateGaps } from "../search/gap.ts";
import { endOf } from "../search/path.ts";
import { adopt, killTree } from "./dead.ts";
import type { Part } from "./fill.ts";
import { gapBelow } from "./items.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { GAPS_F64, META, NODE_MASK, PARENT, PIVOTS_F64, SLOTS, TAG_MASK } = L;

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

/**
 * Gives `parts` the place of `replaced` children of the node at `parent`, from slot `at` on, in place: no reader runs
 * beside the writer. The node has room for them and keeps enough slots.
 */
export function spliceChildren(
  core: TreeCore,
  parent: number,
  at: number,
  replaced: number,
  parts: readonly Part[],
): void {
  const { i32, f64 } = core;
  const slots = parent + SLOTS;
  const old = i32.slice(slots + at, slots + at + replaced);
  const end = endOf(i32, parent);
  const before = core.gaps ? nodeGap(i32, f64, parent) : 0;
  moveChildren(core, parent, at + replaced, end, parts.length - replaced);
  for (let i = 0; i < parts.length; i++) putChild(core, parent, at + i, parts[i]!);
  i32[parent + META] = end + parts.length - replaced;
  for (const handle of old) if (!isAmong(parts, handle)) killTree(core, handle);
  if (!core.gaps) return;
  i32[parent + META]! |= largestGapSlot(i32, f64, parent) << 8;
  const after = nodeGap(i32, f64, parent);
  if (after !== before) updateGaps(core, parent, after);
}

/** A child that was overwritten stays. */
function isAmong(parts: readonly Part[], handle: number): boolean {
  for (const part of parts) if (part.handle === handle) return true;
  return false;
}

/** Moves the children from slot `from` on by so many slots, and leaves nothing behind the last. */
function moveChildren(core: TreeCore, parent: number, from: number, end: number, by: number): void {
  if (by > 0) for (let slot = end; slot >= from; slot--) moveChild(core, parent, slot, slot + by);
  if (by < 0) for (let slot = from; slot <= end; slot++) moveChild(core, parent, slot, slot + by);
  const { i32, f64 } = core;
  for (let slot = end + by + 1; slot <= end; slot++) {
    i32[parent + SLOTS + slot] = 0;
    f64[(parent >> 1) + PIVOTS_F64 + slot] = Infinity;
    if (core.gaps) f64[(parent >> 1) + GAPS_F64 + slot] = 0;
  }
}

function moveChild(core: TreeCore, parent: number, from: number, to: number): void {
  const { i32, f64 } = core;
  const child = i32[parent + SLOTS + from]!;
  const pivots = (parent >> 1) + PIVOTS_F64;
  const gaps = (parent >> 1) + GAPS_F64;
  i32[parent + SLOTS + to] = child;
  f64[pivots + to] = f64[pivots + from]!;
  if (core.gaps) f64[gaps + to] = f64[gaps + from]!;
  i32[(child & NODE_MASK) + PARENT] = parent | to;
}

function putChild(core: TreeCore, parent: number, slot: number, { handle, max, gap }: Part): void {
  const { i32, f64 } = core;
  i32[(handle & NODE_MASK) + PARENT] = parent | slot;
  f64[(parent >> 1) + PIVOTS_F64 + slot] = max;
  if (core.gaps) f64[(parent >> 1) + GAPS_F64 + slot] = gap;
  core.publish(parent, slot, handle);
  adopt(core, handle);
}
