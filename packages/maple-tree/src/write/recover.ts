/*
 * A tree whose writer was terminated between two instructions. What is left of its write is put right by whoever
 * takes the lock next; the tree is then as before the write or as after it.
 *
 * Why that is possible in RCU mode. A write has one store that readers see: the slot or root word it publishes
 * to. Before that store the new nodes belong to nobody; behind it the old ones do. Slots and pivots of what can
 * be reached are never in between. Everything else about a node can be worked out from the leaves up:
 *
 *   died before                     found as                                     put right by
 *   publish                         new nodes that cannot be reached             giving them back
 *   publish, height already set     height of a tree that is not there           counting
 *   adopt                           a child that names its old parent            naming the one it is reached from
 *   dead, defer                     old nodes that cannot be reached             marking them dead, deferring them
 *   gap                             gaps of the state before                     computing them again
 *   the end                         an odd version, a wrong number of nodes      the next even one, counting
 *
 * Which unreachable nodes are this tree's: its nodes have been allocated for its header (word 3), and the arena
 * writes that down before the node counts as allocated. So a node cannot be lost, and none of another tree's
 * is ever touched. All of them are deferred: from outside nobody can tell the old ones, in which readers may be,
 * from the new.
 *
 * Steps repeat without harm, so whoever repairs may die as well.
 *
 * Readers go on meanwhile, as during a write. Gaps and metadata are the writer's, parent words change from one
 * node to another, never through the dead mark.
 *
 * Without RCU leaves are changed in place; a write that was cut off there is not repaired.
 */
import type { TreeCore } from "../core.ts";
import { MapleError } from "../errors.ts";
import type { Recovery } from "../events.ts";
import * as L from "../layout.ts";
import { largestGapSlot } from "../search/gap.ts";
import { endOf } from "../search/path.ts";
import { gapBelow } from "./items.ts";

/** Puts the tree right. Lock held, or taken from the dead. @throws MapleError `EINVAL` without RCU. Cost: O(nodes) */
export function recover(core: TreeCore): Recovery {
  const { arena, header } = core;
  if (!core.rcu) throw new MapleError("EINVAL", "recover: without RCU leaves are changed in place");
  // First of all, since it may have been freeing or allocating one of the nodes that are looked for below.
  arena.takeBackFromDead();
  arena.refresh();
  const version = arena.i32[header + L.VERSION]!;
  const root = core.rootWord;
  const reached = new Set<number>();
  let height = 0;
  if (root > 0) height = settle(core, root, -header, 0, reached);
  core.setHeight(height);
  const lost = core.cache.live(header).filter((node) => !reached.has(node));
  for (const node of lost) core.markDead(node);
  for (const node of lost) core.cache.freeDeferred(node);
  Atomics.store(arena.i32, header + L.NODES, reached.size);
  // Always a version nobody has seen, so that no cursor trusts the leaf it stands in; even at the end.
  Atomics.store(arena.i32, header + L.VERSION, (version | 1) + 1);
  return { interrupted: (version & 1) === 1, reclaimed: lost.length };
}

/**
 * Lets the node know its parent, its children them, and their gaps; notes all of them in `reached`.
 *
 * @returns the levels from here down
 */
function settle(core: TreeCore, handle: number, parent: number, min: number, reached: Set<number>): number {
  const { i32, f64 } = core;
  const node = handle & L.NODE_MASK;
  reached.add(node);
  if (i32[node + L.PARENT] !== parent) Atomics.store(i32, node + L.PARENT, parent);
  if ((handle & L.TAG_MASK) === L.NodeType.Leaf) return 1;
  const pivots = (node >> 1) + L.PIVOTS_F64;
  const gaps = (node >> 1) + L.GAPS_F64;
  const end = endOf(i32, node);
  let first = min;
  let below = 0;
  for (let slot = 0; slot <= end; slot++) {
    const child = i32[node + L.SLOTS + slot]!;
    below = settle(core, child, node | slot, first, reached);
    if (core.gaps) f64[gaps + slot] = gapBelow(core, child, first);
    first = f64[pivots + slot]! + 1;
  }
  if (core.gaps) i32[node + L.META] = end | (largestGapSlot(i32, f64, node) << 8);
  return below + 1;
}
