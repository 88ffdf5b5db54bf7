/*
 * Design E: after RCUVM, the pure form: the whole fault is one RCU section and holds nothing else. Writers hold
 * mmap_lock among themselves, mark VMAs and only then clear PTEs; the fault looks at the mark under the page-table
 * lock. A VMA that is removed is marked for good (detached), one that changes gets a new stamp, so that a fault
 * that has read old flags or bounds notices as well.
 *
 * A fault that must sleep leaves the section, sleeps, and begins again. If the look-up finds nothing it is
 * repeated under mmap_lock: in the published design a split shrinks the old VMA before it inserts the new one; the
 * maple tree has no such moment, but a stack that must grow has.
 *
 * The published tree is a Bonsai tree; here it is the maple tree of all designs.
 */

import { MmError } from "../errors.ts";
import { faultRequest, faultUnderMmapLock, finishFault, isAllowed, makePage } from "../fault.ts";
import type { FaultAccess, FaultOptions, FaultReason, FaultRequest, FaultResult } from "../fault-types.ts";
import type { Design, Mm } from "../mm.ts";
import { allocTables, describePte, readPte } from "../page-table.ts";
import { type Protocol, step, touch, work } from "../protocol.ts";
import { planPte } from "../pte-plan.ts";
import type { Vma } from "../vma.ts";
import { freeAfterGracePeriod, mmapWriteSection } from "./mmap-write.ts";
import { copyVma, describeVma, installIfValid } from "./speculative.ts";

/** One attempt, in an RCU section; the empty string: done. */
function* attempt(mm: Mm, request: FaultRequest): Protocol<FaultReason> {
  yield* step("1 walk the tree");
  yield* work("walk-tree");
  const vma = mm.tree.at(request.page);
  if (vma === undefined) return "no-vma";
  yield* touch("read", vma.line);
  const stamp = vma.vmLockSeq;
  if (stamp === mm.mmLockSeq) return "write-locked";
  const copy = copyVma(vma);
  yield* step(`2 found ${describeVma(vma)}, its mark is ${stamp}`);
  const { options, page } = request;
  const unmarked = (): boolean => options.withoutChecks?.recheck === true || isUnmarked(mm, vma, stamp);
  if (!isAllowed(copy.vmFlags, request.access)) return "no-access";
  const table = yield* tableUnless(mm, page, unmarked);
  if (table === 0) return "changed";
  const orig = readPte(mm, page);
  yield* step(`3 the page table says ${describePte(orig)}`);
  const plan = planPte(mm, copy, request, orig);
  if (plan === "spurious") return "";
  if (plan === "SIGBUS") return "no-access";
  if (plan.needsAnonVma && copy.anonVma === 0) return "anon-vma";
  if (waitOf(request) > 0 && !request.tried) return "io";
  const pte = yield* makePage(mm, plan, {});
  yield* step("4 take the page-table lock");
  return yield* installIfValid(mm, { page, orig, pte, isValid: unmarked });
}

function waitOf({ options }: FaultRequest): number {
  return Math.max(options.sleepNs ?? 0, options.ioNs ?? 0);
}

/** The mark: neither removed nor changed since the stamp was read, nor being changed. */
function isUnmarked(mm: Mm, vma: Vma, stamp: number): boolean {
  return vma.isAttached && vma.vmLockSeq === stamp && stamp !== mm.mmLockSeq;
}

function* tableUnless(mm: Mm, page: number, mayLink: () => boolean): Protocol<number> {
  try {
    return yield* allocTables(mm, page, mayLink);
  } catch (error) {
    if (error instanceof MmError) return 0;
    throw error;
  }
}

function* faultInRcuSection(mm: Mm, request: FaultRequest): Protocol<FaultResult> {
  for (;;) {
    yield { op: "rcu-lock" };
    const reason = yield* attempt(mm, request);
    yield { op: "rcu-unlock" };
    if (reason === "") {
      request.counters.success++;
      return finishFault(mm, request, "rcu", "ok");
    }
    request.retries++;
    if (reason === "io") {
      yield { op: "sleep", what: "page from disk", ns: waitOf(request) };
      request.tried = true;
      continue;
    }
    request.counters.abort++;
    return yield* faultUnderMmapLock(mm, request, reason);
  }
}

/** Faults in one RCU section, a mark checked under the page-table lock. */
export const rcuvmPureDesign: Design = {
  name: "rcuvm-pure",
  title: "E: RCU only, mark re-checked under the page-table lock",
  ...mmapWriteSection,
  *vmaStartWrite(mm: Mm, vma: Vma): Protocol<void> {
    const seq = mm.mmLockSeq;
    if (vma.vmLockSeq === seq) return;
    yield* touch("write", vma.line);
    vma.vmLockSeq = seq;
  },
  *vmaDetach(): Protocol<void> {
    yield* step("marked deleted");
  },
  vmaFree: freeAfterGracePeriod,
  *fault(mm: Mm, address: number, access: FaultAccess, options: FaultOptions = {}): Protocol<FaultResult> {
    const request = faultRequest(address, access, options);
    yield* work("fault-entry");
    if (options.kernelMode === true) return yield* faultUnderMmapLock(mm, request, "kernel-mode");
    return yield* faultInRcuSection(mm, request);
  },
};
