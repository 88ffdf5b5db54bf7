/*
 * Design C: speculative page faults, in the form of 2021. One sequence count for the whole address space (here
 * mm_lock_seq): a fault reads it, copies the VMA, works without holding anything, and looks at it again under the
 * page-table lock. Any change of any mapping in between makes it begin again under mmap_lock. Writers wait for
 * nobody and write nothing but the count.
 *
 * The count is read before the VMA and compared after the copy (a copy torn by a writer is noticed), and again
 * under the page-table lock, which orders it against the writer that clears PTEs. Taking that lock is an atomic
 * read-modify-write: no plain read of the VMA can move behind it.
 */

import { faultRequest, faultUnderMmapLock, finishFault, isAllowed, makePage } from "../fault.ts";
import type { FaultAccess, FaultOptions, FaultReason, FaultRequest, FaultResult } from "../fault-types.ts";
import type { Design, Mm } from "../mm.ts";
import { describePte, readPte } from "../page-table.ts";
import { type Protocol, step, touch, work } from "../protocol.ts";
import { type PtePlan, planPte } from "../pte-plan.ts";
import { freeAfterGracePeriod, mmapWriteSection } from "./mmap-write.ts";
import { copyVma, describeVma, installIfValid } from "./speculative.ts";

/** What the look-up comes to: something to install, nothing to do (`""`), or a reason to give up. */
type Lookup = { readonly orig: number; readonly plan: PtePlan } | FaultReason;

function* lookUp(mm: Mm, request: FaultRequest, seq: number): Protocol<Lookup> {
  yield* step("2 walk the tree, copy the VMA");
  yield* work("walk-tree");
  const vma = mm.tree.at(request.page);
  const copy = vma === undefined ? undefined : copyVma(vma);
  const orig = readPte(mm, request.page);
  yield* step(`3 compare the sequence; found ${describeVma(vma)}, page ${describePte(orig)}`);
  yield* touch("read", mm.seqLine);
  if (mm.mmLockSeq !== seq) return "changed";
  if (copy === undefined) return "no-vma";
  if (!isAllowed(copy.vmFlags, request.access)) return "no-access";
  const plan = planPte(mm, copy, request, orig);
  if (plan === "spurious") return "";
  if (plan === "SIGBUS") return "no-access";
  if (plan.needsAnonVma && copy.anonVma === 0) return "anon-vma";
  return { orig, plan };
}

function* speculate(mm: Mm, request: FaultRequest): Protocol<FaultReason> {
  const { options, page } = request;
  yield* touch("read", mm.seqLine);
  const seq = mm.mmLockSeq;
  yield* step(`1 the sequence is ${seq}`);
  if (seq % 2 !== 0) return "write-locked";
  yield { op: "rcu-lock" };
  const found = yield* lookUp(mm, request, seq);
  yield* step(typeof found === "string" ? `leave: ${found || "nothing to do"}` : "4 work on the copy");
  yield { op: "rcu-unlock" };
  if (typeof found === "string") return found;
  // Whoever sleeps here would only find that the world has moved on.
  if ((options.sleepNs ?? 0) > 0 || (options.ioNs ?? 0) > 0) return "io";
  const pte = yield* makePage(mm, found.plan, options);
  yield* step("5 take the page-table lock");
  yield { op: "rcu-lock" };
  const isValid = (): boolean => options.withoutChecks?.recheck === true || mm.mmLockSeq === seq;
  const reason = yield* installIfValid(mm, { page, orig: found.orig, pte, isValid });
  yield { op: "rcu-unlock" };
  return reason;
}

/** Speculative page faults with one sequence count per address space. */
export const spfDesign: Design = {
  name: "spf",
  title: "C: speculative faults, one sequence count",
  ...mmapWriteSection,
  *vmaStartWrite(): Protocol<void> {},
  *vmaDetach(): Protocol<void> {
    yield* step("detached");
  },
  vmaFree: freeAfterGracePeriod,
  *fault(mm: Mm, address: number, access: FaultAccess, options: FaultOptions = {}): Protocol<FaultResult> {
    const request = faultRequest(address, access, options);
    yield* work("fault-entry");
    if (options.kernelMode === true) return yield* faultUnderMmapLock(mm, request, "kernel-mode");
    const reason = yield* speculate(mm, request);
    if (reason !== "") {
      request.counters.abort++;
      request.retries++;
      return yield* faultUnderMmapLock(mm, request, reason);
    }
    request.counters.success++;
    return finishFault(mm, request, "speculative", "ok");
  },
};
