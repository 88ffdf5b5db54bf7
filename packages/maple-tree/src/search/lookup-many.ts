/*
 * Many look-ups in one call. Independent look-ups one behind the other let the processor wait for several nodes at once,
 * and a shared tree opens one read section for all: all entries may be used while the caller's own section, if
 * there is one around the call, is open. They are not a snapshot: each was stored at some moment of the call.
 */
import type { TreeCore } from "../core.ts";
import { checkIndex } from "../errors.ts";
import { ZERO_ENTRY } from "../geometry.ts";
import { lookup } from "./walk.ts";

// A constant of this module, which V8 folds; see layout.ts.
const RESERVED: number = ZERO_ENTRY;

/** @throws RangeError naming the first of `indices` that is none, before anything is looked up */
export function checkIndices(call: string, indices: ArrayLike<number>, max: number): void {
  for (let n = 0; n < indices.length; n++) {
    const index = indices[n]!;
    if (!Number.isSafeInteger(index) || index < 0 || index > max)
      checkIndex(`${call}: indices[${n}]`, index, max);
  }
}

/** Writes what `load` says of each of the indices, which have been checked, to the same place of `out`. */
export function lookupMany(core: TreeCore, indices: ArrayLike<number>, out: Int32Array): void {
  const { length } = indices;
  core.readBegin();
  try {
    for (let n = 0; n < length; n++) {
      const entry = lookup(core, indices[n]!);
      out[n] = entry === RESERVED ? 0 : entry;
    }
  } finally {
    core.readEnd();
  }
}
