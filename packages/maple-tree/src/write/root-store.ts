/*
 * Writes to a tree without a node, and those that replace the whole tree.
 *
 * Source: Linux lib/maple_tree.c, mas_store_root(), mas_root_expand(), mas_new_root().
 */

import { NODE_ENTRY } from "../geometry.ts";
import * as L from "../layout.ts";
import { killTree } from "./dead.ts";
import { announce, type WriteState } from "./write-state.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { NODE_MASK, PARENT } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** The root word holds nothing, or the entry at [0,0]. */
export function storeRoot(w: WriteState, root: number): void {
  const { core } = w;
  announce(w, "store_root", rootNodes(w));
  if (w.entry === 0) {
    if (w.first === 0 && root !== 0) core.publish(0, 0, 0);
  } else if (w.last === 0 && w.entry < NODE_ENTRY) {
    core.publish(0, 0, -w.entry);
  } else {
    expandRoot(w, 0 - root);
  }
}

/** Nodes that a store can need where there is none. As in the kernel, what is stored beside [0,0] does not matter. */
export function rootNodes(w: WriteState): number {
  return w.last === 0 && w.entry < NODE_ENTRY ? 0 : 1;
}

/** Moves the root's entry, if any, into a new leaf together with the new one. */
function expandRoot(w: WriteState, entryAt0: number): void {
  const { core, items } = w;
  items.count = 0;
  if (w.first > 0) {
    if (entryAt0 !== 0) {
      items.push(entryAt0, 0, 0);
      if (w.first > 1) items.push(0, w.first - 1, 0);
    } else {
      items.push(0, w.first - 1, 0);
    }
  }
  items.push(w.entry, w.last, 0);
  if (w.last !== core.maxIndex) items.push(0, core.maxIndex, 0);
  const leaf = items.build(core, LEAF, 0, items.count - 1);
  core.i32[(leaf & NODE_MASK) + PARENT] = -core.header;
  core.setHeight(1);
  core.publish(0, 0, leaf);
}

/** Everything is replaced by one entry, or by nothing. The root holds a node. */
export function newRoot(w: WriteState): void {
  const { core, items } = w;
  const old = core.rootWord;
  let root = 0;
  if (w.entry !== 0) {
    items.count = 0;
    items.push(w.entry, core.maxIndex, 0);
    root = items.build(core, LEAF, 0, 0);
    core.i32[(root & NODE_MASK) + PARENT] = -core.header;
  }
  core.setHeight(root === 0 ? 0 : 1);
  core.publish(0, 0, root);
  killTree(core, old);
}
