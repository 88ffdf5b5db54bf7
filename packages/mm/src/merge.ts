/*
 * Joining neighbours (mm-locking §14; kernel: vma_merge_new_range, vma_merge_existing_range, vma_expand).
 *
 * Every join is one tree store that makes the survivor cover the result. The store is the only step that can
 * fail, and it comes first: after it bounds, anon_vma and the removed VMAs follow without a yield between, so
 * no other CPU sees a half. All VMAs concerned are write-locked before (design.vmaStartWrite).
 */

import { type AnonState, anonCompatible, anonJoins, dupAnonVma } from "./anon-vma.ts";
import { PAGE_SIZE, VM, VM_IGNORE_MERGE, VM_SPECIAL } from "./flags.ts";
import type { Mm } from "./mm.ts";
import type { Protocol } from "./protocol.ts";
import { splitVma } from "./split.ts";
import { beginStore, endStore } from "./store.ts";
import type { Vma } from "./vma.ts";

/** A range that is not in the tree and wants to be. */
export interface NewRange extends AnonState {
  readonly start: number;
  readonly end: number;
  readonly pgoff: number;
  readonly vmFlags: number;
  readonly file: number;
  readonly name: number;
  /** Only extend the VMA before, do not look at the next (brk). */
  readonly justExpand?: boolean;
}

type Attributes = Omit<NewRange, "start" | "end" | "justExpand">;

function sameAttributes(vma: Vma, range: Attributes): boolean {
  if (((vma.vmFlags ^ range.vmFlags) & ~VM_IGNORE_MERGE) !== 0) return false;
  return vma.file === range.file && vma.name === range.name && anonJoins(vma, range);
}

function joinsAfter(prev: Vma | undefined, start: number, range: Attributes): boolean {
  if (prev === undefined || prev.vmEnd !== start || !sameAttributes(prev, range)) return false;
  return prev.vmPgoff + prev.pages === range.pgoff;
}

function joinsBefore(next: Vma | undefined, start: number, end: number, range: Attributes): boolean {
  if (next === undefined || next.vmStart !== end || !sameAttributes(next, range)) return false;
  return range.pgoff + (end - start) / PAGE_SIZE === next.vmPgoff;
}

/**
 * Lets a new range join its neighbours. What the tree holds inside `[start, end)` is overwritten by the store;
 * the caller has gathered it.
 *
 * @returns the VMA that covers the range, or `undefined` if none joins and the caller must insert one
 * @throws MmError ENOMEM, with nothing changed
 */
export function* mergeNew(mm: Mm, range: NewRange): Protocol<Vma | undefined> {
  if ((range.vmFlags & VM_SPECIAL) !== 0) return undefined;
  const { start, end } = range;
  const prev = mm.tree.prev(start);
  const next = range.justExpand === true ? undefined : mm.tree.at(end);
  const left = joinsAfter(prev, start, range);
  let right = joinsBefore(next, start, end, range);
  if (left && right) right = anonCompatible(prev!, next!) && !next!.hasClose;
  if (!left && !right) return undefined;
  const survivor = left ? prev! : next!;
  yield* join(mm, survivor, {
    start: left ? prev!.vmStart : start,
    end: right ? next!.vmEnd : end,
    pgoff: left ? prev!.vmPgoff : range.pgoff,
    anonFrom: [range],
    removed: left && right ? [next!] : [],
    vmFlags: range.vmFlags,
  });
  return survivor;
}

/**
 * Lets `[start, end)` inside `vma`, which is about to have `vmFlags`, join its neighbours. The flags of the VMA
 * it is taken from stay.
 *
 * @returns the survivor, or `undefined` if nothing joins
 * @throws MmError ENOMEM, with nothing changed
 */
export function* mergeExisting(
  mm: Mm,
  vma: Vma,
  start: number,
  end: number,
  vmFlags: number,
): Protocol<Vma | undefined> {
  const atLeft = start === vma.vmStart;
  const atRight = end === vma.vmEnd;
  if ((vmFlags & VM_SPECIAL) !== 0 || (!atLeft && !atRight)) return undefined;
  const { file, name, anonVma, anonChain } = vma;
  const range = { vmFlags, file, name, anonVma, anonChain, pgoff: vma.pgoffAt(start) };
  const prev = atLeft ? mm.tree.prev(start) : undefined;
  const next = atRight ? mm.tree.at(end) : undefined;
  const left = joinsAfter(prev, start, range);
  let right = joinsBefore(next, start, end, range);
  if (left && right) right = anonCompatible(prev!, next!) && !next!.hasClose;
  const whole = atLeft && atRight;
  if ((!left && !right) || (whole && vma.hasClose)) return undefined;
  const survivor = left ? prev! : next!;
  const removed = whole ? [vma] : [];
  if (left && right) removed.push(next!);
  yield* join(mm, survivor, {
    start: left ? prev!.vmStart : start,
    end: right ? next!.vmEnd : end,
    pgoff: left ? prev!.vmPgoff : range.pgoff,
    anonFrom: [vma],
    removed,
    vmFlags,
    ...(whole ? {} : { cut: vma }),
  });
  return survivor;
}

/** Makes `vma` cover `[start, end)`, which contains it; a next VMA it reaches over is swallowed. */
export function* expandVma(mm: Mm, vma: Vma, start: number, end: number): Protocol<void> {
  const next = mm.tree.intersection(vma.vmEnd, end);
  const pgoff = vma.pgoffAt(start);
  const removed = next === undefined ? [] : [next];
  yield* join(mm, vma, { start, end, pgoff, anonFrom: [], removed, vmFlags: vma.vmFlags });
}

/** Cuts `vma` down to `[start, end)`; the caller has removed the pages of the rest. */
export function* shrinkVma(mm: Mm, vma: Vma, start: number, end: number): Protocol<void> {
  yield* mm.design.vmaStartWrite(mm, vma);
  yield* beginStore(mm);
  try {
    if (vma.vmEnd > end) mm.tree.store(end, vma.vmEnd, undefined);
    if (vma.vmStart < start) mm.tree.store(vma.vmStart, start, undefined);
    vma.setRange(start, end, vma.pgoffAt(start));
  } finally {
    yield* endStore(mm);
  }
}

/**
 * Prepares `[start, end)` of `vma` for `vmFlags`: joined to a neighbour that has them, or split off. The caller
 * sets the flags on the result (kernel: vma_modify_flags).
 *
 * @throws MmError ENOMEM at max_map_count or without memory; a first split may have been done
 */
export function* modifyVma(mm: Mm, vma: Vma, start: number, end: number, vmFlags: number): Protocol<Vma> {
  const joined = yield* mergeExisting(mm, vma, start, end, vmFlags);
  if (joined !== undefined) return joined;
  if (vma.vmStart < start) yield* splitVma(mm, vma, start, "below");
  if (vma.vmEnd > end) yield* splitVma(mm, vma, end, "above");
  return vma;
}

interface Join {
  readonly start: number;
  readonly end: number;
  readonly pgoff: number;
  readonly vmFlags: number;
  readonly anonFrom: readonly AnonState[];
  readonly removed: readonly Vma[];
  /** A VMA that loses the part which the survivor takes. */
  readonly cut?: Vma;
}

function* join(mm: Mm, survivor: Vma, plan: Join): Protocol<void> {
  const { removed, cut } = plan;
  yield* mm.design.vmaStartWrite(mm, survivor);
  if (cut !== undefined) yield* mm.design.vmaStartWrite(mm, cut);
  for (const vma of removed) yield* mm.design.vmaStartWrite(mm, vma);
  yield* beginStore(mm);
  try {
    storeJoined(mm, survivor, plan);
  } finally {
    yield* endStore(mm);
  }
  for (const vma of removed) {
    yield* mm.design.vmaDetach(mm, vma);
    yield* mm.design.vmaFree(mm, vma);
  }
}

function storeJoined(mm: Mm, survivor: Vma, plan: Join): void {
  const { start, end, removed, cut } = plan;
  mm.tree.store(start, end, survivor);
  if (cut !== undefined) {
    if (cut.vmStart >= start) cut.setRange(end, cut.vmEnd, cut.pgoffAt(end));
    else cut.vmEnd = start;
  }
  survivor.setRange(start, end, plan.pgoff);
  for (const from of [...plan.anonFrom, ...removed]) dupAnonVma(survivor, from);
  let sticky = plan.vmFlags;
  for (const vma of removed) sticky |= vma.vmFlags;
  survivor.vmFlags |= sticky & VM.MAYBE_GUARD;
  mm.mapCount -= removed.length;
  for (const vma of removed) vma.isAttached = false;
}
