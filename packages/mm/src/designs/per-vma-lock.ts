/*
 * Design B: a lock per VMA (Linux 6.4 to 6.14, in the form with mm_lock_seq as a sequence count).
 *
 * Writers hold mmap_lock as before and stamp each VMA they are about to change with mm_lock_seq: while the two
 * are equal the VMA is write-locked. The VMA's own lock is taken for an instant only, so that faults which are
 * inside can leave. Moving mm_lock_seq on, at the end, unlocks all of them at once.
 *
 * Faults find the VMA in an RCU section and take its lock for reading by trying. They never wait: a writer with
 * mmap_lock may be waiting for the lock they hold. Each re-check closes a race (mm-locking §4.4):
 *
 *   hint      a writer is inside already; only spares the try
 *   try       a writer is just taking the lock (R3)
 *   retest    a writer stamped the VMA between the hint and the try, and has let the lock go (R2): the essential one
 *   detached  the VMA was unmapped after the walk and the writer is gone (R6); a successor may be in the tree
 *   range     the VMA was split, shrunk or moved meanwhile and no longer covers the address (R10)
 */

import {
  faultRequest,
  faultUnderMmapLock,
  finishFault,
  handleMmFault,
  isAllowed,
  type Pin,
} from "../fault.ts";
import type { FaultAccess, FaultOptions, FaultReason, FaultRequest, FaultResult } from "../fault-types.ts";
import type { Design, Mm } from "../mm.ts";
import { acquire, type Protocol, release, step, touch, tryAcquire, work } from "../protocol.ts";
import type { Vma } from "../vma.ts";
import { freeAfterGracePeriod, mmapWriteSection } from "./mmap-write.ts";

/** Stamps `vma` as locked until the write section ends, after the faults inside have left (kernel: vma_start_write). */
export function* stampVma(mm: Mm, vma: Vma): Protocol<void> {
  const seq = mm.mmLockSeq;
  if (vma.vmLockSeq === seq) return;
  yield* acquire(vma.lock, "write");
  vma.vmLockSeq = seq;
  yield* release(vma.lock, "write");
}

/** Ends a fault's read lock. In an RCU section: the lock's memory must survive the wake-up (kernel: vma_end_read). */
export function* vmaEndRead(vma: Vma): Protocol<void> {
  yield { op: "rcu-lock" };
  yield* release(vma.lock, "read");
  yield { op: "rcu-unlock" };
}

/**
 * Finds the VMA of the faulting page and locks it for reading, without mmap_lock. What went wrong otherwise is in
 * `request.reason`, and counted as an abort (kernel: lock_vma_under_rcu).
 */
export function* lockVmaUnderRcu(mm: Mm, request: FaultRequest): Protocol<Vma | undefined> {
  const without = request.options.withoutChecks ?? {};
  yield* step("1 enter an RCU section");
  yield { op: "rcu-lock" };
  for (;;) {
    yield* step("2 walk the tree");
    yield* work("walk-tree");
    const vma = mm.tree.at(request.page);
    if (vma === undefined) return yield* abort(request, "no-vma");
    yield* touch("read", vma.line);
    if (without.hint !== true) {
      yield* step("3 hint: stamped with mm_lock_seq?");
      yield* touch("read", mm.seqLine);
      if (vma.vmLockSeq === mm.mmLockSeq) return yield* abort(request, "write-locked");
    }
    yield* step("4 try to read-lock the VMA");
    if (!(yield* tryAcquire(vma.lock, "read"))) return yield* abort(request, "lock-busy");
    if (without.retest !== true) {
      yield* step("5 re-test: stamped with mm_lock_seq?");
      yield* touch("read", mm.seqLine);
      if (vma.vmLockSeq === mm.mmLockSeq) return yield* abort(request, "retest", vma);
    }
    if (without.detached !== true) {
      yield* step("6 is it still attached?");
      if (!vma.isAttached) {
        request.counters.miss++;
        request.retries++;
        yield* release(vma.lock, "read");
        continue;
      }
    }
    if (without.range !== true) {
      yield* step("7 does it still cover the address?");
      if (!covers(vma, request.page)) return yield* abort(request, "out-of-range", vma);
    }
    yield* step("8 leave the RCU section");
    yield { op: "rcu-unlock" };
    return vma;
  }
}

function covers(vma: Vma, page: number): boolean {
  return vma.vmStart <= page && page < vma.vmEnd;
}

function* abort(request: FaultRequest, reason: FaultReason, locked?: Vma): Protocol<undefined> {
  if (locked !== undefined) yield* release(locked.lock, "read");
  request.counters.abort++;
  request.reason ||= reason;
  yield* step(`abort: ${reason}`);
  yield { op: "rcu-unlock" };
}

/** A way to find a VMA and lock it for reading. */
export type VmaLocker = (mm: Mm, request: FaultRequest) => Protocol<Vma | undefined>;

/** A fault under a VMA lock that `locker` gets, with mmap_lock to fall back on (kernel: do_user_addr_fault). */
export function* faultUnderVmaLock(mm: Mm, request: FaultRequest, locker: VmaLocker): Protocol<FaultResult> {
  yield* work("fault-entry");
  if (request.options.kernelMode === true) return yield* faultUnderMmapLock(mm, request, "kernel-mode");
  const vma = yield* locker(mm, request);
  if (vma === undefined) return yield* faultUnderMmapLock(mm, request, request.reason);
  const pin: Pin = { lock: "vma", drop: () => vmaEndRead(vma) };
  if (!isAllowed(vma.vmFlags, request.access)) {
    yield* pin.drop();
    request.counters.success++;
    return finishFault(mm, request, "vma-lock", "SIGSEGV");
  }
  const handled = yield* handleMmFault(mm, vma, request, pin);
  if (handled === "retry") {
    request.counters.retry++;
    return yield* faultUnderMmapLock(mm, request, request.reason);
  }
  yield* pin.drop();
  request.counters.success++;
  return finishFault(mm, request, "vma-lock", handled);
}

/** A lock per VMA, taken by faults in an RCU section. */
export const perVmaLockDesign: Design = {
  name: "per-vma-lock",
  title: "B: a lock per VMA, found under RCU",
  ...mmapWriteSection,
  vmaStartWrite: stampVma,
  *vmaDetach(): Protocol<void> {
    yield* step("detached");
  },
  vmaFree: freeAfterGracePeriod,
  *fault(mm: Mm, address: number, access: FaultAccess, options: FaultOptions = {}): Protocol<FaultResult> {
    return yield* faultUnderVmaLock(mm, faultRequest(address, access, options), lockVmaUnderRcu);
  },
};
