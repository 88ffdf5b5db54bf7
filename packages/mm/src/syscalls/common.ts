/*
 * What the calls share: the write bracket, and taking mappings out of a range in the order of mm-locking §6:
 * split at the edges, lock and detach, one store of nothing, downgrade, zap, unlink and free.
 */

import { MmError } from "../errors.ts";
import { VM } from "../flags.ts";
import type { Mm } from "../mm.ts";
import { type Protocol, step, work } from "../protocol.ts";
import { splitVmaUnchecked } from "../split.ts";
import { beginStore, endStore } from "../store.ts";
import type { Vma } from "../vma.ts";

/** State of a write section: whether {@link downgradeBracket} has ended it early. */
export interface Bracket {
  downgraded: boolean;
}

/** Runs `body` in a write section of the design; the lock is dropped also when `body` throws. */
export function* underWriteLock<T>(mm: Mm, body: (bracket: Bracket) => Protocol<T>): Protocol<T> {
  yield* work("syscall-entry");
  yield* mm.design.writeLock(mm);
  const bracket: Bracket = { downgraded: false };
  try {
    return yield* body(bracket);
  } finally {
    if (bracket.downgraded) yield* mm.design.readUnlock(mm);
    else yield* mm.design.writeUnlock(mm);
  }
}

/** Turns the write section into a read section: other readers may come in, writers not. */
export function* downgradeBracket(mm: Mm, bracket: Bracket): Protocol<void> {
  yield* mm.design.writeDowngrade(mm);
  bracket.downgraded = true;
}

/**
 * Splits at the edges of `[start, end)` and write-locks every VMA inside.
 *
 * @returns the VMAs, still in the tree
 * @throws MmError EPERM at a sealed VMA, ENOMEM; splits done by then stay (kernel: vms_gather_munmap_vmas)
 */
export function* gatherVmas(mm: Mm, start: number, end: number): Protocol<Vma[]> {
  yield* work("walk-tree");
  const gathered: Vma[] = [];
  let vma = mm.tree.intersection(start, end);
  if (vma !== undefined && vma.vmStart < start) {
    if (end < vma.vmEnd && mm.mapCount >= mm.maxMapCount) {
      throw new MmError("ENOMEM", `unmapping the middle of a mapping at max_map_count ${mm.maxMapCount}`);
    }
    refuseSealed(vma);
    yield* splitVmaUnchecked(mm, vma, start, "below");
  }
  for (; vma !== undefined; vma = mm.tree.intersection(vma.vmEnd, end)) {
    refuseSealed(vma);
    if (vma.vmEnd > end) yield* splitVmaUnchecked(mm, vma, end, "above");
    yield* mm.design.vmaStartWrite(mm, vma);
    gathered.push(vma);
    if (vma.vmEnd >= end) break;
  }
  return gathered;
}

function refuseSealed(vma: Vma): void {
  if ((vma.vmFlags & VM.SEALED) !== 0) throw new MmError("EPERM", `mapping ${vma} is sealed`);
}

/** The tree no longer leads to `vmas`: marks them, so that who has found one earlier notices. */
export function* detachVmas(mm: Mm, vmas: readonly Vma[]): Protocol<void> {
  mm.mapCount -= vmas.length;
  for (const vma of vmas) vma.isAttached = false;
  for (const vma of vmas) yield* mm.design.vmaDetach(mm, vma);
}

/** Clears the page tables below `vmas` and flushes what CPUs remember of them. */
export function* zapVmas(mm: Mm, vmas: readonly Vma[]): Protocol<void> {
  let pages = 0;
  for (const vma of vmas) {
    pages += vma.pages;
    if (mm.pages !== undefined) yield* mm.pages.zap(mm, vma.vmStart, vma.vmEnd);
  }
  if (pages > 0) yield { op: "shootdown", pages };
}

/**
 * Unmaps `[start, end)`, page-aligned and checked. With a bracket the write lock is downgraded before the page
 * tables are cleared; only the last step of a call may do so.
 */
export function* unmapRange(mm: Mm, start: number, end: number, bracket?: Bracket): Protocol<void> {
  const vmas = yield* gatherVmas(mm, start, end);
  if (vmas.length === 0) return;
  yield* beginStore(mm);
  try {
    mm.tree.store(vmas[0]!.vmStart, vmas.at(-1)!.vmEnd, undefined);
  } finally {
    yield* endStore(mm);
  }
  yield* step("mark detached");
  yield* detachVmas(mm, vmas);
  // The point of no return: from here on nothing can fail, and faults elsewhere may proceed.
  const floor = mm.tree.prev(start)?.vmEnd ?? 0;
  const ceiling = mm.tree.find(end)?.vmStart ?? Number.MAX_SAFE_INTEGER;
  if (bracket !== undefined) yield* downgradeBracket(mm, bracket);
  yield* zapVmas(mm, vmas);
  if (mm.pages !== undefined) yield* mm.pages.freeTables(mm, start, end, floor, ceiling);
  for (const vma of vmas) yield* mm.design.vmaFree(mm, vma);
}
