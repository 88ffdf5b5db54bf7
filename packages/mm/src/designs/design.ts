import type { AddressSpace } from "../address-space.ts";
import type { FaultAccess, FaultOptions, FaultResult } from "../fault.ts";
import type { Protocol } from "../protocol.ts";
import type { Vma } from "../vma.ts";

/** Names of the locking designs. */
export type DesignName =
  | "mmap-lock"
  | "per-vma-lock"
  | "spf"
  | "rcuvm-pure"
  | "tree-spinlock"
  | "tree-spinlock-naive";

/**
 * A way of locking an address space. The system calls are the same under every design; these hooks are where
 * designs differ. Between two yields a hook may change locking words of the address space and of VMAs, never
 * what is mapped.
 */
export interface Design {
  readonly name: DesignName;
  /** One line for people. */
  readonly title: string;
  /** Excludes other writers, and whoever the design wants to keep out. */
  writeLock(mm: AddressSpace): Protocol<void>;
  /** Ends the write section and all VMA write locks taken in it. */
  writeUnlock(mm: AddressSpace): Protocol<void>;
  /** Ends the write section but keeps other writers out, until {@link readUnlock}. */
  writeDowngrade(mm: AddressSpace): Protocol<void>;
  readUnlock(mm: AddressSpace): Protocol<void>;
  /** Excludes those who use `vma` without mmap_lock, until the write section ends. Again: no effect. */
  vmaStartWrite(mm: AddressSpace, vma: Vma): Protocol<void>;
  /** `vma` is (about to be) no longer in the tree; whoever still finds it must notice. */
  vmaDetach(mm: AddressSpace, vma: Vma): Protocol<void>;
  /** Gives a detached VMA back when nobody can look at it any more. */
  vmaFree(mm: AddressSpace, vma: Vma): Protocol<void>;
  /** Whether every change of the tree is made under the tree's spinlock (`mm.treeLock`). Default false. */
  readonly locksTree?: boolean;
  /** Makes the page at `address` present, or says which signal it is. */
  fault(
    mm: AddressSpace,
    address: number,
    access: FaultAccess,
    options?: FaultOptions,
  ): Protocol<FaultResult>;
}
