/*
 * Where a mapping goes when the caller does not insist (kernel: get_unmapped_area of x86-64). Top-down takes the
 * highest gap below mmap_base that fits, and bottom-up as a last resort; both leave the guard gap below a mapping
 * that grows down.
 */

import { MmError } from "../errors.ts";
import { MAP, PAGE_SIZE, pageFloor, TASK_SIZE, VM } from "../flags.ts";
import type { Mm } from "../mm.ts";
import type { Vma } from "../vma.ts";

const HUGE = 2 * 1024 * 1024;
/** TASK_UNMAPPED_BASE: where a bottom-up search starts. */
export const UNMAPPED_BASE: number = Math.ceil(TASK_SIZE / 3 / PAGE_SIZE) * PAGE_SIZE;

/** Lowest address that belongs to a mapping, with the gap it wants below (kernel: vm_start_gap). */
export function startWithGap(mm: Mm, vma: Vma): number {
  if ((vma.vmFlags & VM.GROWSDOWN) === 0) return vma.vmStart;
  return Math.max(0, vma.vmStart - mm.stackGuardGapPages * PAGE_SIZE);
}

/** What a search has to know of the new mapping. */
export interface AreaRequest {
  readonly addr: number;
  readonly length: number;
  readonly flags: number;
  /** Pages. */
  readonly pgoff: number;
  readonly file: number;
}

/** @throws MmError ENOMEM if nothing fits or the range ends beyond user space; EINVAL, EPERM for a bad fixed one */
export function unmappedArea(mm: Mm, request: AreaRequest): number {
  const { addr, length, flags } = request;
  if (length > TASK_SIZE) throw new MmError("ENOMEM", `length ${length} is more than user space`);
  if ((flags & MAP.FIXED) !== 0) return checkFixed(mm, addr, length);
  const hint = pageFloor(addr);
  if (hint !== 0 && hintIsFree(mm, hint, length)) return hint;
  const aligned = hugeAligned(mm, request);
  if (aligned >= 0) return aligned;
  const found = search(mm, length);
  if (found < 0) throw new MmError("ENOMEM", `no gap of ${length} bytes`);
  return found;
}

function checkFixed(mm: Mm, addr: number, length: number): number {
  if (addr > TASK_SIZE - length) throw new MmError("ENOMEM", `address ${addr} is beyond user space`);
  if (addr % PAGE_SIZE !== 0) throw new MmError("EINVAL", `address ${addr} is not page-aligned`);
  if (addr < mm.mmapMinAddr) throw new MmError("EPERM", `address ${addr} is below ${mm.mmapMinAddr}`);
  return addr;
}

function hintIsFree(mm: Mm, hint: number, length: number): boolean {
  if (hint > TASK_SIZE - length) return false;
  const next = mm.tree.find(hint);
  return next === undefined || hint + length <= startWithGap(mm, next);
}

function search(mm: Mm, length: number): number {
  if (mm.layout === "bottom-up") return searchUp(mm, length);
  const found = searchDown(mm, length);
  return found >= 0 ? found : searchUp(mm, length);
}

function searchDown(mm: Mm, length: number): number {
  let max = mm.mmapBase;
  for (;;) {
    const found = mm.tree.gap("down", length, mm.mmapMinAddr, max);
    if (found < 0) return -1;
    const next = mm.tree.find(found + length);
    if (next === undefined || startWithGap(mm, next) >= found + length) return found;
    max = startWithGap(mm, next);
  }
}

function searchUp(mm: Mm, length: number): number {
  let min = UNMAPPED_BASE;
  for (;;) {
    const found = mm.tree.gap("up", length, min, TASK_SIZE);
    if (found < 0) return -1;
    const next = mm.tree.find(found + length);
    if (next === undefined || startWithGap(mm, next) >= found + length) return found;
    min = next.vmEnd;
  }
}

/** Places what could use huge pages so that it can (kernel: __thp_get_unmapped_area); -1: place it normally. */
function hugeAligned(mm: Mm, request: AreaRequest): number {
  const { addr, length, flags, pgoff } = request;
  const file = mm.files.get(request.file);
  const anonymous = file === undefined && (flags & MAP.TYPE) === MAP.PRIVATE;
  if (addr !== 0 || !(anonymous ? length % HUGE === 0 : file?.kind === "disk")) return -1;
  const offset = anonymous ? 0 : pgoff * PAGE_SIZE;
  const firstAligned = Math.ceil(offset / HUGE) * HUGE;
  if (offset + length - firstAligned < HUGE) return -1;
  const found = search(mm, length + HUGE);
  if (found < 0) return -1;
  const shift = (((offset - found) % HUGE) + HUGE) % HUGE;
  return found + (shift === 0 && mm.layout === "top-down" ? HUGE : shift);
}
