/*
 * anon_vma: the mark of a VMA that has private pages, and what lets neighbours join afterwards.
 * Here it is an id and the length of the chain; there is no reverse mapping to look through.
 */

import { VM_ACCESS, VM_IGNORE_MERGE } from "./flags.ts";
import type { Mm } from "./mm.ts";
import type { Vma } from "./vma.ts";

/** What of a range decides about its anon_vma when it joins. */
export interface AnonState {
  readonly anonVma: number;
  readonly anonChain: number;
}

/** Whether a range can join `stays` and go by its anon_vma, or give it its own (6.18: is_mergeable_anon_vma). */
export function anonJoins(stays: AnonState, moves: AnonState): boolean {
  if (stays.anonVma === moves.anonVma) return true;
  if (stays.anonVma === 0) return moves.anonChain === 1;
  return moves.anonVma === 0 && stays.anonChain === 1;
}

/** Whether both sides of a join can end up in one VMA: equal, or one has none. */
export function anonCompatible(left: AnonState, right: AnonState): boolean {
  return left.anonVma === right.anonVma || left.anonVma === 0 || right.anonVma === 0;
}

/** Gives `to` the anon_vma of `from` if it has none (kernel: dup_anon_vma). */
export function dupAnonVma(to: Vma, from: AnonState): void {
  if (to.anonVma === 0 && from.anonVma !== 0) to.setAnonVma(from.anonVma, from.anonChain);
}

/**
 * Makes sure that `vma` has an anon_vma, before its first private page: that of a neighbour which differs in
 * access only and continues the offset (right first), or a new one. Under mmap_lock or the VMA's lock, and the
 * page-table lock (kernel: __anon_vma_prepare).
 */
export function prepareAnonVma(mm: Mm, vma: Vma): void {
  if (vma.anonVma !== 0) return;
  const next = mm.tree.at(vma.vmEnd);
  const prev = mm.tree.prev(vma.vmStart);
  let anonVma = 0;
  if (next !== undefined && isReusable(next, vma, next)) anonVma = next.anonVma;
  else if (prev?.vmEnd === vma.vmStart && isReusable(prev, prev, vma)) anonVma = prev.anonVma;
  vma.setAnonVma(anonVma === 0 ? mm.newAnonVma() : anonVma, 1);
}

function isReusable(from: Vma, left: Vma, right: Vma): boolean {
  const differs = (left.vmFlags ^ right.vmFlags) & ~(VM_ACCESS | VM_IGNORE_MERGE);
  if (from.anonChain !== 1 || differs !== 0 || left.file !== right.file) return false;
  return left.vmPgoff + left.pages === right.vmPgoff;
}
