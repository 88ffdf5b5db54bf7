import type { AddressSpace } from "./address-space.ts";
import type { Protocol } from "./protocol.ts";
import type { Vma } from "./vma.ts";

/**
 * What the system calls ask of the page tables. An address space without them (`mm.pages` undefined) is a list
 * of mappings: nothing is ever present, nothing needs to be zapped.
 */
export interface PageOps {
  /** Clears the PTEs of `[start, end)`; under mmap_lock, with the VMAs write-locked or unreachable. */
  zap(mm: AddressSpace, start: number, end: number): Protocol<void>;
  /** Frees the page tables that only covered `[start, end)`, which lies between `floor` and `ceiling`. */
  freeTables(mm: AddressSpace, start: number, end: number, floor: number, ceiling: number): Protocol<void>;
  /** The flags of `vma` have changed: adapts the PTEs of `[start, end)`. */
  protect(mm: AddressSpace, vma: Vma, start: number, end: number): Protocol<void>;
  /** Moves the PTEs of `length` bytes at `from` to `to`. */
  move(mm: AddressSpace, from: number, to: number, length: number): Protocol<void>;
  /** Copies the PTEs of `vma` to the child, write-protecting both sides of private memory. */
  copy(mm: AddressSpace, child: AddressSpace, vma: Vma): Protocol<void>;
}
