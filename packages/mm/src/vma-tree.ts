/*
 * The VMAs of an address space in order of address: every access of mm to the tree. Keys are page numbers,
 * entries are VMA handles. Writers hold mmap_lock for writing (the tree's lock is external); readers hold
 * mmap_lock, or are inside an RCU section of the arena and check what they find.
 */
import type { Arena } from "@faultline/arena";
import { KERNEL_GEOMETRY, SharedMapleTree } from "@faultline/maple-tree";
import { lookupSteps } from "@faultline/maple-tree/testing";
import { orNoMemory } from "./errors.ts";
import { PAGE_SIZE } from "./flags.ts";
import { VMA_ALIGN, Vma } from "./vma.ts";

/** A typed view of the tree. Addresses are bytes, page-aligned except where a containing VMA is asked for. */
export class VmaTree {
  readonly arena: Arena;
  readonly tree: SharedMapleTree;

  private constructor(arena: Arena, tree: SharedMapleTree) {
    this.arena = arena;
    this.tree = tree;
  }

  /** An empty tree in `arena`. @throws ArenaError ENOMEM */
  static create(arena: Arena): VmaTree {
    // Of the kernel's geometry: what a walk, a write and a rebalance touch is what is simulated.
    const options = { geometry: KERNEL_GEOMETRY, gaps: true, rcu: true, lock: "external" } as const;
    return new VmaTree(arena, SharedMapleTree.create(arena, options));
  }

  /** The tree whose header is at word `root`. */
  static attach(arena: Arena, root: number): VmaTree {
    return new VmaTree(arena, SharedMapleTree.attach(arena, root));
  }

  /** The VMA that contains `address` (kernel: vma_lookup). */
  at(address: number): Vma | undefined {
    return this.#vma(this.tree.load(Math.floor(address / PAGE_SIZE)));
  }

  /** The first VMA that ends after `address`: containing it, or the next (kernel: find_vma). */
  find(address: number): Vma | undefined {
    return this.#vma(this.tree.find(Math.floor(address / PAGE_SIZE))?.entry ?? 0);
  }

  /** The last VMA that ends at or before `address`, page-aligned and outside of any VMA or at its start. */
  prev(address: number): Vma | undefined {
    if (address < PAGE_SIZE) return undefined;
    return this.#vma(this.tree.cursor(address / PAGE_SIZE - 1).findRev(0));
  }

  /** The VMA after this one. */
  next(vma: Vma): Vma | undefined {
    return this.find(vma.vmEnd);
  }

  /** The first VMA with a page in `[start, end)` (kernel: find_vma_intersection). */
  intersection(start: number, end: number): Vma | undefined {
    const found = this.tree.find(start / PAGE_SIZE, Math.ceil(end / PAGE_SIZE) - 1);
    return this.#vma(found?.entry ?? 0);
  }

  /** All VMAs with a page in `[start, end)`, in order. */
  *range(start = 0, end: number = PAGE_SIZE * 2 ** 40): Generator<Vma> {
    for (const { entry } of this.tree.entries(start / PAGE_SIZE, Math.ceil(end / PAGE_SIZE) - 1)) {
      yield new Vma(this.arena, entry * VMA_ALIGN);
    }
  }

  /** One store over `[start, end)`; `undefined` erases. @throws MmError ENOMEM, with nothing changed */
  store(start: number, end: number, vma: Vma | undefined): void {
    orNoMemory("VMA tree", () =>
      this.tree.storeRange(start / PAGE_SIZE, end / PAGE_SIZE - 1, vma?.handle ?? 0),
    );
  }

  /** The lowest (`up`) or highest (`down`) gap of `length` bytes in `[min, max)`, or -1. */
  gap(direction: "up" | "down", length: number, min: number, max: number): number {
    if (max - min < length) return -1;
    const query = { size: length / PAGE_SIZE, min: min / PAGE_SIZE, max: max / PAGE_SIZE - 1 };
    try {
      const page = direction === "up" ? this.tree.findGap(query) : this.tree.findGapReverse(query);
      return page * PAGE_SIZE;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EBUSY") return -1;
      throw error;
    }
  }

  /**
   * Words that a look-up of `address` reads, one per object on its way: the tree's header, the nodes from the root
   * to the leaf, the VMA. For cost models; slower than the look-up.
   */
  path(address: number): number[] {
    const words = [this.tree.root];
    const steps = lookupSteps(this.tree, Math.floor(address / PAGE_SIZE));
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value === 0 ? words : [...words, value * VMA_ALIGN];
      if (value.what === "slot") words.push(value.node);
    }
  }

  #vma(handle: number): Vma | undefined {
    if (handle === 0) return undefined;
    this.arena.ensure(handle * VMA_ALIGN);
    return new Vma(this.arena, handle * VMA_ALIGN);
  }
}
