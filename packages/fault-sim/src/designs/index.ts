import type { DesignName } from "@faultline/mm";
import { SimError } from "../errors.ts";

/** A locking design of @faultline/mm; what it does is mm's own code (mm's `designs`), driven by simulated cores. */
export interface SimDesign {
  readonly name: DesignName;
  readonly title: string;
  /** Updates of the hottest shared line per fault, and whose line it is: the ceiling is 1 / (r x hand-over). */
  readonly updates: string;
}

/** The designs on offer, those of the kernel first. */
export const DESIGNS: readonly SimDesign[] = [
  {
    name: "mmap-lock",
    title: "mmap_lock, one reader-writer lock per process (Linux up to 6.3)",
    updates: "2 of one line per process",
  },
  {
    name: "per-vma-lock",
    title: "a lock per VMA, found under RCU (Linux 6.4)",
    updates: "2 of one line per VMA",
  },
  {
    name: "spf",
    title: "speculative faults, one sequence count per process (proposed in 2021)",
    updates: "0",
  },
  {
    name: "rcuvm-pure",
    title: "the whole fault in an RCU section, a mark re-checked (after RCUVM, 2012)",
    updates: "0",
  },
  {
    name: "tree-spinlock",
    title: "a spinlock around the tree for writers, VMA locks for faults (the goal of the discussion)",
    updates: "2 of one line per VMA",
  },
  {
    name: "tree-spinlock-naive",
    title: "a spinlock around the tree, taken by faults too",
    updates: "2 of one line per process, 2 of one per VMA",
  },
];

/** The design with this name; ENOENT, with the names on offer, if there is none. */
export function designByName(name: string): SimDesign {
  const design = DESIGNS.find((one) => one.name === name);
  if (!design)
    throw new SimError(
      "ENOENT",
      `unknown design "${name}"; known: ${DESIGNS.map((one) => one.name).join(", ")}`,
    );
  return design;
}
