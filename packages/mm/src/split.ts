import { MmError } from "./errors.ts";
import type { Mm } from "./mm.ts";
import { type Protocol, work } from "./protocol.ts";
import { beginStore, endStore } from "./store.ts";
import { Vma } from "./vma.ts";

/**
 * Splits `vma` at `address`, strictly inside of it. Both halves are write-locked. `half` says which of them is
 * the new object; the other stays `vma`. One store: the old half's range in the tree shrinks by being overwritten.
 *
 * @returns the new object
 * @throws MmError ENOMEM at max_map_count or without memory; nothing has changed (kernel: split_vma)
 */
export function* splitVma(mm: Mm, vma: Vma, address: number, half: "below" | "above"): Protocol<Vma> {
  if (mm.mapCount >= mm.maxMapCount) throw new MmError("ENOMEM", `split at max_map_count ${mm.maxMapCount}`);
  return yield* splitVmaUnchecked(mm, vma, address, half);
}

/** {@link splitVma} without the limit: munmap may exceed it for a moment (kernel: __split_vma). */
export function* splitVmaUnchecked(
  mm: Mm,
  vma: Vma,
  address: number,
  half: "below" | "above",
): Protocol<Vma> {
  yield* work("alloc-vma");
  yield* mm.design.vmaStartWrite(mm, vma);
  const fresh = Vma.alloc(mm.arena, mm.word);
  fresh.copyAttributes(vma);
  if (half === "below") fresh.setRange(vma.vmStart, address, vma.vmPgoff);
  else fresh.setRange(address, vma.vmEnd, vma.pgoffAt(address));
  yield* mm.design.vmaStartWrite(mm, fresh);
  yield* beginStore(mm);
  try {
    mm.tree.store(fresh.vmStart, fresh.vmEnd, fresh);
    fresh.isAttached = true;
    if (half === "below") vma.setRange(address, vma.vmEnd, vma.pgoffAt(address));
    else vma.vmEnd = address;
    mm.mapCount++;
  } catch (error) {
    mm.releaseVma(fresh);
    throw error;
  } finally {
    yield* endStore(mm);
  }
  return fresh;
}
