import { faultRequest, faultUnderMmapLock } from "../fault.ts";
import type { FaultAccess, FaultOptions, FaultResult } from "../fault-types.ts";
import type { Design, Mm } from "../mm.ts";
import { type Protocol, work } from "../protocol.ts";
import type { Vma } from "../vma.ts";
import { mmapWriteSection } from "./mmap-write.ts";

/*
 * Design A: one reader-writer semaphore for the whole address space (Linux before 6.4). VMAs have no lock of
 * their own: whoever looks at one holds mmap_lock, so a removed VMA can be freed at once. That holds after the
 * downgrade too: readers that come in then no longer find it in the tree.
 */

/** mmap_lock only. */
export const mmapLockDesign: Design = {
  name: "mmap-lock",
  title: "A: mmap_lock for everything",
  ...mmapWriteSection,
  *vmaStartWrite(): Protocol<void> {},
  *vmaDetach(): Protocol<void> {},
  // biome-ignore lint/correctness/useYield: there is nothing to wait for
  *vmaFree(mm: Mm, vma: Vma): Protocol<void> {
    mm.releaseVma(vma);
  },
  *fault(mm: Mm, address: number, access: FaultAccess, options: FaultOptions = {}): Protocol<FaultResult> {
    yield* work("fault-entry");
    return yield* faultUnderMmapLock(mm, faultRequest(address, access, options), "");
  },
};
