import { checkUnsigned, MmError } from "../errors.ts";
import { PAGE_SIZE, pageAlign, VM, VM_SPECIAL } from "../flags.ts";
import { modifyVma } from "../merge.ts";
import type { Mm } from "../mm.ts";
import { type Protocol, work } from "../protocol.ts";
import type { Vma } from "../vma.ts";
import { underWriteLock } from "./common.ts";

type FlagChange = (vma: Vma) => number;

/** Names, without `MADV_`, of advice that changes flags. */
type FlagAdvice =
  | "NORMAL"
  | "SEQUENTIAL"
  | "RANDOM"
  | "DONTFORK"
  | "DOFORK"
  | "WIPEONFORK"
  | "KEEPONFORK"
  | "DONTDUMP"
  | "DODUMP"
  | "MERGEABLE"
  | "UNMERGEABLE"
  | "HUGEPAGE"
  | "NOHUGEPAGE";

/** Names, without `MADV_`, of advice about pages. */
type PageAdvice = "WILLNEED" | "COLD" | "PAGEOUT" | "DONTNEED" | "DONTNEED_LOCKED" | "FREE";

const FLAG_CHANGES: Readonly<Record<FlagAdvice, FlagChange>> = {
  NORMAL: (vma) => vma.vmFlags & ~(VM.RAND_READ | VM.SEQ_READ),
  SEQUENTIAL: (vma) => (vma.vmFlags & ~VM.RAND_READ) | VM.SEQ_READ,
  RANDOM: (vma) => (vma.vmFlags & ~VM.SEQ_READ) | VM.RAND_READ,
  DONTFORK: (vma) => vma.vmFlags | VM.DONTCOPY,
  DOFORK: (vma) => refuse((vma.vmFlags & VM.IO) !== 0, vma) & ~VM.DONTCOPY,
  WIPEONFORK: (vma) => refuse(!isPrivateAnonymous(vma), vma) | VM.WIPEONFORK,
  KEEPONFORK: (vma) => vma.vmFlags & ~VM.WIPEONFORK,
  DONTDUMP: (vma) => vma.vmFlags | VM.DONTDUMP,
  DODUMP: (vma) => refuse((vma.vmFlags & VM_SPECIAL) !== 0, vma) & ~VM.DONTDUMP,
  MERGEABLE: (vma) => (isShared(vma) ? vma.vmFlags : vma.vmFlags | VM.MERGEABLE),
  UNMERGEABLE: (vma) => vma.vmFlags & ~VM.MERGEABLE,
  HUGEPAGE: (vma) => (vma.vmFlags & ~VM.NOHUGEPAGE) | VM.HUGEPAGE,
  NOHUGEPAGE: (vma) => (vma.vmFlags & ~VM.HUGEPAGE) | VM.NOHUGEPAGE,
};

/** Advice about pages: no flag changes, only the checks and what happens to the page tables. */
const PAGE_ADVICE: Readonly<Record<PageAdvice, (vma: Vma) => void>> = {
  WILLNEED: () => undefined,
  COLD: refuseLocked,
  PAGEOUT: refuseLocked,
  DONTNEED: refuseLocked,
  DONTNEED_LOCKED: () => undefined,
  FREE: (vma) => {
    refuseLocked(vma);
    refuse(vma.file !== 0, vma);
  },
};

/** Names of advice without `MADV_`. */
export type Advice = FlagAdvice | PageAdvice;

function isShared(vma: Vma): boolean {
  return (vma.vmFlags & VM.MAYSHARE) !== 0;
}

function isPrivateAnonymous(vma: Vma): boolean {
  return vma.file === 0 && !isShared(vma);
}

function refuse(condition: boolean, vma: Vma): number {
  if (condition) throw new MmError("EINVAL", `madvise: not possible on ${vma}`);
  return vma.vmFlags;
}

function refuseLocked(vma: Vma): void {
  refuse((vma.vmFlags & (VM.LOCKED | VM.PFNMAP)) !== 0, vma);
}

/** Whether `name` is advice this package knows. */
export function isAdvice(name: string): name is Advice {
  return Object.hasOwn(FLAG_CHANGES, name) || Object.hasOwn(PAGE_ADVICE, name);
}

/**
 * Advises. Holes are skipped and reported as ENOMEM at the end; what is mapped has been advised.
 *
 * @throws MmError EINVAL (unaligned, unknown advice, not for this mapping), ENOMEM (kernel: do_madvise)
 */
export function* madviseProtocol(mm: Mm, addr: number, length: number, advice: string): Protocol<void> {
  checkUnsigned("madvise: addr", addr);
  checkUnsigned("madvise: length", length);
  if (!isAdvice(advice)) throw new MmError("EINVAL", `madvise: no advice ${JSON.stringify(advice)}`);
  if (addr % PAGE_SIZE !== 0) throw new MmError("EINVAL", `madvise: address ${addr} is not page-aligned`);
  const aligned = pageAlign(length);
  if ((length !== 0 && aligned === 0) || addr + aligned >= 2 ** 64) {
    throw new MmError("EINVAL", "madvise: the range wraps");
  }
  if (aligned === 0) return;
  // Page advice keeps mmap_lock for reading in the kernel; the write section here is the simple choice.
  yield* underWriteLock(mm, () => adviseRange(mm, addr, addr + aligned, advice));
}

function* adviseRange(mm: Mm, start: number, end: number, advice: Advice): Protocol<void> {
  let hole = false;
  for (let at = start; at < end; ) {
    yield* work("walk-tree");
    const vma = mm.tree.intersection(at, end);
    if (vma === undefined || vma.vmStart > at) hole = true;
    if (vma === undefined) break;
    const from = Math.max(at, vma.vmStart);
    at = yield* adviseVma(mm, vma, from, Math.min(vma.vmEnd, end), advice);
  }
  if (hole) throw new MmError("ENOMEM", "madvise: part of the range is not mapped");
}

function* adviseVma(mm: Mm, vma: Vma, start: number, end: number, advice: Advice): Protocol<number> {
  const change: FlagChange | undefined = (FLAG_CHANGES as Record<string, FlagChange>)[advice];
  if (change === undefined) {
    PAGE_ADVICE[advice as keyof typeof PAGE_ADVICE](vma);
    const drops = advice === "DONTNEED" || advice === "DONTNEED_LOCKED" || advice === "FREE";
    if (drops && mm.pages !== undefined) {
      yield* mm.pages.zap(mm, start, end);
      yield { op: "shootdown", pages: (end - start) / PAGE_SIZE };
    }
    return end;
  }
  const vmFlags = change(vma);
  if (vmFlags === vma.vmFlags) return end;
  const changed = yield* modifyVma(mm, vma, start, end, vmFlags);
  yield* mm.design.vmaStartWrite(mm, changed);
  changed.vmFlags = vmFlags | (changed.vmFlags & VM.MAYBE_GUARD);
  return Math.max(end, changed.vmEnd);
}
