/*
 * How a search for the highest gap ends that finds none. The kernel's goes down where a gap looks large enough,
 * and goes on to the left of a node that did not keep the promise. It gives up in one of two ways, which leave
 * a cursor in different states: with an error, where it sees that no room is left; or standing on the first slot
 * of the root, where it has run out of nodes to the left.
 *
 * Source: Linux lib/maple_tree.c, mas_rev_awalk(), mas_rewind_node().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { endOf } from "./path.ts";

interface Step {
  readonly handle: number;
  readonly min: number;
  /** Slot to be looked at next, or which was gone down. */
  slot: number;
}

/** Does the refused search end on the root's first slot? The tree has a node; lock held. Cost: O(nodes visited). */
export function endsAtRoot(core: TreeCore, min: number, max: number, size: number): boolean {
  const path: Step[] = [stepInto(core, core.rootWord, 0)];
  for (;;) {
    const found = scanDown(core, path.at(-1)!, min, max, size);
    if (found === "full") return false;
    if (found !== "left") {
      path.push(found);
      continue;
    }
    if (path.length === 1) return false;
    do {
      if (path.length === 1) return true;
      path.pop();
    } while (path.at(-1)!.slot === 0);
    path.at(-1)!.slot--;
  }
}

function stepInto(core: TreeCore, handle: number, min: number): Step {
  return { handle, min, slot: endOf(core.i32, handle & L.NODE_MASK) };
}

/** Looks through a node downwards: the child to go into, `left` at its first slot, `full` if no room can come. */
function scanDown(
  core: TreeCore,
  step: Step,
  min: number,
  max: number,
  size: number,
): Step | "left" | "full" {
  const { i32, f64 } = core;
  const node = step.handle & L.NODE_MASK;
  const leaf = (step.handle & L.TAG_MASK) === L.NodeType.Leaf;
  const pivots = (node >> 1) + L.PIVOTS_F64;
  const firstOf = (slot: number): number => (slot === 0 ? step.min : f64[pivots + slot - 1]! + 1);
  let slot = step.slot;
  while (max < firstOf(slot)) slot--;
  for (;;) {
    const first = firstOf(slot);
    const last = f64[pivots + slot]!;
    if (min > last) return "full";
    const empty = i32[node + L.SLOTS + slot] === 0;
    const gap = leaf ? (empty ? last - first + 1 : 0) : f64[(node >> 1) + L.GAPS_F64 + slot]!;
    if (gap >= size && max - first >= size - 1) {
      if (leaf || size - 1 > last - min) return "full";
      step.slot = slot;
      return stepInto(core, i32[node + L.SLOTS + slot]!, first);
    }
    // Beside an empty slot of a leaf lies none that is empty too.
    slot -= leaf && empty ? 2 : 1;
    if (slot < 0) return "left";
  }
}
