/*
 * mremap (kernel 6.18: do_mremap). In place where it can; a move copies the VMA, moves the page tables and
 * unmaps the source, which is named by address from then on: the copy may have joined it.
 */

import { checkUnsigned, MmError } from "../errors.ts";
import { MAP, MREMAP, PAGE_SIZE, pageAlign, TASK_SIZE, VM, VM_LOCKED_MASK } from "../flags.ts";
import { mergeNew } from "../merge.ts";
import type { Mm } from "../mm.ts";
import type { Protocol } from "../protocol.ts";
import type { Vma } from "../vma.ts";
import { type Bracket, underWriteLock, unmapRange } from "./common.ts";
import { insertNew } from "./mmap.ts";
import { checkUnmap } from "./munmap.ts";
import { unmappedArea } from "./unmapped-area.ts";

/** Arguments of mremap, bytes. */
export interface MremapArgs {
  readonly addr: number;
  readonly oldLength: number;
  readonly newLength: number;
  /** Bits of MREMAP. */
  readonly flags: number;
  /** The place, with MREMAP.FIXED; a hint with MREMAP.DONTUNMAP alone. Default 0. */
  readonly newAddr?: number;
}

interface Remap {
  readonly addr: number;
  readonly oldLength: number;
  readonly newLength: number;
  readonly flags: number;
  readonly newAddr: number;
}

const KNOWN = MREMAP.MAYMOVE | MREMAP.FIXED | MREMAP.DONTUNMAP;

/**
 * Resizes or moves; the result is the address.
 *
 * @throws MmError EINVAL, EFAULT (nothing mapped, or across mappings), ENOMEM, EPERM (sealed)
 */
export function* mremapProtocol(mm: Mm, args: MremapArgs): Protocol<number> {
  for (const name of ["addr", "oldLength", "newLength"] as const)
    checkUnsigned(`mremap: ${name}`, args[name]);
  checkUnsigned("mremap: newAddr", args.newAddr ?? 0);
  return yield* underWriteLock(mm, function* (bracket) {
    const remap: Remap = {
      addr: args.addr,
      oldLength: pageAlign(args.oldLength),
      newLength: pageAlign(args.newLength),
      flags: args.flags,
      newAddr: args.newAddr ?? 0,
    };
    checkParameters(mm, remap);
    if ((remap.flags & MREMAP.FIXED) !== 0 && remap.oldLength === remap.newLength) {
      return yield* moveAll(mm, remap);
    }
    checkSource(mm, remap);
    return yield* impliesNewAddress(remap) ? moveTo(mm, remap) : resizeAt(mm, remap, bracket);
  });
}

function impliesNewAddress(remap: Remap): boolean {
  return (remap.flags & (MREMAP.FIXED | MREMAP.DONTUNMAP)) !== 0;
}

function checkParameters(mm: Mm, remap: Remap): void {
  const { addr, oldLength, newLength, flags, newAddr } = remap;
  const invalid = (why: string): never => {
    throw new MmError("EINVAL", `mremap: ${why}`);
  };
  if ((flags & ~KNOWN) !== 0) invalid(`unknown flags ${flags}`);
  if (addr % PAGE_SIZE !== 0) invalid(`address ${addr} is not page-aligned`);
  if (newLength === 0) invalid("new length is 0");
  if (newLength > TASK_SIZE) invalid(`new length ${newLength} is more than user space`);
  if (!impliesNewAddress(remap)) return;
  if (newAddr > TASK_SIZE - newLength) invalid(`new address ${newAddr} is beyond user space`);
  if (newAddr % PAGE_SIZE !== 0) invalid(`new address ${newAddr} is not page-aligned`);
  if ((flags & MREMAP.MAYMOVE) === 0) invalid("a new address needs MAYMOVE");
  if ((flags & MREMAP.DONTUNMAP) !== 0 && oldLength !== newLength) invalid("DONTUNMAP does not resize");
  if (addr < newAddr + newLength && newAddr < addr + oldLength) invalid("old and new range overlap");
  if (mm.mapCount + 2 >= mm.maxMapCount - 3) throw new MmError("ENOMEM", "mremap: too near max_map_count");
}

/** The VMA to resize or move (kernel: check_prep_vma). */
function checkSource(mm: Mm, remap: Remap): Vma {
  const { addr, oldLength, newLength } = remap;
  const vma = mm.tree.at(addr);
  if (vma === undefined) throw new MmError("EFAULT", `mremap: nothing is mapped at ${addr}`);
  if ((vma.vmFlags & VM.SEALED) !== 0) throw new MmError("EPERM", `mremap: ${vma} is sealed`);
  if (newLength <= oldLength && !impliesNewAddress(remap)) return vma;
  if (oldLength === 0 && (vma.vmFlags & (VM.SHARED | VM.MAYSHARE)) === 0) {
    throw new MmError("EINVAL", "mremap: only shared memory can be duplicated");
  }
  const fixedSize = (vma.vmFlags & (VM.DONTEXPAND | VM.PFNMAP)) !== 0;
  if (fixedSize && (remap.flags & MREMAP.DONTUNMAP) !== 0) throw new MmError("EINVAL", `mremap: ${vma}`);
  if (Math.min(oldLength, newLength) > vma.vmEnd - addr)
    throw new MmError("EFAULT", `mremap: the range leaves ${vma}`);
  if (newLength > oldLength && fixedSize) throw new MmError("EFAULT", `mremap: ${vma} cannot expand`);
  return vma;
}

function* resizeAt(mm: Mm, remap: Remap, bracket: Bracket): Protocol<number> {
  const { addr, oldLength, newLength } = remap;
  if (newLength === oldLength) return addr;
  if (newLength < oldLength) {
    const end = checkUnmap(addr + newLength, oldLength - newLength);
    yield* unmapRange(mm, addr + newLength, end, bracket);
    return addr;
  }
  const vma = mm.tree.at(addr)!;
  if (vma.vmEnd - addr === oldLength && (yield* growInPlace(mm, vma, newLength - oldLength))) return addr;
  if ((remap.flags & MREMAP.MAYMOVE) === 0) throw new MmError("ENOMEM", `mremap: no room behind ${vma}`);
  return yield* moveVma(mm, remap, place(mm, vma, remap, 0));
}

/** Extends `vma` at its end if that is free; joins the mapping behind if the gap is filled. */
function* growInPlace(mm: Mm, vma: Vma, delta: number): Protocol<boolean> {
  const start = vma.vmEnd;
  const end = start + delta;
  if (end > TASK_SIZE || mm.tree.intersection(start, end) !== undefined) return false;
  const { vmFlags, file, name, anonVma, anonChain } = vma;
  const pgoff = vma.pgoffAt(start);
  const grown = yield* mergeNew(mm, { start, end, pgoff, vmFlags, file, name, anonVma, anonChain });
  if (grown === undefined) throw new MmError("ENOMEM", `mremap: ${vma} cannot expand`);
  return true;
}

/** Moves every mapping of the range, keeping the distances between them (6.17 and later: remap_move). */
function* moveAll(mm: Mm, remap: Remap): Protocol<number> {
  const end = remap.addr + remap.oldLength;
  const shift = remap.newAddr - remap.addr;
  let moved = false;
  for (let at = remap.addr; at < end; ) {
    const vma = mm.tree.intersection(at, end);
    if (vma === undefined) break;
    const from = Math.max(vma.vmStart, at);
    if (!moved && from > remap.addr) break;
    const length = Math.min(vma.vmEnd, end) - from;
    const part = { ...remap, addr: from, newAddr: from + shift, oldLength: length, newLength: length };
    checkSource(mm, part);
    yield* moveTo(mm, part);
    moved = true;
    at = from + length;
  }
  if (!moved) throw new MmError("EFAULT", `mremap: nothing is mapped at ${remap.addr}`);
  return remap.newAddr;
}

function* moveTo(mm: Mm, remap: Remap): Protocol<number> {
  const { addr, newLength, newAddr } = remap;
  let { oldLength } = remap;
  if ((remap.flags & MREMAP.FIXED) !== 0) yield* unmapRange(mm, newAddr, checkUnmap(newAddr, newLength));
  if (oldLength > newLength) {
    yield* unmapRange(mm, addr + newLength, checkUnmap(addr + newLength, oldLength - newLength));
    oldLength = newLength;
  }
  const vma = mm.tree.at(addr);
  if (vma === undefined) throw new MmError("EFAULT", `mremap: nothing is mapped at ${addr}`);
  return yield* moveVma(mm, { ...remap, oldLength }, place(mm, vma, remap, newAddr));
}

function place(mm: Mm, vma: Vma, remap: Remap, hint: number): number {
  const shared = (vma.vmFlags & VM.MAYSHARE) !== 0;
  const fixed = (remap.flags & MREMAP.FIXED) !== 0 ? MAP.FIXED : 0;
  const flags = fixed | (shared ? MAP.SHARED : MAP.PRIVATE);
  const pgoff = vma.pgoffAt(remap.addr);
  return unmappedArea(mm, { addr: hint, length: remap.newLength, flags, pgoff, file: vma.file });
}

/** Copies, moves the page tables, removes the source (kernel: move_vma). */
function* moveVma(mm: Mm, remap: Remap, newAddr: number): Protocol<number> {
  const { addr, oldLength, newLength } = remap;
  if (mm.mapCount >= mm.maxMapCount - 3) throw new MmError("ENOMEM", "mremap: too near max_map_count");
  const vma = mm.tree.at(addr)!;
  const whole = vma.vmStart === addr && vma.vmEnd === addr + oldLength;
  yield* mm.design.vmaStartWrite(mm, vma);
  const { vmFlags, file, name, anonVma, anonChain } = vma;
  // Memory without pages takes the offset of its new place, so that it can join there.
  const pgoff = file === 0 && anonVma === 0 ? newAddr / PAGE_SIZE : vma.pgoffAt(addr);
  const range = { start: newAddr, end: newAddr + newLength, pgoff, vmFlags, file, name, anonVma, anonChain };
  const copy = (yield* mergeNew(mm, range)) ?? (yield* insertNew(mm, range));
  if (mm.pages !== undefined) yield* mm.pages.move(mm, addr, newAddr, Math.min(oldLength, newLength));
  if ((remap.flags & MREMAP.DONTUNMAP) !== 0) yield* leaveEmpty(mm, addr, copy, whole);
  else if (oldLength > 0) yield* unmapRange(mm, addr, addr + oldLength);
  return newAddr;
}

function* leaveEmpty(mm: Mm, addr: number, copy: Vma, whole: boolean): Protocol<void> {
  const source = mm.tree.at(addr)!;
  yield* mm.design.vmaStartWrite(mm, source);
  source.vmFlags &= ~VM_LOCKED_MASK;
  if (whole && source.word !== copy.word) source.setAnonVma(0, 0);
}
