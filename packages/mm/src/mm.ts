/*
 * An address space: a header of words in an arena, a tree of VMAs, and the calls on it.
 *
 *   word of the header
 *     0 mm_lock_seq   1 tree   2 map_count   3 next anon_vma   4 bottom-up   5 guard gap   6 max_map_count
 *     8 brk (f64)   10 start_brk (f64)   12 mmap_base (f64)   14 mmap_min_addr (f64)   20 pgd (word of the top
 *    page table)   21 next page frame
 *    32 page_table_lock, alone in its cache line
 *    48 tree lock, alone in its cache line
 *    64 mmap_lock (RwSem.WORDS)
 *
 * Everything is written under mmap_lock held for writing, except what belongs to the page tables, and the
 * anon_vma counter (an atomic). mm_lock_seq is odd while a writer is inside (mm-locking §4.1).
 */
import type { Arena } from "@faultline/arena";
import { RwSem } from "@faultline/sync";
import {
  type FaultAccess,
  type FaultCounters,
  type FaultOptions,
  type FaultResult,
  newFaultCounters,
} from "./fault-types.ts";
import type { FileTable, OpenFile } from "./file-table.ts";
import type { LineRef, LockRef, Protocol } from "./protocol.ts";
import { type Vma, vmaCache } from "./vma.ts";
import type { VmaTree } from "./vma-tree.ts";

const SEQ = 0;
const TREE = 1;
const MAP_COUNT = 2;
const NEXT_ANON = 3;
const BOTTOM_UP = 4;
const GUARD_GAP = 5;
const MAX_MAP_COUNT = 6;
const BRK = 8;
const START_BRK = 10;
const MMAP_BASE = 12;
const MMAP_MIN = 14;
const PGD = 20;
const NEXT_FRAME = 21;
const PAGE_TABLE_LOCK = 32;
const TREE_LOCK = 48;
const MMAP_LOCK = 64;

/** Where mappings go that do not say: down from mmap_base, or up from a third of user space. */
export type Layout = "top-down" | "bottom-up";

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
  writeLock(mm: Mm): Protocol<void>;
  /** Ends the write section and all VMA write locks taken in it. */
  writeUnlock(mm: Mm): Protocol<void>;
  /** Ends the write section but keeps other writers out, until {@link readUnlock}. */
  writeDowngrade(mm: Mm): Protocol<void>;
  readUnlock(mm: Mm): Protocol<void>;
  /** Excludes those who use `vma` without mmap_lock, until the write section ends. Again: no effect. */
  vmaStartWrite(mm: Mm, vma: Vma): Protocol<void>;
  /** `vma` is (about to be) no longer in the tree; whoever still finds it must notice. */
  vmaDetach(mm: Mm, vma: Vma): Protocol<void>;
  /** Gives a detached VMA back when nobody can look at it any more. */
  vmaFree(mm: Mm, vma: Vma): Protocol<void>;
  /** Whether every change of the tree is made under the tree's spinlock (`mm.treeLock`). Default false. */
  readonly locksTree?: boolean;
  /** Makes the page at `address` present, or says which signal it is. */
  fault(mm: Mm, address: number, access: FaultAccess, options?: FaultOptions): Protocol<FaultResult>;
}

/**
 * What the system calls ask of the page tables. An address space without them (`mm.pages` undefined) is a list
 * of mappings: nothing is ever present, nothing needs to be zapped.
 */
export interface PageOps {
  /** Clears the PTEs of `[start, end)`; under mmap_lock, with the VMAs write-locked or unreachable. */
  zap(mm: Mm, start: number, end: number): Protocol<void>;
  /** Frees the page tables that only covered `[start, end)`, which lies between `floor` and `ceiling`. */
  freeTables(mm: Mm, start: number, end: number, floor: number, ceiling: number): Protocol<void>;
  /** The flags of `vma` have changed: adapts the PTEs of `[start, end)`. */
  protect(mm: Mm, vma: Vma, start: number, end: number): Protocol<void>;
  /** Moves the PTEs of `length` bytes at `from` to `to`. */
  move(mm: Mm, from: number, to: number, length: number): Protocol<void>;
  /** Copies the PTEs of `vma` to the child, write-protecting both sides of private memory. */
  copy(mm: Mm, child: Mm, vma: Vma): Protocol<void>;
}

/** Limits and places an address space begins with. Addresses in bytes. */
export interface MmLimits {
  readonly layout: Layout;
  readonly mmapBase: number;
  readonly mmapMinAddr: number;
  readonly stackGuardGapPages: number;
  readonly maxMapCount: number;
}

/** Makes the header of an empty address space; returns its first word. @throws ArenaError ENOMEM */
export function createHeader(arena: Arena, tree: VmaTree, limits: MmLimits): number {
  const word = arena.allocWords(MMAP_LOCK + RwSem.WORDS);
  const words = arena.i32;
  words[word + TREE] = tree.tree.root;
  words[word + NEXT_ANON] = 1;
  words[word + BOTTOM_UP] = limits.layout === "bottom-up" ? 1 : 0;
  words[word + GUARD_GAP] = limits.stackGuardGapPages;
  words[word + MAX_MAP_COUNT] = limits.maxMapCount;
  arena.f64[(word + MMAP_BASE) / 2] = limits.mmapBase;
  arena.f64[(word + MMAP_MIN) / 2] = limits.mmapMinAddr;
  return word;
}

/** Root of the tree that the header at `word` names. */
export function treeRootOf(arena: Arena, word: number): number {
  return arena.i32[word + TREE]!;
}

/**
 * What the protocols work on (struct mm_struct): the words of the header, the tree, the page tables and the
 * design. Calls that a user makes are on AddressSpace, which is one.
 */
export class Mm {
  readonly arena: Arena;
  /** First word of the header; its identity in the arena. */
  readonly word: number;
  readonly tree: VmaTree;
  readonly files: FileTable;
  readonly mmapLock: LockRef;
  readonly pageTableLock: LockRef;
  readonly design: Design;
  /** The spinlock around changes of the tree, for the designs that have one. */
  readonly treeLock: LockRef;
  /** mm_lock_seq, for cost models. */
  readonly seqLine: LineRef;
  /** How faults of this agent went. */
  readonly faultCounters: FaultCounters = newFaultCounters();
  /** Page tables; `undefined`: only a list of mappings. */
  pages: PageOps | undefined;

  protected constructor(arena: Arena, word: number, tree: VmaTree, design: Design, files: FileTable) {
    this.arena = arena;
    this.word = word;
    this.tree = tree;
    this.design = design;
    this.files = files;
    this.mmapLock = { kind: "rwsem", word: word + MMAP_LOCK, name: "mmap_lock" };
    this.pageTableLock = { kind: "spinlock", word: word + PAGE_TABLE_LOCK, name: "page_table_lock" };
    this.treeLock = { kind: "spinlock", word: word + TREE_LOCK, name: "tree lock" };
    this.seqLine = { word: word + SEQ, name: "mm_lock_seq" };
  }

  /** Odd while a write section is open; a VMA whose vmLockSeq equals it is write-locked. */
  get mmLockSeq(): number {
    return Atomics.load(this.arena.i32, this.word + SEQ);
  }
  /** Opens a write section (designs call it, with mmap_lock held for writing). */
  beginWrite(): void {
    Atomics.add(this.arena.i32, this.word + SEQ, 1);
  }
  /** Ends the write section, and with it every VMA write lock. */
  endWrite(): void {
    Atomics.add(this.arena.i32, this.word + SEQ, 1);
  }

  get mapCount(): number {
    return this.arena.i32[this.word + MAP_COUNT]!;
  }
  set mapCount(value: number) {
    this.arena.i32[this.word + MAP_COUNT] = value;
  }

  get maxMapCount(): number {
    return this.arena.i32[this.word + MAX_MAP_COUNT]!;
  }
  get stackGuardGapPages(): number {
    return this.arena.i32[this.word + GUARD_GAP]!;
  }
  get layout(): Layout {
    return this.arena.i32[this.word + BOTTOM_UP] === 1 ? "bottom-up" : "top-down";
  }
  get mmapBase(): number {
    return this.arena.f64[(this.word + MMAP_BASE) / 2]!;
  }
  get mmapMinAddr(): number {
    return this.arena.f64[(this.word + MMAP_MIN) / 2]!;
  }
  get startBrk(): number {
    return this.arena.f64[(this.word + START_BRK) / 2]!;
  }
  /** The current break, bytes. */
  get brkValue(): number {
    return this.arena.f64[(this.word + BRK) / 2]!;
  }
  /** Sets heap start and break without mapping anything. */
  setBreak(startBrk: number, brk: number): void {
    this.arena.f64[(this.word + START_BRK) / 2] = startBrk;
    this.arena.f64[(this.word + BRK) / 2] = brk;
  }
  /** The word that holds the top page-table level (0 = none yet). For the page-table code. */
  get pgdWord(): number {
    return this.word + PGD;
  }
  /** A fresh page frame number, 1..2^24-1; they come round again: a name, not memory. */
  newFrame(): number {
    return ((Atomics.add(this.arena.i32, this.word + NEXT_FRAME, 1) & 0x7fff_ffff) % 0xff_ffff) + 1;
  }

  /** A fresh anon_vma id. */
  newAnonVma(): number {
    return Atomics.add(this.arena.i32, this.word + NEXT_ANON, 1);
  }
  /** A fresh object of shared anonymous memory. */
  newShmem(pages: number): OpenFile {
    return this.files.open({ name: "/dev/zero (deleted)", kind: "shmem", pages });
  }
  /** Frees a detached VMA at once: nobody can look at it. */
  releaseVma(vma: Vma): void {
    vmaCache(this.arena).free(vma.word);
  }
}
