import { PAGE_SIZE } from "./flags.ts";
import type { Mm } from "./mm.ts";
import { pageViolations } from "./page-table.ts";
import { Vma } from "./vma.ts";

/** Checks tree, records, page tables and counts against each other. @throws Error naming the first violation */
export function validateMm(mm: Mm): void {
  mm.tree.tree.assertValid();
  let count = 0;
  let end = 0;
  for (const { first, last, entry } of mm.tree.tree.entries()) {
    const vma = new Vma(mm.arena, entry * 16);
    const fail = (why: string): never => {
      throw new Error(`validate: VMA ${vma}: ${why}`);
    };
    if (vma.vmStart !== first * PAGE_SIZE || vma.vmEnd !== (last + 1) * PAGE_SIZE) {
      fail(`the tree says pages ${first}..${last}`);
    }
    if (vma.vmStart < end) fail("overlaps the one before");
    if (!vma.isAttached) fail("is in the tree but detached");
    if (vma.mmWord !== mm.word) fail("belongs to another address space");
    if ((vma.anonVma === 0) !== (vma.anonChain === 0)) fail(`chain ${vma.anonChain}`);
    end = vma.vmEnd;
    count++;
  }
  if (count !== mm.mapCount) throw new Error(`validate: ${count} VMAs, map_count ${mm.mapCount}`);
  const [page] = pageViolations(mm);
  if (page !== undefined) throw new Error(`validate: ${page}`);
  if (mm.mmLockSeq % 2 !== 0) throw new Error("validate: a write section is open");
}
