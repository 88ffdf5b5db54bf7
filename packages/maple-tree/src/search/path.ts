import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { slotOf } from "./walk.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { META, NODE_MASK, PIVOTS_F64, ROOT, SLOTS, TAG_MASK } = L;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** More levels than a tree can have. */
export const LEVELS_MAX = 32;

/** The nodes from the root (level 0) to a leaf, with the slot taken in each. For writers, under the lock. */
export class Path {
  readonly node: Int32Array = new Int32Array(LEVELS_MAX);
  readonly slot: Int32Array = new Int32Array(LEVELS_MAX);
  readonly min: Float64Array = new Float64Array(LEVELS_MAX);
  readonly max: Float64Array = new Float64Array(LEVELS_MAX);
  /** Level of the leaf. */
  leafLevel = 0;

  /** Walks from the root, which must be a node, to the leaf slot of `index`. */
  walk(core: TreeCore, index: number): void {
    const i32 = core.i32;
    const f64 = core.f64;
    let handle = i32[core.header + ROOT]!;
    let min = 0;
    let max = core.maxIndex;
    for (let level = 0; ; level++) {
      const node = handle & NODE_MASK;
      const slot = slotOf(f64, handle, index);
      this.node[level] = node;
      this.slot[level] = slot;
      this.min[level] = min;
      this.max[level] = max;
      if ((handle & TAG_MASK) === LEAF) {
        this.leafLevel = level;
        return;
      }
      const pivots = (node >> 1) + PIVOTS_F64;
      if (slot > 0) min = f64[pivots + slot - 1]! + 1;
      max = f64[pivots + slot]!;
      handle = i32[node + SLOTS + slot]!;
    }
  }

  /** From `level`, whose slot has just been changed, goes down to level `to` along the first or last slots. */
  descend(core: TreeCore, level: number, to: number, edge: "first" | "last"): void {
    const i32 = core.i32;
    const f64 = core.f64;
    for (let l = level; l < to; l++) {
      const node = this.node[l]!;
      const slot = this.slot[l]!;
      const pivots = (node >> 1) + PIVOTS_F64;
      const child = i32[node + SLOTS + slot]! & NODE_MASK;
      this.node[l + 1] = child;
      this.slot[l + 1] = edge === "first" ? 0 : endOf(i32, child);
      this.min[l + 1] = slot === 0 ? this.min[l]! : f64[pivots + slot - 1]! + 1;
      this.max[l + 1] = f64[pivots + slot]!;
    }
  }

  /** Takes over the levels up to and including `level` of another path. */
  copyFrom(other: Path, level: number): void {
    for (let l = 0; l <= level; l++) {
      this.node[l] = other.node[l]!;
      this.slot[l] = other.slot[l]!;
      this.min[l] = other.min[l]!;
      this.max[l] = other.max[l]!;
    }
    this.leafLevel = other.leafLevel;
  }
}

/** Last used slot of a node. Under the lock: metadata changes in place. */
export function endOf(i32: Int32Array, node: number): number {
  return i32[node + META]! & 0xff;
}
