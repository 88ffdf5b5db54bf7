/*
 * Handing out free indices: a gap search and a store under one lock.
 *
 * Source: Linux lib/maple_tree.c, mtree_alloc_range(), mtree_alloc_rrange(), mas_alloc_cyclic().
 */
import type { TreeCore } from "./core.ts";
import { MapleError } from "./errors.ts";
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

/** What a cyclic allocation gave, once `index` has been stored to; remembers that the last index was given out. */
export function cyclicResult(core: TreeCore, index: number, wrapped: boolean): CyclicAllocation {
  if (index === MAX_INDEX) core.wrapped = true;
  return { index, next: index === MAX_INDEX ? 0 : index + 1, wrapped };
}

/** Why there is no index to allocate. */
export function cyclicRefusal(code: "EBUSY" | "EINVAL", min: number, max: number): MapleError {
  const why =
    code === "EBUSY" ? `no free index in ${min}..${max}` : `no gaps, or max ${max} below min ${min}`;
  return new MapleError(code, `allocateCyclic: ${why}`);
}
