import { checkUnsigned, MmError } from "./errors.ts";
import { PAGE_SIZE, pageAlign, TASK_SIZE, VM } from "./flags.ts";
import { mergeNew } from "./merge.ts";
import type { Mm } from "./mm.ts";
import type { Protocol } from "./protocol.ts";
import { type Bracket, underWriteLock, unmapRange } from "./syscalls/common.ts";
import { insertNew } from "./syscalls/mmap.ts";
import { startWithGap } from "./syscalls/unmapped-area.ts";

const HEAP_FLAGS = VM.READ | VM.WRITE | VM.MAYREAD | VM.MAYWRITE | VM.MAYEXEC | VM.ACCOUNT;

/**
 * Moves the break to `addr`; the result is the break afterwards, the old one if that was refused. Never throws
 * an MmError (kernel: brk).
 */
export function* brkProtocol(mm: Mm, addr: number): Protocol<number> {
  checkUnsigned("brk: addr", addr);
  return yield* underWriteLock(mm, function* (bracket) {
    try {
      yield* moveBreak(mm, addr, bracket);
    } catch (error) {
      if (!(error instanceof MmError)) throw error;
    }
    return mm.brkValue;
  });
}

function* moveBreak(mm: Mm, addr: number, bracket: Bracket): Protocol<void> {
  const { startBrk, brkValue } = mm;
  if (addr < startBrk || addr > TASK_SIZE) return;
  const from = pageAlign(brkValue);
  const to = pageAlign(addr);
  if (to < from) {
    const vma = mm.tree.find(to);
    if (vma === undefined || vma.vmStart >= from) return;
    yield* unmapRange(mm, to, from, bracket);
  } else if (to > from) {
    const next = mm.tree.find(from);
    if (next !== undefined && to + PAGE_SIZE > startWithGap(mm, next)) return;
    yield* growBreak(mm, from, to);
  }
  mm.setBreak(startBrk, addr);
}

function* growBreak(mm: Mm, start: number, end: number): Protocol<void> {
  if (mm.mapCount > mm.maxMapCount) throw new MmError("ENOMEM", "brk: above max_map_count");
  const pgoff = start / PAGE_SIZE;
  const range = { start, end, pgoff, vmFlags: HEAP_FLAGS, file: 0, name: 0, anonVma: 0, anonChain: 0 };
  const prev = mm.tree.prev(start);
  // A mapping before the heap is never extended, even if it ends where the heap starts.
  const inHeap = prev !== undefined && prev.vmEnd > mm.startBrk;
  const grown = inHeap ? yield* mergeNew(mm, { ...range, justExpand: true }) : undefined;
  if (grown === undefined) yield* insertNew(mm, range);
}
