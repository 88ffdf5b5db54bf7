import { checkUnsigned, MmError } from "../errors.ts";
import { PAGE_SIZE, pageAlign, pageFloor, VM_ACCESS, VM_LOCKED_MASK, VM_SPECIAL } from "../flags.ts";
import { modifyVma } from "../merge.ts";
import type { Mm } from "../mm.ts";
import { type Protocol, work } from "../protocol.ts";
import { underWriteLock } from "./common.ts";
import { populate } from "./mmap.ts";

/**
 * mlock, mlock2 and munlock: `lock` is the VM bits to set, 0 to unlock. Stops at a hole with ENOMEM; what lies
 * before is changed. Locking PROT_NONE memory sets the flag and answers ENOMEM (kernel: do_mlock).
 */
export function* mlockProtocol(mm: Mm, addr: number, length: number, lock: number): Protocol<void> {
  checkUnsigned("mlock: addr", addr);
  checkUnsigned("mlock: length", length);
  const start = pageFloor(addr);
  const aligned = pageAlign(length + (addr % PAGE_SIZE));
  const end = start + aligned;
  if (end >= 2 ** 64) throw new MmError("EINVAL", "mlock: the range wraps");
  if (aligned === 0) return;
  yield* underWriteLock(mm, () => lockRange(mm, start, end, lock));
}

function* lockRange(mm: Mm, start: number, end: number, lock: number): Protocol<void> {
  let inaccessible = false;
  for (let at = start; at < end; ) {
    yield* work("walk-tree");
    const vma = mm.tree.at(at);
    if (vma === undefined) throw new MmError("ENOMEM", `mlock: nothing is mapped at ${at}`);
    if ((vma.vmFlags & VM_ACCESS) === 0) inaccessible = true;
    const stop = Math.min(vma.vmEnd, end);
    const vmFlags = (vma.vmFlags & ~VM_LOCKED_MASK) | lock;
    if (vmFlags !== vma.vmFlags && (vma.vmFlags & VM_SPECIAL) === 0) {
      const changed = yield* modifyVma(mm, vma, at, stop, vmFlags);
      yield* mm.design.vmaStartWrite(mm, changed);
      changed.vmFlags = vmFlags;
      at = Math.max(stop, changed.vmEnd);
    } else at = stop;
  }
  if (lock === 0) return;
  populate(mm, start, end);
  if (inaccessible) throw new MmError("ENOMEM", "mlock: part of the range is not accessible");
}
