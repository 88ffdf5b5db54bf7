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
import { Arena, type ArenaHandle } from "@faultline/arena";
import { RwSem } from "@faultline/sync";
import { brkProtocol } from "./brk.ts";
import type { Design, DesignName } from "./designs/design.ts";
import { designNamed } from "./designs/index.ts";
import { MmError } from "./errors.ts";
import { runThreads } from "./executors/threads.ts";
import {
  type FaultAccess,
  type FaultCounters,
  type FaultOptions,
  type FaultResult,
  newFaultCounters,
} from "./fault.ts";
import { FileTable, type FileTableHandle, type OpenFile } from "./file-table.ts";
import { PAGE_SIZE, permsOf, TASK_SIZE, VM, vmFlagsOfPerms } from "./flags.ts";
import type { PageOps } from "./page-ops.ts";
import { pageViolations } from "./page-table.ts";
import { pageTableOps } from "./page-table-ops.ts";
import { procMaps } from "./proc-maps.ts";
import { acquire, type LineRef, type LockRef, type Protocol, release } from "./protocol.ts";
import { forkProtocol } from "./syscalls/fork.ts";
import { madviseProtocol } from "./syscalls/madvise.ts";
import { mlockProtocol } from "./syscalls/mlock.ts";
import { insertNew, type MmapArgs, mmapProtocol } from "./syscalls/mmap.ts";
import { mprotectProtocol } from "./syscalls/mprotect.ts";
import { mremapProtocol } from "./syscalls/mremap.ts";
import { munmapProtocol } from "./syscalls/munmap.ts";
import { Vma, type VmaInfo, vmaCache } from "./vma.ts";
import { VmaTree } from "./vma-tree.ts";

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

/** Options of {@link AddressSpace.create}. */
export interface AddressSpaceOptions {
  /** Where the records live. Default: an arena of its own. */
  readonly arena?: Arena;
  /** Size of an own arena in bytes. Default: as {@link Arena.create}. */
  readonly bytes?: number;
  /** Own arena in a SharedArrayBuffer, for several agents. Default false. */
  readonly shared?: boolean;
  /** Default `mmap-lock`. */
  readonly design?: DesignName;
  /** Default `top-down`. */
  readonly layout?: Layout;
  /** Where top-down starts, bytes. Default 0x7ffff7fff000. */
  readonly mmapBase?: number;
  /** Lowest address that can be mapped, bytes. Default 65536. */
  readonly mmapMinAddr?: number;
  /** Pages kept free below a mapping that grows down. Default 256. */
  readonly stackGuardGapPages?: number;
  /** Default 65530. */
  readonly maxMapCount?: number;
  /** Where the heap begins, bytes. Default 0x555555600000. */
  readonly startBrk?: number;
  readonly files?: FileTable;
}

/** Names an address space for another agent; can be sent with postMessage. */
export interface AddressSpaceHandle {
  readonly arena: ArenaHandle;
  readonly word: number;
  readonly design: DesignName;
  readonly files: FileTableHandle;
}

/** A mapping to be put in place as it is, by {@link AddressSpace.insertRaw}. */
export interface RawVma {
  readonly start: number;
  readonly end: number;
  /** `rw-p`; used if `vmFlags` is left out. */
  readonly perms?: string;
  readonly vmFlags?: number;
  /** Pages. Default: 0 for a file, `start` for anonymous memory. */
  readonly pgoff?: number;
  /** File id. Default 0. */
  readonly file?: number;
  /** `[stack]`, `[vdso]` … */
  readonly name?: string;
}

/** An address space: what is mapped where, and the calls that change it. */
export class AddressSpace {
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
  pages: PageOps | undefined = pageTableOps;

  private constructor(arena: Arena, word: number, tree: VmaTree, design: Design, files: FileTable) {
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

  /** @throws RangeError on a bad option; ArenaError ENOMEM */
  static create(options: AddressSpaceOptions = {}): AddressSpace {
    const { layout = "top-down", mmapBase = 0x7fff_f7ff_f000, mmapMinAddr = 65536 } = options;
    const { stackGuardGapPages = 256, maxMapCount = 65530, startBrk = 0x5555_5560_0000 } = options;
    checkAddress("mmapBase", mmapBase);
    checkAddress("mmapMinAddr", mmapMinAddr);
    checkAddress("startBrk", startBrk);
    const { bytes, shared = false } = options;
    const arena = options.arena ?? Arena.create(bytes === undefined ? { shared } : { bytes, shared });
    const word = arena.allocWords(MMAP_LOCK + RwSem.WORDS);
    const tree = VmaTree.create(arena);
    const words = arena.i32;
    words[word + TREE] = tree.tree.root;
    words[word + NEXT_ANON] = 1;
    words[word + BOTTOM_UP] = layout === "bottom-up" ? 1 : 0;
    words[word + GUARD_GAP] = stackGuardGapPages;
    words[word + MAX_MAP_COUNT] = maxMapCount;
    arena.f64[(word + MMAP_BASE) / 2] = mmapBase;
    arena.f64[(word + MMAP_MIN) / 2] = mmapMinAddr;
    const design = designNamed(options.design ?? "mmap-lock");
    const files = options.files ?? new FileTable();
    const mm = new AddressSpace(arena, word, tree, design, files);
    mm.setBreak(startBrk, startBrk);
    return mm;
  }

  /** Opens the address space behind a handle, usually in another worker. */
  static attach(handle: AddressSpaceHandle): AddressSpace {
    const arena = Arena.attach(handle.arena);
    const tree = VmaTree.attach(arena, arena.i32[handle.word + TREE]!);
    const files = new FileTable(handle.files);
    return new AddressSpace(arena, handle.word, tree, designNamed(handle.design), files);
  }

  handle(): AddressSpaceHandle {
    const { arena, word, design, files } = this;
    return { arena: arena.handle(), word, design: design.name, files: files.handle() };
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

  /** Runs a protocol on this thread, with real locks. */
  run<T>(protocol: Protocol<T>): T {
    return runThreads(this.arena, protocol);
  }

  /** Maps; returns the address. @throws MmError */
  mmap(args: MmapArgs): number {
    return this.run(mmapProtocol(this, args));
  }
  /** Unmaps; holes are fine. @throws MmError */
  munmap(addr: number, length: number): void {
    this.run(munmapProtocol(this, addr, length));
  }
  /** Changes the protection, bits of PROT. @throws MmError */
  mprotect(addr: number, length: number, prot: number): void {
    this.run(mprotectProtocol(this, addr, length, prot));
  }
  /** Resizes or moves, bits of MREMAP; returns the address. @throws MmError */
  mremap(addr: number, oldLength: number, newLength: number, flags: number, newAddr = 0): number {
    return this.run(mremapProtocol(this, { addr, oldLength, newLength, flags, newAddr }));
  }
  /** Moves the break; returns the break afterwards. */
  brk(addr: number): number {
    return this.run(brkProtocol(this, addr));
  }
  /** Advises; `advice` is a name without `MADV_`. @throws MmError */
  madvise(addr: number, length: number, advice: string): void {
    this.run(madviseProtocol(this, addr, length, advice));
  }
  /** Locks memory; `onFault` as MLOCK_ONFAULT. @throws MmError */
  mlock(addr: number, length: number, onFault = false): void {
    this.run(mlockProtocol(this, addr, length, onFault ? VM.LOCKED | VM.LOCKONFAULT : VM.LOCKED));
  }
  /** @throws MmError */
  munlock(addr: number, length: number): void {
    this.run(mlockProtocol(this, addr, length, 0));
  }
  /** A page fault at byte `address`; blocks where the kernel would. Signals are results, not errors. */
  fault(address: number, access: FaultAccess = "read", options: FaultOptions = {}): FaultResult {
    return this.run(this.design.fault(this, address, access, options));
  }
  /** A copy as fork makes it, in the same arena, with the same open files. */
  fork(): AddressSpace {
    const { arena, files, layout, mmapBase, mmapMinAddr, stackGuardGapPages, maxMapCount } = this;
    const limits = { layout, mmapBase, mmapMinAddr, stackGuardGapPages, maxMapCount };
    const child = AddressSpace.create({ arena, files, design: this.design.name, ...limits });
    this.run(forkProtocol(this, child));
    return child;
  }

  /** All mappings in order, read under mmap_lock. */
  vmas(): VmaInfo[] {
    return this.run(listVmas(this));
  }
  /** The text of /proc/PID/maps. */
  maps(): string {
    return procMaps(this.vmas(), this.files, { startBrk: this.startBrk, brk: this.brkValue });
  }

  /** Puts a mapping in place as it is, without joining: for setting up a recorded list. @throws MmError EEXIST */
  insertRaw(raw: RawVma): void {
    checkAddress("insertRaw: start", raw.start);
    checkAddress("insertRaw: end", raw.end);
    if (raw.end <= raw.start)
      throw new RangeError(`insertRaw: end ${raw.end} is not after start ${raw.start}`);
    this.run(insertRawProtocol(this, raw));
  }

  /** Checks tree, records and counts against each other. @throws Error naming the first violation */
  validate(): void {
    this.tree.tree.assertValid();
    let count = 0;
    let end = 0;
    for (const { first, last, entry } of this.tree.tree.entries()) {
      const vma = new Vma(this.arena, entry * 16);
      const fail = (why: string): never => {
        throw new Error(`validate: VMA ${vma}: ${why}`);
      };
      if (vma.vmStart !== first * PAGE_SIZE || vma.vmEnd !== (last + 1) * PAGE_SIZE) {
        fail(`the tree says pages ${first}..${last}`);
      }
      if (vma.vmStart < end) fail("overlaps the one before");
      if (!vma.isAttached) fail("is in the tree but detached");
      if (vma.mmWord !== this.word) fail("belongs to another address space");
      if ((vma.anonVma === 0) !== (vma.anonChain === 0)) fail(`chain ${vma.anonChain}`);
      end = vma.vmEnd;
      count++;
    }
    if (count !== this.mapCount) throw new Error(`validate: ${count} VMAs, map_count ${this.mapCount}`);
    const [page] = pageViolations(this);
    if (page !== undefined) throw new Error(`validate: ${page}`);
    if (this.mmLockSeq % 2 !== 0) throw new Error("validate: a write section is open");
  }

  toString(): string {
    return [...this.vmas()].map((vma) => `${vma.start.toString(16)} ${permsOf(vma.vmFlags)}`).join("\n");
  }
}

function checkAddress(what: string, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= TASK_SIZE && value % PAGE_SIZE === 0) return;
  throw new RangeError(`${what} must be a multiple of 4096 in 0..${TASK_SIZE}, got ${String(value)}`);
}

function* listVmas(mm: AddressSpace): Protocol<VmaInfo[]> {
  yield* acquire(mm.mmapLock, "read");
  try {
    return Array.from(mm.tree.range(), (vma) => vma.info());
  } finally {
    yield* release(mm.mmapLock, "read");
  }
}

function* insertRawProtocol(mm: AddressSpace, raw: RawVma): Protocol<void> {
  const { start, end, perms = "---p", file = 0, name = "" } = raw;
  yield* mm.design.writeLock(mm);
  try {
    if (mm.tree.intersection(start, end) !== undefined)
      throw new MmError("EEXIST", `insertRaw: ${start}..${end}`);
    const pgoff = raw.pgoff ?? (file === 0 ? start / PAGE_SIZE : 0);
    const vmFlags = raw.vmFlags ?? vmFlagsOfPerms(perms);
    const id = mm.files.nameId(name);
    yield* insertNew(mm, { start, end, pgoff, vmFlags, file, name: id, anonVma: 0, anonChain: 0 });
  } finally {
    yield* mm.design.writeUnlock(mm);
  }
}
