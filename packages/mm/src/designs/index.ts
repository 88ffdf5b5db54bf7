import type { Design, DesignName } from "../mm.ts";
import { mmapLockDesign } from "./mmap-lock.ts";
import { perVmaLockDesign } from "./per-vma-lock.ts";
import { rcuvmPureDesign } from "./rcuvm-pure.ts";
import { spfDesign } from "./spf.ts";
import { treeSpinlockDesign } from "./tree-spinlock.ts";
import { treeSpinlockNaiveDesign } from "./tree-spinlock-naive.ts";

/** The designs by name. */
export const designs: Readonly<Record<DesignName, Design>> = {
  "mmap-lock": mmapLockDesign,
  "per-vma-lock": perVmaLockDesign,
  spf: spfDesign,
  "rcuvm-pure": rcuvmPureDesign,
  "tree-spinlock": treeSpinlockDesign,
  "tree-spinlock-naive": treeSpinlockNaiveDesign,
};

/** @throws RangeError if there is no such design */
export function designNamed(name: DesignName): Design {
  const design = (designs as Partial<Record<string, Design>>)[name];
  if (design !== undefined) return design;
  throw new RangeError(
    `design must be one of ${Object.keys(designs).join(", ")}, got ${JSON.stringify(name)}`,
  );
}
