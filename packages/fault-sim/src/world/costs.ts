import type { WorkKind } from "@faultline/mm";

/**
 * Private work in nanoseconds, by the names mm's protocols give it. The parts of a fault, with zeroing, locks and
 * a share of refilling the page list, give the published one-thread rate of pft on broadwell-56 (0.51 million a
 * second). How they divide is assumed; the mapping costs follow a measurement of 3.4 us for mmap and munmap of an
 * untouched range. Zeroing and copying a page are the machine's business (`Machine.zeroPage`); the figure of
 * `copy-page` comes on top of that, for reading the source.
 */
export const COSTS: Readonly<Record<WorkKind, number>> = {
  "fault-entry": 600,
  "syscall-entry": 300,
  "walk-tree": 80,
  "walk-page-table": 100,
  "alloc-page": 575,
  "alloc-page-table": 500,
  "zero-page": 0,
  "copy-page": 200,
  "install-pte": 150,
  "zap-pte": 45,
  "change-pte": 30,
  "flush-tlb": 200,
  "alloc-vma": 350,
  "store-tree": 500,
};

/** Nanoseconds to move one batch of pages between a CPU's list and its zone, under the zone's lock. */
export const REFILL_NS = 1500;
/** Pages in such a batch. */
export const ZONE_BATCH = 63;
