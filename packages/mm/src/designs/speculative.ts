/*
 * What the designs share whose faults hold nothing: a copy of the VMA's fields, and an installation that is
 * decided by a check under the page-table lock. Whoever removes or changes mappings first makes the check fail and
 * then clears PTEs under the same lock; so a page is either installed before and cleared, or not installed.
 */

import type { FaultReason } from "../fault-types.ts";
import { PAGE_SIZE } from "../flags.ts";
import type { Mm } from "../mm.ts";
import { isTableDead, pteWord, tableLock, walkTables } from "../page-table.ts";
import { acquire, type Protocol, release, step, work } from "../protocol.ts";
import type { PlanSource } from "../pte-plan.ts";
import type { Vma } from "../vma.ts";

/** What a fault remembers of a VMA it does not hold. Fields may be torn until a check says otherwise. */
export interface VmaCopy extends PlanSource {
  readonly start: number;
  readonly end: number;
  readonly anonVma: number;
}

/** Copies the fields a fault needs. In an RCU section. */
export function copyVma(vma: Vma): VmaCopy {
  const { start, end, vmFlags, file, pgoff, anonVma } = vma.info();
  const pgoffAt = (address: number): number => pgoff + (address - start) / PAGE_SIZE;
  return { start, end, vmFlags, file, anonVma, pgoffAt };
}

/** What a fault has found, for the name of a step. */
export function describeVma(vma: Vma | undefined): string {
  if (vma === undefined) return "nothing";
  return vma.anonVma === 0 ? `${vma}` : `${vma} with anon_vma`;
}

/** What is to be installed where, provided that. */
export interface Speculation {
  readonly page: number;
  /** The PTE when the plan was made. */
  readonly orig: number;
  readonly pte: number;
  /** Asked under the page-table lock: is what was read of the VMA still true? */
  isValid(): boolean;
}

/**
 * Installs the page if nothing has changed. In an RCU section, so that the table stays memory of a table.
 *
 * @returns the empty string if the PTE is in place or somebody else has put one there, else why not
 */
export function* installIfValid(mm: Mm, speculation: Speculation): Protocol<FaultReason> {
  const { page, orig, pte } = speculation;
  yield* work("walk-page-table");
  const table = walkTables(mm, page);
  if (table === 0) return "no-page-table";
  const lock = tableLock(mm.arena, table);
  yield* acquire(lock, "write");
  yield* step("re-check under the page-table lock");
  const reason = verdict(mm, table, speculation);
  const word = pteWord(table, page);
  if (reason === "" && Atomics.load(mm.arena.i32, word) === orig) {
    yield* work("install-pte");
    Atomics.store(mm.arena.i32, word, pte);
  } else yield* step(reason === "" ? "somebody else was faster" : `discard: ${reason}`);
  yield* release(lock, "write");
  return reason;
}

function verdict(mm: Mm, table: number, speculation: Speculation): FaultReason {
  if (isTableDead(mm.arena, table)) return "no-page-table";
  return speculation.isValid() ? "" : "changed";
}
