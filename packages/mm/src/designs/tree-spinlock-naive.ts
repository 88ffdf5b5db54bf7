/*
 * The spinlock taken literally: faults take it too, for the look-up and a reference to the VMA (its lock in read
 * mode). Correct, and every fault writes the lock's line twice, as with mmap_lock: why RCU readers come first.
 *
 * No RCU is needed: a VMA found under the spinlock cannot be removed from the tree before the reference is taken,
 * and its writer waits for the reference. What is still needed is the re-test of design B, since a writer stamps
 * VMAs before it comes to the tree.
 */

import { faultRequest } from "../fault.ts";
import type { FaultAccess, FaultOptions, FaultReason, FaultRequest, FaultResult } from "../fault-types.ts";
import type { Design, Mm } from "../mm.ts";
import { acquire, type Protocol, release, step, touch, tryAcquire, work } from "../protocol.ts";
import type { Vma } from "../vma.ts";
import { faultUnderVmaLock, perVmaLockDesign } from "./per-vma-lock.ts";

function* pinUnderTreeLock(mm: Mm, request: FaultRequest): Protocol<Vma | undefined> {
  yield* acquire(mm.treeLock, "write");
  yield* work("walk-tree");
  const vma = mm.tree.at(request.page);
  const reason = vma === undefined ? "no-vma" : yield* pin(mm, vma, request);
  yield* release(mm.treeLock, "write");
  if (reason === "") return vma;
  request.counters.abort++;
  request.reason ||= reason;
  return undefined;
}

function* pin(mm: Mm, vma: Vma, request: FaultRequest): Protocol<FaultReason> {
  if (!(yield* tryAcquire(vma.lock, "read"))) return "lock-busy";
  if (request.options.withoutChecks?.retest === true) return "";
  yield* step("stamped with mm_lock_seq?");
  yield* touch("read", mm.seqLine);
  if (vma.vmLockSeq !== mm.mmLockSeq) return "";
  yield* release(vma.lock, "read");
  return "retest";
}

/** A spinlock around the tree for everybody. */
export const treeSpinlockNaiveDesign: Design = {
  ...perVmaLockDesign,
  name: "tree-spinlock-naive",
  title: "a spinlock around the tree, taken by faults too",
  locksTree: true,
  *fault(mm: Mm, address: number, access: FaultAccess, options: FaultOptions = {}): Protocol<FaultResult> {
    return yield* faultUnderVmaLock(mm, faultRequest(address, access, options), pinUnderTreeLock);
  },
};
