/*
 * The nodes of a tree as plain data, from which it is printed as JSON and drawn. Caller holds the lock, or is in
 * a read section of a tree that nobody changes.
 */
import type { TreeCore } from "../core.ts";
import type { IndexDomain } from "../geometry.ts";
import * as L from "../layout.ts";
import { endOf } from "../search/path.ts";
import type { IndexRange } from "../search/ranges.ts";

/** A slot of a leaf (`entry`, 0 = nothing) or of an internal node (`child`), and its range. */
export interface SlotStructure {
  readonly first: number;
  readonly last: number;
  readonly entry?: number;
  /** Largest gap below, in a tree with gaps. */
  readonly gap?: number;
  readonly child?: NodeStructure;
}

/** A node. */
export interface NodeStructure {
  /** Its word in the arena. */
  readonly node: number;
  readonly type: "leaf" | "range" | "arange";
  readonly first: number;
  readonly last: number;
  readonly dead: boolean;
  readonly slots: readonly SlotStructure[];
}

/** A tree: `root` is a node, or the entry at [0,0] of a tree without one, or null. */
export interface TreeStructure {
  readonly height: number;
  readonly nodes: number;
  readonly gaps: boolean;
  readonly rcu: boolean;
  readonly domain: IndexDomain;
  readonly root: NodeStructure | { readonly entry: number } | null;
}

const TYPE_NAMES = { 1: "leaf", 2: "range", 3: "arange" } as const;

/** Reads all nodes. Cost: O(nodes). */
export function structureOf(core: TreeCore): TreeStructure {
  const word = core.rootWord;
  const root = word > 0 ? nodeOf(core, word, 0, core.maxIndex) : word < 0 ? { entry: 0 - word } : null;
  const { height, nodeCount: nodes, gaps, rcu, domain } = core;
  return { height, nodes, gaps, rcu, domain, root };
}

function nodeOf(core: TreeCore, handle: number, min: number, max: number): NodeStructure {
  const node = handle & L.NODE_MASK;
  const type = TYPE_NAMES[(handle & L.TAG_MASK) as L.NodeType];
  const slots: SlotStructure[] = [];
  const end = endOf(core.i32, node);
  let first = min;
  for (let slot = 0; slot <= end; slot++) {
    const last = core.f64[(node >> 1) + L.PIVOTS_F64 + slot]!;
    const content = core.i32[node + L.SLOTS + slot]!;
    if (type === "leaf") slots.push({ first, last, entry: content });
    else slots.push({ first, last, ...gapOf(core, node, slot), child: nodeOf(core, content, first, last) });
    first = last + 1;
  }
  return { node, type, first: min, last: max, dead: core.isDead(node), slots };
}

function gapOf(core: TreeCore, node: number, slot: number): { gap?: number } {
  return core.gaps ? { gap: core.f64[(node >> 1) + L.GAPS_F64 + slot]! } : {};
}

/** A range as a label: `first-last`, or the index of a range of one. */
export function rangeLabel({ first, last }: IndexRange, maxIndex: number): string {
  const from = indexLabel(first, maxIndex);
  return first === last ? from : `${from}-${indexLabel(last, maxIndex)}`;
}

/** An index as a label: the largest is `max`. */
export function indexLabel(index: number, maxIndex: number): string {
  return index === maxIndex ? "max" : String(index);
}
