/*
 * Checks every invariant and lists what is violated. Caller holds the lock.
 *
 *   I1  no reachable node is dead                              I7  gaps are possible, and meta names the largest
 *   I2  enough used slots, except on the right edge            I8  a parent's gap is the largest gap below
 *   I3  the parent's slot holds the node, and no other does    I9  no two neighbouring empty ranges
 *   I4  pivots within limits, the last one closes the node     I10 no leaf ends empty, except at the end
 *   I5  nothing behind the last used slot                      I11 all leaves at the same depth, no holes
 *   I6  every child of an internal node is there               I12 pivots strictly increase
 *   I13 every node is allocated, and their number is right     I14 no write has been left under way
 *
 * Source: Linux lib/maple_tree.c, mt_validate().
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { leafGap, nodeGap } from "../search/gap.ts";
import { endOf } from "../search/path.ts";

/** A broken promise of the tree. */
export interface Violation {
  /** `I1` … `I14`; see the top of validate.ts. */
  readonly invariant: string;
  /** Word of the node, 0 for the header. */
  readonly node: number;
  /** Slot in the node, -1 if it is about the whole node. */
  readonly slot: number;
  /** What is wrong, with the values. */
  readonly message: string;
}

interface Check {
  readonly core: TreeCore;
  readonly violations: Violation[];
  readonly seen: Set<number>;
  readonly height: number;
  /** Was the range before the one looked at empty? */
  lastEmpty: boolean;
}

/** All violations found; an empty list is a valid tree. Cost: O(nodes). */
export function validate(core: TreeCore): Violation[] {
  core.arena.refresh();
  const root = core.rootWord;
  const check: Check = { core, violations: [], seen: new Set(), height: core.height, lastEmpty: false };
  if (root <= 0) {
    if (check.height !== 0) report(check, "I11", 0, -1, `height is ${check.height} without a node`);
  } else {
    const node = root & L.NODE_MASK;
    const parent = core.i32[node + L.PARENT]!;
    if (parent !== -core.header)
      report(check, "I3", node, -1, `root's parent word is ${parent}, not ${-core.header}`);
    checkNode(check, root, 0, core.maxIndex, 1);
  }
  if (check.seen.size !== core.nodeCount) {
    report(check, "I13", 0, -1, `${check.seen.size} nodes reachable, the header counts ${core.nodeCount}`);
  }
  const { version } = core;
  if ((version & 1) !== 0) report(check, "I14", 0, -1, `version ${version} is odd, as during a write`);
  return check.violations;
}

function report(check: Check, invariant: string, node: number, slot: number, message: string): void {
  check.violations.push({ invariant, node, slot, message });
}

function checkNode(check: Check, handle: number, min: number, max: number, depth: number): void {
  const { core } = check;
  const node = handle & L.NODE_MASK;
  const type = handle & L.TAG_MASK;
  if (node < L.NODE_WORDS || node + L.NODE_WORDS > core.i32.length) {
    report(check, "I13", node, -1, `handle ${handle} is outside the arena`);
    return;
  }
  if (check.seen.has(node)) {
    report(check, "I3", node, -1, "reachable through two slots");
    return;
  }
  check.seen.add(node);
  if (core.i32[node + L.PARENT] === node) report(check, "I1", node, -1, "dead but reachable");
  const leaf = type === L.NodeType.Leaf;
  if (!leaf && type !== core.internalType) {
    report(check, "I6", node, -1, `type ${type} does not belong into this tree`);
    return;
  }
  if (leaf && depth !== check.height) {
    report(check, "I11", node, -1, `leaf at depth ${depth}, height is ${check.height}`);
  }
  const end = endOf(core.i32, node);
  if (end >= core.slotsOf(type)) {
    report(check, "I4", node, -1, `end ${end} in a node of ${core.slotsOf(type)} slots`);
    return;
  }
  if (max !== core.maxIndex && end < core.minSlotsOf(type)) {
    report(check, "I2", node, -1, `end ${end} is below ${core.minSlotsOf(type)}`);
  }
  checkPivots(check, node, end, min, max);
  checkRest(check, node, type, end);
  if (leaf) checkLeaf(check, node, end, max);
  else checkChildren(check, node, end, min, depth);
  if (type === L.NodeType.Arange) checkGaps(check, node, end, min);
}

function checkPivots(check: Check, node: number, end: number, min: number, max: number): void {
  const f64 = check.core.f64;
  const pivots = (node >> 1) + L.PIVOTS_F64;
  let below = min - 1;
  for (let slot = 0; slot <= end; slot++) {
    const pivot = f64[pivots + slot]!;
    if (pivot > max) report(check, "I4", node, slot, `pivot ${pivot} is above the node's ${max}`);
    if (pivot <= below) report(check, "I12", node, slot, `pivot ${pivot} does not exceed ${below}`);
    below = pivot;
  }
  if (below !== max) report(check, "I4", node, end, `last pivot ${below} is not the node's ${max}`);
}

function checkRest(check: Check, node: number, type: number, end: number): void {
  const { i32, f64 } = check.core;
  for (let slot = end + 1; slot < check.core.slotsOf(type); slot++) {
    if (i32[node + L.SLOTS + slot] !== 0) report(check, "I5", node, slot, "slot behind the end is used");
    if (f64[(node >> 1) + L.PIVOTS_F64 + slot] !== Infinity)
      report(check, "I5", node, slot, "pivot behind the end is set");
    if (type === L.NodeType.Arange && f64[(node >> 1) + L.GAPS_F64 + slot] !== 0) {
      report(check, "I7", node, slot, "gap behind the end is set");
    }
  }
}

function checkLeaf(check: Check, node: number, end: number, max: number): void {
  const { i32 } = check.core;
  for (let slot = 0; slot <= end; slot++) {
    const empty = i32[node + L.SLOTS + slot] === 0;
    if (empty && check.lastEmpty) report(check, "I9", node, slot, "empty range behind an empty range");
    check.lastEmpty = empty;
  }
  if (check.lastEmpty && max !== check.core.maxIndex)
    report(check, "I10", node, end, "leaf ends with an empty range");
}

function checkChildren(check: Check, node: number, end: number, min: number, depth: number): void {
  const { i32, f64 } = check.core;
  let first = min;
  for (let slot = 0; slot <= end; slot++) {
    const child = i32[node + L.SLOTS + slot]!;
    const last = f64[(node >> 1) + L.PIVOTS_F64 + slot]!;
    if (child <= 0) {
      report(check, "I6", node, slot, `slot holds ${child} instead of a child`);
    } else {
      const parent = i32[(child & L.NODE_MASK) + L.PARENT]!;
      if (parent !== (node | slot)) {
        report(check, "I3", child & L.NODE_MASK, -1, `parent word is ${parent}, not ${node | slot}`);
      }
      checkNode(check, child, first, last, depth + 1);
    }
    first = last + 1;
  }
}

function checkGaps(check: Check, node: number, end: number, min: number): void {
  const { i32, f64 } = check.core;
  const gaps = (node >> 1) + L.GAPS_F64;
  const offset = (i32[node + L.META]! >> 8) & 0xff;
  if (offset > end) report(check, "I7", node, offset, `meta names gap ${offset}, end is ${end}`);
  let first = min;
  for (let slot = 0; slot <= end; slot++) {
    const gap = f64[gaps + slot]!;
    const last = f64[(node >> 1) + L.PIVOTS_F64 + slot]!;
    const child = i32[node + L.SLOTS + slot]!;
    if (gap > last - first + 1)
      report(check, "I7", node, slot, `gap ${gap} exceeds the slot ${first}..${last}`);
    if (gap > f64[gaps + offset]!)
      report(check, "I7", node, slot, `gap ${gap} exceeds meta's ${f64[gaps + offset]}`);
    if (child > 0) {
      const leaf = (child & L.TAG_MASK) === L.NodeType.Leaf;
      const below = leaf
        ? leafGap(i32, f64, child & L.NODE_MASK, first)
        : nodeGap(i32, f64, child & L.NODE_MASK);
      if (gap !== below) report(check, "I8", node, slot, `gap is ${gap}, largest below is ${below}`);
    }
    first = last + 1;
  }
}
