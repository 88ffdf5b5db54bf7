/*
 * What the system calls do to page tables. All of it runs under mmap_lock (for writing, or downgraded), with the
 * VMAs concerned write-locked or out of the tree; every table is changed under its own lock.
 */

import { VM, VM_ACCESS } from "./flags.ts";
import type { Mm, PageOps } from "./mm.ts";
import {
  allocTables,
  changePtes,
  mappedPages,
  PTE,
  pteWord,
  TABLE_BYTES,
  tableCache,
  tableLock,
  unlinkTables,
  walkTables,
} from "./page-table.ts";
import { acquire, type LockRef, type Protocol, release } from "./protocol.ts";
import type { Vma } from "./vma.ts";

/** The page tables of `page-table.ts` as the system calls see them. */
export const pageTableOps: PageOps = {
  *zap(mm: Mm, start: number, end: number): Protocol<void> {
    yield* changePtes(mm, start, end, () => 0, "zap-pte");
  },
  *freeTables(mm: Mm, start: number, end: number, floor: number, ceiling: number): Protocol<void> {
    if (Atomics.load(mm.arena.i32, mm.pgdWord) === 0) return;
    yield* acquire(mm.pageTableLock, "write");
    const unlinked = unlinkTables(mm, start, end, floor, ceiling);
    yield* release(mm.pageTableLock, "write");
    if (unlinked.length === 0) return;
    const cache = tableCache(mm.arena);
    const free = (): void => {
      for (const table of unlinked) cache.free(table);
    };
    yield { op: "rcu-defer", bytes: unlinked.length * TABLE_BYTES, free };
  },
  *protect(mm: Mm, vma: Vma, start: number, end: number): Protocol<void> {
    const drop = (vma.vmFlags & VM.WRITE) === 0 ? PTE.WRITE : 0;
    const none = (vma.vmFlags & VM_ACCESS) === 0 ? PTE.NONE : 0;
    // Write access is not given here: the next write fault decides whether the page must be copied.
    yield* changePtes(mm, start, end, (pte) => (pte & ~(drop | PTE.NONE)) | none);
  },
  *move(mm: Mm, from: number, to: number, length: number): Protocol<void> {
    for (const { address } of [...mappedPages(mm, from, from + length)]) {
      const source = walkTables(mm, address);
      const target = yield* allocTables(mm, address - from + to);
      const locks = inOrder(tableLock(mm.arena, source), tableLock(mm.arena, target));
      for (const lock of locks) yield* acquire(lock, "write");
      const pte = Atomics.exchange(mm.arena.i32, pteWord(source, address), 0);
      Atomics.store(mm.arena.i32, pteWord(target, address - from + to), pte);
      for (const lock of locks.toReversed()) yield* release(lock, "write");
    }
  },
  *copy(mm: Mm, child: Mm, vma: Vma): Protocol<void> {
    // Without an anon_vma there is nothing that the child could not fault in again by itself.
    if (vma.anonVma === 0) return;
    const shared = (vma.vmFlags & VM.SHARED) !== 0;
    const pages: { address: number; pte: number }[] = [];
    yield* changePtes(mm, vma.vmStart, vma.vmEnd, (pte, address) => {
      const kept = shared ? pte : pte & ~(PTE.WRITE | PTE.EXCLUSIVE);
      pages.push({ address, pte: kept });
      return kept;
    });
    for (const { address, pte } of pages) {
      const table = yield* allocTables(child, address);
      Atomics.store(child.arena.i32, pteWord(table, address), pte);
    }
  },
};

function inOrder(a: LockRef, b: LockRef): LockRef[] {
  if (a.word === b.word) return [a];
  return a.word < b.word ? [a, b] : [b, a];
}
