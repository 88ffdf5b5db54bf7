import { MmError } from "./errors.ts";
import { PAGE_SIZE, VM, VM_ACCESS } from "./flags.ts";
import { expandVma } from "./merge.ts";
import type { Mm } from "./mm.ts";
import { type Protocol, release } from "./protocol.ts";
import type { Vma } from "./vma.ts";

/** RLIMIT_STACK, bytes. */
const STACK_LIMIT = 8 * 1024 * 1024;

/**
 * Grows the stack above `page` down to it. Called with mmap_lock held for reading and nothing mapped at `page`;
 * takes it for writing, looks again, grows, downgrades. mmap_lock is held for reading afterwards in any case.
 *
 * @returns the VMA that covers `page` now, or `undefined` (kernel: lock_mm_and_find_vma, expand_stack_locked)
 */
export function* growStackDown(mm: Mm, page: number): Protocol<Vma | undefined> {
  if (growableAbove(mm, page) === undefined) return undefined;
  yield* release(mm.mmapLock, "read");
  yield* mm.design.writeLock(mm);
  const vma = mm.tree.at(page) ?? (yield* growLocked(mm, page));
  yield* mm.design.writeDowngrade(mm);
  return vma;
}

function growableAbove(mm: Mm, page: number): Vma | undefined {
  const vma = mm.tree.find(page);
  if (vma === undefined || (vma.vmFlags & VM.GROWSDOWN) === 0) return undefined;
  return vma.vmEnd - page > STACK_LIMIT ? undefined : vma;
}

function* growLocked(mm: Mm, page: number): Protocol<Vma | undefined> {
  const vma = growableAbove(mm, page);
  if (vma === undefined || page < mm.mmapMinAddr) return undefined;
  const prev = mm.tree.prev(vma.vmStart);
  if (prev !== undefined && (prev.vmFlags & VM.GROWSDOWN) === 0 && (prev.vmFlags & VM_ACCESS) !== 0) {
    if (page - prev.vmEnd < mm.stackGuardGapPages * PAGE_SIZE) return undefined;
  }
  try {
    yield* expandVma(mm, vma, page, vma.vmEnd);
  } catch (error) {
    if (error instanceof MmError) return undefined;
    throw error;
  }
  return vma;
}
