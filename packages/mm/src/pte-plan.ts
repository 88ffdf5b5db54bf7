/*
 * What a fault has to install, decided from the mapping and from the PTE as it is (kernel: handle_pte_fault and
 * below it). Deciding takes no lock and changes nothing; the PTE is looked at again before the plan is carried out.
 */

import type { FaultRequest } from "./fault-types.ts";
import { VM } from "./flags.ts";
import type { Mm } from "./mm.ts";
import { makePte, PTE } from "./page-table.ts";
import type { WorkKind } from "./protocol.ts";
import type { VmaInfo } from "./vma.ts";

/** The fields of a mapping that decide; a VMA or a copy of one. */
export type PlanSource = Pick<VmaInfo, "vmFlags" | "file"> & { pgoffAt(address: number): number };

/** How to fill one PTE. */
export interface PtePlan {
  /** Private memory is involved: the VMA must have an anon_vma first. */
  readonly needsAnonVma: boolean;
  /** The mapping's file is asked for the page. */
  readonly fromFile: boolean;
  /** How a new page is filled; `undefined`: no page is allocated. */
  readonly fill: WorkKind | undefined;
  /** The PTE if no page is allocated. */
  readonly pte: number;
  /** The PTE for a new page. */
  pteOf(frame: number): number;
}

const PRIVATE_PAGE = PTE.ANON | PTE.WRITE | PTE.EXCLUSIVE;

function mapExisting(pte: number, fromFile: boolean): PtePlan {
  return { needsAnonVma: false, fromFile, fill: undefined, pte, pteOf: () => pte };
}

function newPage(fill: WorkKind, fromFile: boolean): PtePlan {
  const pteOf = (frame: number): number => makePte(PRIVATE_PAGE, frame);
  return { needsAnonVma: true, fromFile, fill, pte: 0, pteOf };
}

/** The plan for `request` where the PTE is `orig`; `spurious`: there is nothing to do. */
export function planPte(
  mm: Mm,
  vma: PlanSource,
  request: FaultRequest,
  orig: number,
): PtePlan | "spurious" | "SIGBUS" {
  const writes = request.access === "write";
  const shared = (vma.vmFlags & VM.SHARED) !== 0;
  if (orig !== 0) return writes ? planWriteTo(orig, shared) : "spurious";
  if (vma.file === 0) {
    return writes ? newPage("zero-page", false) : mapExisting(makePte(PTE.ZERO, 0), false);
  }
  const pgoff = vma.pgoffAt(request.page);
  const file = mm.files.get(vma.file);
  if (file !== undefined && pgoff >= file.pages) return "SIGBUS";
  if (writes && !shared) return newPage("copy-page", true);
  return mapExisting(makePte(PTE.FILE | (writes ? PTE.WRITE : 0), pgoff), true);
}

/** A write to a page that is present (kernel: do_wp_page). */
function planWriteTo(orig: number, shared: boolean): PtePlan | "spurious" {
  if ((orig & PTE.WRITE) !== 0) return "spurious";
  const reuse = (orig & PTE.EXCLUSIVE) !== 0 || ((orig & PTE.FILE) !== 0 && shared);
  if (reuse) return mapExisting(orig | PTE.WRITE, false);
  return newPage((orig & PTE.ZERO) !== 0 ? "zero-page" : "copy-page", false);
}
