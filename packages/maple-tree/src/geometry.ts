import * as L from "./layout.ts";

/** Largest index of a tree of the default domain, inclusive; plays the role of the kernel's `ULONG_MAX`. */
export const MAX_INDEX: number = 2 ** 53 - 1;

/**
 * Which indices a tree has: `u53`, all integers that a number tells apart, up to {@link MAX_INDEX}; or `u32`, those of a
 * kernel whose `unsigned long` has 32 bits, up to 2^32 - 1.
 */
export type IndexDomain = "u32" | "u53";

/** Largest index of the domain `u32`, inclusive. */
export const MAX_INDEX_U32: number = 2 ** 32 - 1;

/** Largest entry of a shared tree: entries are 30-bit handles `1..MAX_ENTRY`, 0 means nothing is stored. */
export const MAX_ENTRY: number = 2 ** 30 - 1;

/**
 * First of the entries, up to {@link MAX_NODE_ENTRY}, that never live in the root word: a tree which holds one of them at [0,0]
 * and nothing else has a node. The kernel's are those whose low two bits are `10`.
 */
export const NODE_ENTRY: number = 2 ** 30;
/** Last of the entries that never live in the root word. */
export const MAX_NODE_ENTRY: number = 2 ** 31 - 1;

/**
 * "Reserved, but empty": occupies its range, so that nothing is inserted or allocated there, while `load` and
 * `find` say that nothing is stored. Cursors return it. Source: XA_ZERO_ENTRY.
 */
export const ZERO_ENTRY: number = 2 ** 30;

/**
 * Fan-out of the three kinds of node, in slots.
 *
 * Every node but those on the right edge keeps more than a minimum number of used slots: `leafSlots / 2 - 2`
 * for leaves (and internal nodes of a plain tree), `arangeSlots / 2 - 1` for internal nodes with gaps.
 * Source: Linux lib/maple_tree.c, mt_slots[] and mt_min_slots[].
 */
export interface Geometry {
  /** Slots of a leaf, integer 6..28. */
  readonly leafSlots: number;
  /** Slots of an internal node of a tree without gaps, integer 6..28. */
  readonly rangeSlots: number;
  /** Slots of an internal node of a tree with gaps, integer 6..16. */
  readonly arangeSlots: number;
}

/** The geometry of 64-bit Linux. */
export const KERNEL_GEOMETRY: Geometry = { leafSlots: 16, rangeSlots: 16, arangeSlots: 10 };

/**
 * Every node as wide as there is room: the default, since with it look-ups and inserts take about half the time:
 * `pnpm bench:maple --peers "faultline in the kernel's geometry"`. In part that is because only here leaves are split
 * where it is cheapest.
 */
export const WIDE_GEOMETRY: Geometry = {
  leafSlots: L.SLOTS_MAX,
  rangeSlots: L.SLOTS_MAX,
  arangeSlots: L.ARANGE_SLOTS_MAX,
};

/** Small nodes, in which the examples of the workbook show each kind of write with few entries. */
export const TEACHING_GEOMETRY: Geometry = { leafSlots: 8, rangeSlots: 8, arangeSlots: 6 };

/** @throws RangeError naming the member which is not an integer a node has room for */
export function checkGeometry(geometry: Geometry): void {
  check("leafSlots", geometry.leafSlots, L.SLOTS_MAX);
  check("rangeSlots", geometry.rangeSlots, L.SLOTS_MAX);
  check("arangeSlots", geometry.arangeSlots, L.ARANGE_SLOTS_MAX);
}

function check(name: string, slots: number, most: number): void {
  // Below 6 slots a node that is too full by one cannot be split into two that are full enough.
  if (!Number.isInteger(slots) || slots < 6 || slots > most) {
    throw new RangeError(`geometry: ${name} must be an integer in 6..${most}, got ${String(slots)}`);
  }
}
