import { checkUnsigned, MmError } from "../errors.ts";
import { PAGE_SIZE, PROT, pageAlign, VM, VM_ACCESS } from "../flags.ts";
import { modifyVma } from "../merge.ts";
import type { Mm } from "../mm.ts";
import { type Protocol, work } from "../protocol.ts";
import type { Vma } from "../vma.ts";
import { underWriteLock } from "./common.ts";
import { populate } from "./mmap.ts";

/**
 * Changes the protection of `[addr, addr + length)`. At a hole, or where the mapping does not allow it, it stops:
 * what lies before is changed.
 *
 * @throws MmError EINVAL, ENOMEM (a hole, max_map_count), EACCES, EPERM (kernel: do_mprotect_pkey)
 */
export function* mprotectProtocol(mm: Mm, addr: number, length: number, prot: number): Protocol<void> {
  checkUnsigned("mprotect: addr", addr);
  checkUnsigned("mprotect: length", length);
  if (addr % PAGE_SIZE !== 0) throw new MmError("EINVAL", `mprotect: address ${addr} is not page-aligned`);
  if (length === 0) return;
  const end = addr + pageAlign(length);
  if (end <= addr || end >= 2 ** 64) throw new MmError("ENOMEM", "mprotect: the range is empty or wraps");
  if ((prot & ~(VM_ACCESS | PROT.GROWSDOWN)) !== 0) throw new MmError("EINVAL", `mprotect: bad prot ${prot}`);
  yield* underWriteLock(mm, function* () {
    const start = firstAddress(mm, addr, end, (prot & PROT.GROWSDOWN) !== 0);
    yield* protectRange(mm, start, end, prot & VM_ACCESS);
  });
}

function firstAddress(mm: Mm, addr: number, end: number, grows: boolean): number {
  const vma = mm.tree.find(addr);
  const hole = vma === undefined || vma.vmStart >= end || (!grows && vma.vmStart > addr);
  if (hole) throw new MmError("ENOMEM", `mprotect: nothing is mapped at ${addr}`);
  if (!grows) return addr;
  if ((vma.vmFlags & VM.GROWSDOWN) === 0) throw new MmError("EINVAL", `mprotect: ${vma} does not grow down`);
  return vma.vmStart;
}

function* protectRange(mm: Mm, start: number, end: number, access: number): Protocol<void> {
  for (let at = start; at < end; ) {
    yield* work("walk-tree");
    const vma = mm.tree.at(at);
    if (vma === undefined) throw new MmError("ENOMEM", `mprotect: nothing is mapped at ${at}`);
    const vmFlags = (vma.vmFlags & ~VM_ACCESS) | access;
    if ((vmFlags & ~(vmFlags >> 4) & VM_ACCESS) !== 0) {
      throw new MmError("EACCES", `mprotect: ${vma} may not become that`);
    }
    at = yield* protectVma(mm, vma, at, Math.min(vma.vmEnd, end), vmFlags);
  }
}

/** Changes a part of one VMA; the result is where to go on (kernel: mprotect_fixup). */
function* protectVma(mm: Mm, vma: Vma, start: number, end: number, wanted: number): Protocol<number> {
  const before = vma.vmFlags;
  if ((before & VM.SEALED) !== 0) throw new MmError("EPERM", `mprotect: ${vma} is sealed`);
  if (wanted === before) return end;
  let vmFlags = wanted;
  if ((vmFlags & VM.WRITE) !== 0) {
    if ((before & (VM.ACCOUNT | VM.WRITE | VM.SHARED | VM.NORESERVE)) === 0) vmFlags |= VM.ACCOUNT;
  } else if ((before & VM.ACCOUNT) !== 0 && vma.file === 0 && vma.anonVma === 0) {
    vmFlags &= ~VM.ACCOUNT;
  }
  const changed = yield* modifyVma(mm, vma, start, end, vmFlags);
  yield* mm.design.vmaStartWrite(mm, changed);
  changed.vmFlags = vmFlags | (changed.vmFlags & VM.MAYBE_GUARD);
  if (mm.pages !== undefined) yield* mm.pages.protect(mm, changed, start, end);
  yield { op: "shootdown", pages: (end - start) / PAGE_SIZE };
  const locked = (before & (VM.LOCKED | VM.WRITE | VM.SHARED)) === VM.LOCKED;
  if (locked && (vmFlags & VM.WRITE) !== 0) populate(mm, start, end);
  return Math.max(end, changed.vmEnd);
}
