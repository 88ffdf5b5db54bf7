/*
 * A structural copy: node for node, with parent words and children renamed, entries shared.
 *
 * All nodes are reserved before the first is copied, so a refusal leaves nothing behind. Nobody sees the copy
 * before its root word is stored. The source must not be written to meanwhile (its lock is held).
 *
 * Source: Linux lib/maple_tree.c, mtree_dup(), mas_dup_build().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { endOf } from "../search/path.ts";

/** Copies everything from `from` into the empty tree `to` of the same arena. @throws MapleError `ENOMEM` */
export function copyTree(from: TreeCore, to: TreeCore): void {
  const root = from.rootWord;
  if (root <= 0) return to.publish(0, 0, root);
  to.reserve(from.nodeCount);
  const copy = copyNode(from, to, root, -to.header);
  to.setHeight(from.height);
  to.publish(0, 0, copy);
}

function copyNode(from: TreeCore, to: TreeCore, handle: number, parent: number): number {
  const source = handle & L.NODE_MASK;
  const node = to.newNode();
  const i32 = to.i32;
  i32.copyWithin(node, source, source + L.NODE_WORDS);
  i32[node + L.PARENT] = parent;
  if ((handle & L.TAG_MASK) !== L.NodeType.Leaf) {
    const end = endOf(i32, node);
    for (let slot = 0; slot <= end; slot++) {
      // Reserved nodes do not grow the arena, so the view stays the same.
      i32[node + L.SLOTS + slot] = copyNode(from, to, i32[source + L.SLOTS + slot]!, node | slot);
    }
  }
  to.built(node);
  return node | (handle & L.TAG_MASK);
}
