/*
 * mmap (kernel: do_mmap, mmap_region). A fixed mapping over old ones clears their page tables while the tree
 * still leads to them and then replaces them by a single store: readers never see a hole.
 */

import { prepareAnonVma } from "../anon-vma.ts";
import { checkUnsigned, MmError } from "../errors.ts";
import type { OpenFile } from "../file-table.ts";
import { MAP, PAGE_SIZE, PROT, pageAlign, pageFloor, VM } from "../flags.ts";
import { mergeNew, type NewRange } from "../merge.ts";
import type { Mm } from "../mm.ts";
import { type Protocol, work } from "../protocol.ts";
import { beginStore, endStore } from "../store.ts";
import { Vma } from "../vma.ts";
import { detachVmas, gatherVmas, underWriteLock, zapVmas } from "./common.ts";
import { unmappedArea } from "./unmapped-area.ts";

/** Arguments of mmap. Numbers are bytes. */
export interface MmapArgs {
  /** A hint, or with MAP.FIXED the place. Default 0. */
  readonly addr?: number;
  readonly length: number;
  /** Bits of PROT. */
  readonly prot: number;
  /** Bits of MAP. */
  readonly flags: number;
  /** Id of an open file; left out for anonymous memory. */
  readonly file?: number;
  readonly offset?: number;
}

/**
 * Maps; the result is the address.
 *
 * @throws MmError EINVAL, ENOMEM, EOVERFLOW, EBADF, EEXIST, EACCES, EOPNOTSUPP, EPERM, in the kernel's order
 * @throws RangeError for arguments that are no unsigned integers
 */
export function* mmapProtocol(mm: Mm, args: MmapArgs): Protocol<number> {
  const { addr = 0, length, offset = 0 } = args;
  checkUnsigned("mmap: addr", addr);
  checkUnsigned("mmap: length", length);
  checkUnsigned("mmap: offset", offset);
  if (offset % PAGE_SIZE !== 0) throw new MmError("EINVAL", `mmap: offset ${offset} is not page-aligned`);
  const anonymous = (args.flags & MAP.ANONYMOUS) !== 0;
  const file = anonymous ? undefined : mm.files.get(args.file ?? 0);
  if (!anonymous && file === undefined) throw new MmError("EBADF", `mmap: no open file ${args.file}`);
  return yield* underWriteLock(mm, function* () {
    const range = prepareRange(mm, args, file);
    yield* mapRange(mm, range);
    if ((args.flags & (MAP.POPULATE | MAP.LOCKED)) !== 0) populate(mm, range.start, range.end);
    return range.start;
  });
}

/** Validates and places: what will be mapped, where. Under the write lock. */
function prepareRange(mm: Mm, args: MmapArgs, file: OpenFile | undefined): NewRange {
  const { addr = 0, prot, offset = 0 } = args;
  const fixed = (args.flags & (MAP.FIXED | MAP.FIXED_NOREPLACE)) !== 0;
  const flags = fixed ? args.flags | MAP.FIXED : args.flags;
  if (args.length === 0) throw new MmError("EINVAL", "mmap: length is 0");
  const length = pageAlign(args.length);
  if (length === 0) throw new MmError("ENOMEM", "mmap: length overflows");
  if (offset + length > 2 ** 64) throw new MmError("EOVERFLOW", "mmap: offset + length overflows");
  if (mm.mapCount > mm.maxMapCount)
    throw new MmError("ENOMEM", `mmap: above max_map_count ${mm.maxMapCount}`);
  const pgoff = offset / PAGE_SIZE;
  const hint = fixed ? addr : hintAboveMinimum(mm, addr);
  const start = unmappedArea(mm, { addr: hint, length, flags, pgoff, file: file?.id ?? 0 });
  const end = start + length;
  if ((args.flags & MAP.FIXED_NOREPLACE) !== 0 && mm.tree.intersection(start, end) !== undefined) {
    throw new MmError("EEXIST", `mmap: something is mapped at ${start}..${end}`);
  }
  const vmFlags = mmapVmFlags(prot, flags, file);
  const shared = (vmFlags & VM.MAYSHARE) !== 0;
  const id = file?.id ?? (shared ? mm.newShmem(length / PAGE_SIZE).id : 0);
  const place = file === undefined ? (shared ? 0 : start / PAGE_SIZE) : pgoff;
  return { start, end, pgoff: place, vmFlags, file: id, name: 0, anonVma: 0, anonChain: 0 };
}

function hintAboveMinimum(mm: Mm, addr: number): number {
  const hint = pageFloor(addr);
  return hint !== 0 && hint < mm.mmapMinAddr ? mm.mmapMinAddr : hint;
}

function mmapVmFlags(prot: number, flags: number, file: OpenFile | undefined): number {
  let vmFlags = (prot & (PROT.READ | PROT.WRITE | PROT.EXEC)) | VM.MAYREAD | VM.MAYWRITE | VM.MAYEXEC;
  if ((flags & MAP.GROWSDOWN) !== 0) vmFlags |= VM.GROWSDOWN;
  if ((flags & MAP.LOCKED) !== 0) vmFlags |= VM.LOCKED;
  if (file === undefined) vmFlags |= anonymousFlags(flags);
  else vmFlags |= fileFlags(prot, flags, file);
  if (file !== undefined && !file.writable && (vmFlags & VM.MAYSHARE) !== 0) {
    vmFlags &= ~(VM.MAYWRITE | VM.SHARED);
  }
  if ((flags & MAP.NORESERVE) !== 0) vmFlags |= VM.NORESERVE;
  const accountable = vmFlags & (VM.NORESERVE | VM.SHARED | VM.WRITE);
  return accountable === VM.WRITE ? vmFlags | VM.ACCOUNT : vmFlags;
}

function anonymousFlags(flags: number): number {
  switch (flags & MAP.TYPE) {
    case MAP.SHARED:
      if ((flags & MAP.GROWSDOWN) !== 0) throw new MmError("EINVAL", "mmap: shared memory cannot grow down");
      return VM.SHARED | VM.MAYSHARE;
    case MAP.PRIVATE:
      return 0;
    default:
      throw new MmError("EINVAL", "mmap: anonymous memory is MAP_SHARED or MAP_PRIVATE");
  }
}

function fileFlags(prot: number, flags: number, file: OpenFile): number {
  const type = flags & MAP.TYPE;
  if (type !== MAP.SHARED && type !== MAP.PRIVATE && type !== MAP.SHARED_VALIDATE) {
    throw new MmError("EINVAL", `mmap: no mapping type ${type}`);
  }
  if (type === MAP.SHARED_VALIDATE && (flags & MAP.SYNC) !== 0) {
    throw new MmError("EOPNOTSUPP", `mmap: MAP_SYNC on ${file.name}`);
  }
  const shared = type !== MAP.PRIVATE;
  if (shared && (prot & PROT.WRITE) !== 0 && !file.writable) {
    throw new MmError("EACCES", `mmap: ${file.name} is not open for writing`);
  }
  if (!file.readable) throw new MmError("EACCES", `mmap: ${file.name} is not open for reading`);
  if ((flags & MAP.GROWSDOWN) !== 0) throw new MmError("EINVAL", "mmap: a file mapping cannot grow down");
  return shared ? VM.SHARED | VM.MAYSHARE : 0;
}

/** Puts `range` in place of whatever is there, joined to its neighbours if they fit (kernel: mmap_region). */
export function* mapRange(mm: Mm, range: NewRange): Protocol<Vma> {
  const replaced = yield* gatherVmas(mm, range.start, range.end);
  yield* zapVmas(mm, replaced);
  const vma = (yield* mergeNew(mm, range)) ?? (yield* insertNew(mm, range));
  yield* detachVmas(mm, replaced);
  for (const old of replaced) yield* mm.design.vmaFree(mm, old);
  return vma;
}

/** A VMA of its own for `range`, with one store. @throws MmError ENOMEM, with nothing changed */
export function* insertNew(mm: Mm, range: NewRange): Protocol<Vma> {
  yield* work("alloc-vma");
  const vma = Vma.alloc(mm.arena, mm.word);
  vma.setRange(range.start, range.end, range.pgoff);
  vma.vmFlags = range.vmFlags;
  vma.file = range.file;
  vma.name = range.name;
  vma.setAnonVma(range.anonVma, range.anonChain);
  yield* mm.design.vmaStartWrite(mm, vma);
  yield* beginStore(mm);
  try {
    mm.tree.store(range.start, range.end, vma);
    vma.isAttached = true;
    mm.mapCount++;
  } catch (error) {
    mm.releaseVma(vma);
    throw error;
  } finally {
    yield* endStore(mm);
  }
  return vma;
}

/** What writing to all of `[start, end)` does to its VMAs: private writable ones get an anon_vma. */
export function populate(mm: Mm, start: number, end: number): void {
  for (const vma of mm.tree.range(start, end)) {
    if ((vma.vmFlags & (VM.WRITE | VM.SHARED)) === VM.WRITE) prepareAnonVma(mm, vma);
  }
}
