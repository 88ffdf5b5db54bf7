/*
 * The four effects of a leaf's replacement, in an order of the caller's choice: to see what each wrong order
 * breaks. Only build, publish, dead, defer is right.
 *
 *   build before publish    else a reader enters a node that is not there yet
 *   publish before dead     else a reader finds the leaf dead, restarts, finds the same leaf, and so on
 *   publish before defer    else a reader that comes later still finds the leaf, and no grace period waits for it
 *   dead before defer       else the mark may hit memory that is somebody else's by then
 */

import * as L from "../layout.ts";
import type { SharedMapleTree } from "../shared-tree.ts";
import { clearBehind } from "../write/items.ts";
import { editedLeaf } from "../write/leaf-store.ts";
import { plan } from "../write/write.ts";
import { WriteState } from "../write/write-state.ts";

/** An effect of the replacement of a leaf. */
export type ReplaceEffect = "build" | "publish" | "dead" | "defer";

/** An effect that has happened. */
export interface ReplaceStep {
  readonly effect: ReplaceEffect;
  /** The node it concerns: the new leaf for build and publish, the old one for dead and defer. */
  readonly node: number;
  /** Has the old leaf been freed, its grace period over, and poisoned? */
  readonly freed: boolean;
  /** Was the old leaf marked dead after it had been freed? Then memory of somebody else was changed. */
  readonly wroteFreed: boolean;
}

/** What freed and unbuilt memory is filled with; no entry, and no node of a small arena. */
export const POISON = 0x6b6b6b6b;

/** All 24 orders; the first is the right one. */
export function replaceOrders(): ReplaceEffect[][] {
  const permute = (rest: ReplaceEffect[]): ReplaceEffect[][] =>
    rest.length === 0
      ? [[]]
      : rest.flatMap((effect) =>
          permute(rest.filter((other) => other !== effect)).map((order) => [effect, ...order]),
        );
  return permute(["build", "publish", "dead", "defer"]);
}

/**
 * Stores `entry` over `[first, last]` by replacing one leaf, with its effects in the given order; yields after
 * each. After every effect the arena may reclaim the old leaf if a grace period has elapsed, which it then
 * poisons. Gaps are not updated. No other write may happen meanwhile.
 *
 * @throws RangeError if the order does not have each effect once, or the store is no node_store
 */
export function* replaceLeafInOrder(
  tree: SharedMapleTree,
  store: { readonly first: number; readonly last: number; readonly entry: number },
  order: readonly ReplaceEffect[],
): Generator<ReplaceStep, void, void> {
  if ([...order].sort().join() !== "build,dead,defer,publish") {
    throw new RangeError(`replaceLeafInOrder: order must have each effect once, got ${order.join(", ")}`);
  }
  const { core } = tree;
  const w = new WriteState(core);
  const type = plan(w, store.first, store.last, store.entry);
  if (type !== "node_store" || !core.rcu) {
    throw new RangeError(`replaceLeafInOrder: the store is a ${type}${core.rcu ? "" : " without RCU"}`);
  }
  const old = w.leaf;
  const parent = core.i32[old + L.PARENT]!;
  editedLeaf(w, w.items);
  const node = core.newNode();
  core.i32.fill(POISON, node, node + L.NODE_WORDS);
  let freed = false;
  let wroteFreed = false;
  for (const effect of order) {
    switch (effect) {
      case "build":
        buildInto(w, node, parent);
        break;
      case "publish":
        if (parent < 0) core.publish(0, 0, node | L.NodeType.Leaf);
        else core.publish(parent & L.NODE_MASK, parent & L.TAG_MASK, node | L.NodeType.Leaf);
        break;
      case "dead":
        wroteFreed = freed;
        core.markDead(old);
        break;
      case "defer":
        core.retire(old);
        break;
    }
    freed = reclaim(tree, old) || freed;
    yield { effect, node: effect === "build" || effect === "publish" ? node : old, freed, wroteFreed };
  }
}

/** Writes the edited leaf into a node which may already be public. */
function buildInto(w: WriteState, node: number, parent: number): void {
  const { core, items } = w;
  core.i32.fill(0, node, node + L.NODE_WORDS);
  const pivots = (node >> 1) + L.PIVOTS_F64;
  for (let s = 0; s < items.count; s++) {
    core.i32[node + L.SLOTS + s] = items.slot[s]!;
    core.f64[pivots + s] = items.pivot[s]!;
  }
  clearBehind(core.i32, core.f64, node, L.NodeType.Leaf, items.count);
  core.i32[node + L.META] = items.count - 1;
  core.i32[node + L.PARENT] = parent;
  core.built(node);
}

/** Reclaims and poisons; was `node` among what was reclaimed? */
function reclaim(tree: SharedMapleTree, node: number): boolean {
  const { cache } = tree.core;
  const before = cache.onFree;
  let found = false;
  cache.onFree = (word) => {
    before?.(word);
    poisonNode(tree, word);
    found ||= word === node;
  };
  try {
    cache.reclaim();
  } finally {
    cache.onFree = before;
  }
  return found;
}

/** Fills a free node with {@link POISON}, but for the words in which the arena links it. */
export function poisonNode(tree: SharedMapleTree, node: number): void {
  const { i32 } = tree.core;
  i32[node] = POISON;
  i32.fill(POISON, node + L.SLOTS, node + L.NODE_WORDS);
}

/**
 * Breaks RCU on purpose: from now on the nodes which this arena instance frees are poisoned and reused at
 * once, whoever may still be reading them. For tests that must see readers go wrong.
 */
export function removeGracePeriod(tree: SharedMapleTree): void {
  const { cache } = tree.core;
  cache.freeDeferred = (word: number): void => {
    poisonNode(tree, word);
    cache.free(word);
  };
}
