/*
 * Handing out free indices: a gap search and a store under one lock.
 *
 * Source: Linux lib/maple_tree.c, mtree_alloc_range(), mtree_alloc_rrange(), mas_alloc_cyclic().
 */
import type { TreeCore } from "./core.ts";
import { MapleError } from "./errors.ts";
import { searchGap } from "./gap.ts";
import { MAX_INDEX } from "./geometry.ts";

/** What a cyclic allocation gave. */
export interface CyclicAllocation {
  /** The index allocated. */
  readonly index: number;
  /** Where the next allocation is to begin: one behind, or 0 behind the last index of all. */
  readonly next: number;
  /** Did the search start again at the low end? Having handed out {@link MAX_INDEX} is told with the next call. */
  readonly wrapped: boolean;
}

/** Bounds of a cyclic allocation, both inclusive; `next` is where the last one said to go on. */
export interface CyclicRequest {
  /** Lowest index; default 0. */
  readonly min?: number;
  /** Highest index; default {@link MAX_INDEX}. */
  readonly max?: number;
  /** Where to begin; below `min` it counts as `min`. */
  readonly next: number;
}

/** Finds the index of a cyclic allocation. Lock held. @throws MapleError `EBUSY`, `EINVAL` */
export function findCyclic(core: TreeCore, min: number, max: number, next: number): CyclicAllocation {
  if (!core.gaps) throw new MapleError("EINVAL", "allocateCyclic: the tree was made without gaps");
  const low = Math.max(min, next);
  let index = low > max ? -1 : searchGap(core, low, max, 1, false);
  let wrapped = false;
  if (index >= 0 && core.wrapped) {
    wrapped = true;
    core.wrapped = false;
  }
  if (index < 0 && low > min && min <= max) {
    index = searchGap(core, min, max, 1, false);
    wrapped = true;
  }
  if (index < 0) {
    const invalid = min > max;
    throw new MapleError(
      invalid ? "EINVAL" : "EBUSY",
      `allocateCyclic: ${invalid ? `max ${max} is below min ${min}` : `no free index in ${min}..${max}`}`,
    );
  }
  return { index, next: index === MAX_INDEX ? 0 : index + 1, wrapped };
}
