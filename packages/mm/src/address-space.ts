/*
 * The calls that a user makes: each drives a protocol on this thread, with real locks. What the protocols work
 * on is in mm.ts.
 */
import { Arena, type ArenaHandle } from "@faultline/arena";
import { brkProtocol } from "./brk.ts";
import { designNamed } from "./designs/index.ts";
import { MmError } from "./errors.ts";
import { runThreads } from "./executors/threads.ts";
import type { FaultAccess, FaultOptions, FaultResult } from "./fault-types.ts";
import { FileTable, type FileTableHandle } from "./file-table.ts";
import { PAGE_SIZE, permsOf, TASK_SIZE, VM, vmFlagsOfPerms } from "./flags.ts";
import {
  createHeader,
  type Design,
  type DesignName,
  type Layout,
  Mm,
  type PageOps,
  treeRootOf,
} from "./mm.ts";
import { pageTableOps } from "./page-table-ops.ts";
import { procMaps } from "./proc-maps.ts";
import { acquire, type Protocol, release } from "./protocol.ts";
import { forkProtocol } from "./syscalls/fork.ts";
import { madviseProtocol } from "./syscalls/madvise.ts";
import { mlockProtocol } from "./syscalls/mlock.ts";
import { insertNew, type MmapArgs, mmapProtocol } from "./syscalls/mmap.ts";
import { mprotectProtocol } from "./syscalls/mprotect.ts";
import { mremapProtocol } from "./syscalls/mremap.ts";
import { munmapProtocol } from "./syscalls/munmap.ts";
import { validateMm } from "./validate.ts";
import type { VmaInfo } from "./vma.ts";
import { VmaTree } from "./vma-tree.ts";

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
export class AddressSpace extends Mm {
  override pages: PageOps | undefined = pageTableOps;

  private constructor(arena: Arena, word: number, tree: VmaTree, design: Design, files: FileTable) {
    super(arena, word, tree, design, files);
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
    const tree = VmaTree.create(arena);
    const limits = { layout, mmapBase, mmapMinAddr, stackGuardGapPages, maxMapCount };
    const word = createHeader(arena, tree, limits);
    const design = designNamed(options.design ?? "mmap-lock");
    const files = options.files ?? new FileTable();
    const mm = new AddressSpace(arena, word, tree, design, files);
    mm.setBreak(startBrk, startBrk);
    return mm;
  }

  /** Opens the address space behind a handle, usually in another worker. */
  static attach(handle: AddressSpaceHandle): AddressSpace {
    const arena = Arena.attach(handle.arena);
    const tree = VmaTree.attach(arena, treeRootOf(arena, handle.word));
    const files = new FileTable(handle.files);
    return new AddressSpace(arena, handle.word, tree, designNamed(handle.design), files);
  }

  handle(): AddressSpaceHandle {
    const { arena, word, design, files } = this;
    return { arena: arena.handle(), word, design: design.name, files: files.handle() };
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

  /** Checks tree, records, page tables and counts against each other. @throws Error naming the first violation */
  validate(): void {
    validateMm(this);
  }

  override toString(): string {
    return [...this.vmas()].map((vma) => `${vma.start.toString(16)} ${permsOf(vma.vmFlags)}`).join("\n");
  }
}

function checkAddress(what: string, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= TASK_SIZE && value % PAGE_SIZE === 0) return;
  throw new RangeError(`${what} must be a multiple of 4096 in 0..${TASK_SIZE}, got ${String(value)}`);
}

function* listVmas(mm: Mm): Protocol<VmaInfo[]> {
  yield* acquire(mm.mmapLock, "read");
  try {
    return Array.from(mm.tree.range(), (vma) => vma.info());
  } finally {
    yield* release(mm.mmapLock, "read");
  }
}

function* insertRawProtocol(mm: Mm, raw: RawVma): Protocol<void> {
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
