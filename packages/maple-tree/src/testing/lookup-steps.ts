import * as L from "../layout.ts";
import type { SharedMapleTree } from "../shared-tree.ts";

/** One load of a reader, after it was done. */
export type LookupStep =
  | { readonly what: "root"; readonly node: number; readonly value: number }
  | { readonly what: "pivot"; readonly node: number; readonly slot: number; readonly value: number }
  | { readonly what: "slot"; readonly node: number; readonly slot: number; readonly value: number }
  | { readonly what: "dead-test"; readonly node: number; readonly dead: boolean }
  | { readonly what: "restart"; readonly node: number };

/** Thrown when a reader follows a word that is no node: it has met freed or unbuilt memory. */
export class WildNodeError extends Error {
  override readonly name: string = "WildNodeError";
}

/**
 * The production reader (`load`), which yields after each load so that anything can happen in between. `node`
 * of a root step is the node that the root word points at, 0 for none.
 *
 * The caller provides the read section: open one with `arena.rcu.readLock()` before the first step.
 *
 * @returns the entry. A test holds it to be that of `load`
 */
export function* lookupSteps(tree: SharedMapleTree, index: number): Generator<LookupStep, number, void> {
  const { core } = tree;
  for (;;) {
    let handle = Atomics.load(core.i32, core.header + L.ROOT);
    yield { what: "root", node: handle > 0 ? handle & L.NODE_MASK : 0, value: handle };
    if (handle <= 0) return index === 0 ? 0 - handle : 0;
    for (;;) {
      const node = handle & L.NODE_MASK;
      core.arena.ensure(node);
      if (node + L.NODE_WORDS > core.i32.length) throw new WildNodeError(`handle ${handle} is no node`);
      const slot = yield* scanSteps(tree, node, index);
      const next = Atomics.load(core.i32, node + L.SLOTS + slot);
      yield { what: "slot", node, slot, value: next };
      const dead = Atomics.load(core.i32, node + L.PARENT) === node;
      yield { what: "dead-test", node, dead };
      if (dead) {
        yield { what: "restart", node };
        break;
      }
      if ((handle & L.TAG_MASK) === L.NodeType.Leaf) return next;
      handle = next;
    }
  }
}

function* scanSteps(tree: SharedMapleTree, node: number, index: number): Generator<LookupStep, number, void> {
  for (let slot = 0; ; slot++) {
    const pivot = tree.core.f64[(node >> 1) + L.PIVOTS_F64 + slot]!;
    yield { what: "pivot", node, slot, value: pivot };
    if (slot === L.SLOTS_MAX - 1 || !(pivot < index)) return slot;
  }
}
