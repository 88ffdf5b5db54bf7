import { VM, VM_LOCKED_MASK } from "../flags.ts";
import type { Mm } from "../mm.ts";
import type { Protocol } from "../protocol.ts";
import { underWriteLock } from "./common.ts";
import { insertNew } from "./mmap.ts";

/**
 * Copies every mapping of `mm` to the empty `child`: without DONTFORK ones, without contents of WIPEONFORK ones,
 * without locks. Both are write-locked, the parent outside (kernel: dup_mmap).
 */
export function* forkProtocol(mm: Mm, child: Mm): Protocol<void> {
  yield* underWriteLock(mm, () => underWriteLock(child, () => copyMappings(mm, child)));
}

function* copyMappings(mm: Mm, child: Mm): Protocol<void> {
  for (const vma of [...mm.tree.range()]) {
    // Or a fault would dirty pages while they are being write-protected.
    yield* mm.design.vmaStartWrite(mm, vma);
    if ((vma.vmFlags & VM.DONTCOPY) !== 0) continue;
    const wiped = (vma.vmFlags & VM.WIPEONFORK) !== 0;
    const inherits = !wiped && vma.anonVma !== 0;
    yield* insertNew(child, {
      start: vma.vmStart,
      end: vma.vmEnd,
      pgoff: vma.vmPgoff,
      vmFlags: vma.vmFlags & ~VM_LOCKED_MASK,
      file: vma.file,
      name: vma.name,
      anonVma: inherits ? mm.newAnonVma() : 0,
      anonChain: inherits ? vma.anonChain + 1 : 0,
    });
    if (!wiped && mm.pages !== undefined) yield* mm.pages.copy(mm, child, vma);
  }
  child.setBreak(mm.startBrk, mm.brkValue);
}
