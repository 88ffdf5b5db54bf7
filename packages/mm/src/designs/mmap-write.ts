/*
 * The writers' side that all designs share: mmap_lock for writing, and mm_lock_seq, which is odd meanwhile.
 * Moving mm_lock_seq on is what ends every VMA write lock of the section at once, so it happens before mmap_lock
 * is let go or downgraded; it is a sequentially consistent store, and readers that see it see all the changes.
 */
import type { Design, Mm } from "../mm.ts";
import { acquire, downgrade, type Protocol, release, touch } from "../protocol.ts";
import type { Vma } from "../vma.ts";
import { VMA_WORDS } from "../vma.ts";

/** The write section as all designs bracket it. */
export const mmapWriteSection: Pick<Design, "writeLock" | "writeUnlock" | "writeDowngrade" | "readUnlock"> = {
  *writeLock(mm: Mm): Protocol<void> {
    yield* acquire(mm.mmapLock, "write");
    yield* touch("write", mm.seqLine);
    mm.beginWrite();
  },
  *writeUnlock(mm: Mm): Protocol<void> {
    yield* touch("write", mm.seqLine);
    mm.endWrite();
    yield* release(mm.mmapLock, "write");
  },
  *writeDowngrade(mm: Mm): Protocol<void> {
    yield* touch("write", mm.seqLine);
    mm.endWrite();
    yield* downgrade(mm.mmapLock);
  },
  *readUnlock(mm: Mm): Protocol<void> {
    yield* release(mm.mmapLock, "read");
  },
};

/** Frees `vma` when everybody who was in an RCU section has left it. */
export function* freeAfterGracePeriod(mm: Mm, vma: Vma): Protocol<void> {
  yield { op: "rcu-defer", bytes: VMA_WORDS * 4, free: () => mm.releaseVma(vma) };
}
