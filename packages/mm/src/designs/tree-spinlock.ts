/*
 * Design G: the goal named in the discussion, as far as it is built here. A spinlock guards the words of the tree;
 * only writers take it, for one store, with everything allocated before. Faults walk under RCU and pin the VMA by
 * its own lock, as in design B.
 *
 * What is not built: writers still exclude each other by mmap_lock. A spinlock around the tree does not keep two
 * munmaps of one range apart (mm-locking §12, item 3); that needs a lock on the range.
 */

import { faultRequest } from "../fault.ts";
import type { FaultAccess, FaultOptions, FaultResult } from "../fault-types.ts";
import type { Design, Mm } from "../mm.ts";
import type { Protocol } from "../protocol.ts";
import { faultUnderVmaLock, lockVmaUnderRcu, perVmaLockDesign } from "./per-vma-lock.ts";

/** A spinlock around the tree that faults never take. */
export const treeSpinlockDesign: Design = {
  ...perVmaLockDesign,
  name: "tree-spinlock",
  title: "G: a spinlock around the tree, VMA locks for the rest",
  locksTree: true,
  *fault(mm: Mm, address: number, access: FaultAccess, options: FaultOptions = {}): Protocol<FaultResult> {
    return yield* faultUnderVmaLock(mm, faultRequest(address, access, options), lockVmaUnderRcu);
  },
};
