/*
 * Handing out free indices: a gap search and a store under one lock.
 *
 * Source: Linux lib/maple_tree.c, mtree_alloc_range(), mtree_alloc_rrange(), mas_alloc_cyclic().
 */
import type { TreeCore } from "./core.ts";
import { checkIndex, MapleError } from "./errors.ts";
import { searchGap } from "./gap.ts";
import { MAX_INDEX } from "./geometry.ts";

/** A request for free indices. */
export interface GapRequest {
  /** Indices wanted, integer `>= 1`. */
  readonly size: number;
  /** Lowest first index; default 0. */
  readonly min?: number;
  /** Highest last index; default {@link MAX_INDEX}. */
  readonly max?: number;
}

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

/** Finds `size` free indices, the lowest or with `fromTop` the highest. Lock held. @throws MapleError `EBUSY`, `EINVAL` */
export function findFree(core: TreeCore, call: string, request: GapRequest, fromTop: boolean): number {
  const { size, min = 0, max = MAX_INDEX } = request;
  checkGapRequest(call, core.gaps, min, max, size);
  const found = searchGap(core, min, max, size, fromTop);
  if (found < 0) throw new MapleError("EBUSY", `${call}: no ${size} free indices in ${min}..${max}`);
  return found;
}

/** @throws MapleError `EINVAL` naming what is wrong with the request for a gap */
function checkGapRequest(call: string, gaps: boolean, min: number, max: number, size: number): void {
  checkIndex(`${call}: min`, min);
  checkIndex(`${call}: max`, max);
  checkIndex(`${call}: size`, size);
  if (!gaps) throw new MapleError("EINVAL", `${call}: the tree was made without gaps`);
  if (max < min) throw new MapleError("EINVAL", `${call}: max ${max} is below min ${min}`);
  if (size === 0 || max - min < size - 1) {
    throw new MapleError("EINVAL", `${call}: size ${size} does not fit ${min}..${max}`);
  }
}
