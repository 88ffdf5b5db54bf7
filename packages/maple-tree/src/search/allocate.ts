/*
 * Handing out free indices: a gap search and a store under one lock.
 *
 * Source: Linux lib/maple_tree.c, mtree_alloc_range(), mtree_alloc_rrange(), mas_alloc_cyclic().
 */
import type { TreeCore } from "../core.ts";
import { checkIndex, checkIndexOf, MapleError } from "../errors.ts";
import { searchGap } from "./gap.ts";
import { readRange } from "./ranges.ts";

/** A request for free indices. */
export interface GapRequest {
  /** Indices wanted, integer `>= 1`. */
  readonly size: number;
  /** Lowest first index; default 0. */
  readonly min?: number;
  /** Highest last index; default the tree's `maxIndex`. */
  readonly max?: number;
  /** The first index is `alignOffset` above a multiple of this, integer `>= 1`; default 1. */
  readonly align?: number;
  /** Default 0; below `align`. */
  readonly alignOffset?: number;
}

/** What a cyclic allocation gave. */
export interface CyclicAllocation {
  /** The index allocated. */
  readonly index: number;
  /** Where the next allocation is to begin: one behind, or 0 behind the last index of all. */
  readonly next: number;
  /** Did the search start again at the low end? Having handed out `maxIndex` is told with the next call. */
  readonly wrapped: boolean;
}

/** Bounds of a cyclic allocation, both inclusive; `next` is where the last one said to go on. */
export interface CyclicRequest {
  /** Lowest index; default 0. */
  readonly min?: number;
  /** Highest index; default the tree's `maxIndex`. */
  readonly max?: number;
  /** Where to begin; below `min` it counts as `min`. */
  readonly next: number;
}

/** @throws RangeError naming the bound of a cyclic allocation that is no index of the tree */
export function checkCyclic(core: TreeCore, min: number, max: number, next: number): void {
  checkIndex("allocateCyclic: min", min, core.maxIndex);
  checkIndex("allocateCyclic: max", max, core.maxIndex);
  checkIndex("allocateCyclic: next", next, core.maxIndex);
}

/** What a cyclic allocation gave, once `index` has been stored to; remembers that the last index was given out. */
export function cyclicResult(core: TreeCore, index: number, wrapped: boolean): CyclicAllocation {
  if (index === core.maxIndex) core.wrapped = true;
  return { index, next: index === core.maxIndex ? 0 : index + 1, wrapped };
}

/** Why there is no index to allocate. */
export function cyclicRefusal(code: "EBUSY" | "EINVAL", min: number, max: number): MapleError {
  const why =
    code === "EBUSY" ? `no free index in ${min}..${max}` : `no gaps, or max ${max} below min ${min}`;
  return new MapleError(code, `allocateCyclic: ${why}`);
}

/**
 * Finds `size` free indices, the lowest or with `fromTop` the highest. Lock held. Cost: O(height), and with an
 * alignment that for each gap which is large enough but not where it is aligned.
 *
 * The kernel asks for `size + align - 1` indices and so misses gaps that fit exactly (vm_unmapped_area()).
 *
 * @throws MapleError `EBUSY`, `EINVAL`
 */
export function findFree(core: TreeCore, call: string, request: GapRequest, fromTop: boolean): number {
  const { size, min = 0, max = core.maxIndex, align = 1, alignOffset = 0 } = request;
  checkGapRequest(core, call, min, max, size);
  checkAlignment(core, call, align, alignOffset);
  const found =
    align === 1
      ? searchGap(core, min, max, size, fromTop)
      : searchAligned(core, { size, min, max, align, alignOffset }, fromTop);
  if (found >= 0) return found;
  const aligned = align === 1 ? "" : ` aligned to ${align}${alignOffset === 0 ? "" : ` + ${alignOffset}`}`;
  throw new MapleError("EBUSY", `${call}: no ${size} free indices${aligned} in ${min}..${max}`);
}

function searchAligned(core: TreeCore, request: Required<GapRequest>, fromTop: boolean): number {
  const { size, align, alignOffset } = request;
  let { min, max } = request;
  while (max - min >= size - 1) {
    const found = searchGap(core, min, max, size, fromTop);
    if (found < 0) return found;
    const off = (((found - alignOffset) % align) + align) % align;
    if (off === 0) return found;
    const gap = readRange(core, found);
    if (fromTop) {
      if (found - off >= Math.max(gap.first, min)) return found - off;
      max = gap.first - 1;
    } else {
      if (found + align - off <= Math.min(gap.last, max) - (size - 1)) return found + align - off;
      min = gap.last + 1;
    }
  }
  return -1;
}

function checkAlignment(core: TreeCore, call: string, align: number, alignOffset: number): void {
  checkIndexOf(call, "align", align, core.maxIndex);
  checkIndexOf(call, "alignOffset", alignOffset, core.maxIndex);
  if (align < 1) throw new MapleError("EINVAL", `${call}: align must be at least 1, got ${align}`);
  if (alignOffset >= align) {
    throw new MapleError("EINVAL", `${call}: alignOffset ${alignOffset} is not below align ${align}`);
  }
}

/** @throws MapleError `EINVAL` naming what is wrong with the request for a gap */
function checkGapRequest(core: TreeCore, call: string, min: number, max: number, size: number): void {
  const { gaps, maxIndex } = core;
  checkIndexOf(call, "min", min, maxIndex);
  checkIndexOf(call, "max", max, maxIndex);
  checkIndexOf(call, "size", size, maxIndex);
  if (!gaps) throw new MapleError("EINVAL", `${call}: the tree was made without gaps`);
  if (max < min) throw new MapleError("EINVAL", `${call}: max ${max} is below min ${min}`);
  if (size === 0 || max - min < size - 1) {
    throw new MapleError("EINVAL", `${call}: size ${size} does not fit ${min}..${max}`);
  }
}
