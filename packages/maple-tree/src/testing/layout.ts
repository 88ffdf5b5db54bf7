import type { Arena } from "@faultline/arena";
import type { TreeOptions } from "../core.ts";
import { KERNEL_GEOMETRY, MAX_INDEX } from "../geometry.ts";
import * as L from "../layout.ts";
import { SharedMapleTree } from "../shared-tree.ts";
import { gapBelow, Items } from "../write/items.ts";

/** A node as it shall be: its slots in order, each with its last index (inclusive) and its content. */
export interface NodeLayout {
  /** What the node is called in dumps and tables. */
  readonly name?: string;
  /** `[last index, entry]` for a leaf (0 = nothing), `[last index, child]` for an internal node. */
  readonly slots: readonly (readonly [last: number, content: number | NodeLayout])[];
}

/** A tree built node by node. */
export interface BuiltTree {
  readonly tree: SharedMapleTree;
  readonly names: NodeNames;
}

/** Names for nodes, which otherwise are just words in an arena. */
export class NodeNames {
  readonly #names = new Map<number, string>();
  readonly #nodes = new Map<string, number>();

  /** Calls a node `name`; a node called so before keeps it no more. */
  set(node: number, name: string): void {
    const other = this.#nodes.get(name);
    if (other !== undefined) this.#names.delete(other);
    const former = this.#names.get(node);
    if (former !== undefined) this.#nodes.delete(former);
    this.#names.set(node, name);
    this.#nodes.set(name, node);
  }

  /** Name of a node, `node@WORD` if it has none. */
  of(node: number): string {
    return this.#names.get(node) ?? `node@${node}`;
  }

  /** Name of a node for `dump({ name })`, `undefined` if it has none. */
  find(node: number): string | undefined {
    return this.#names.get(node);
  }

  /** Word of the node with that name. @throws RangeError if there is none */
  node(name: string): number {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new RangeError(`no node is called ${name}`);
    return node;
  }
}

/**
 * Builds a tree with exactly these nodes, of the kernel's geometry unless `options` say otherwise. The layout must be one that the invariants allow.
 *
 * @throws Error listing the violated invariants otherwise; RangeError for a node with too many slots
 */
export function buildFromLayout(arena: Arena, layout: NodeLayout, options: TreeOptions = {}): BuiltTree {
  const tree = SharedMapleTree.create(arena, { geometry: KERNEL_GEOMETRY, ...options });
  const names = new NodeNames();
  const { handle, height } = buildNode(tree, names, layout, 0, tree.core.maxIndex);
  const { core } = tree;
  core.i32[(handle & L.NODE_MASK) + L.PARENT] = -core.header;
  core.setHeight(height);
  core.publish(0, 0, handle);
  tree.assertValid();
  return { tree, names };
}

function buildNode(
  tree: SharedMapleTree,
  names: NodeNames,
  layout: NodeLayout,
  min: number,
  max: number,
): { handle: number; height: number } {
  const { core } = tree;
  const items = new Items();
  let height = 0;
  let first = min;
  for (const [last, content] of layout.slots) {
    if (typeof content === "number") {
      items.push(content, last, 0);
    } else {
      const child = buildNode(tree, names, content, first, last);
      height = child.height;
      items.push(child.handle, last, gapBelow(core, child.handle, first));
    }
    first = last + 1;
  }
  const type = height === 0 ? L.NodeType.Leaf : core.internalType;
  const what = layout.name ?? `the node at ${min}`;
  if (items.count === 0 || items.count > core.slotsOf(type)) {
    throw new RangeError(
      `buildFromLayout: ${what} has ${items.count} slots, allowed are 1..${core.slotsOf(type)}`,
    );
  }
  if (first !== max + 1) {
    throw new RangeError(`buildFromLayout: ${what} ends at ${first - 1}, but its slot ends at ${max}`);
  }
  const handle = items.build(core, type, 0, items.count - 1);
  if (layout.name !== undefined) names.set(handle & L.NODE_MASK, layout.name);
  return { handle, height: height + 1 };
}

/** The trees of the mail: as written; with one entry more in A; with 13 slots in B. */
export type MailVariant = "as-written" | "extra-entry" | "wide-b";

/**
 * The example tree of the mailing-list discussion, whose ranges are given there with exclusive ends: Root with
 * leaves A and B; entry *n* is the mail's p*n*. The extra entry of `extra-entry` is 16, over 1000..1099.
 */
export function mailLayout(variant: MailVariant = "as-written"): NodeLayout {
  const extra: [number, number][] = variant === "extra-entry" ? [[1099, 16]] : [];
  const a: [number, number][] = [
    [49, 1],
    [99, 2],
    [149, 3],
    [199, 4],
    [249, 0],
    [999, 6],
    ...extra,
    [3999, 7],
  ];
  const b: [number, number][] = [
    [4049, 8],
    [4099, 9],
    [4149, 10],
    [4199, 11],
    [4249, 0],
  ];
  if (variant === "wide-b") for (let n = 0; n < 7; n++) b.push([4299 + 50 * n, 13 + n]);
  b.push([MAX_INDEX, variant === "wide-b" ? 20 : 13]);
  return {
    name: "Root",
    slots: [
      [3999, { name: "A", slots: a }],
      [MAX_INDEX, { name: "B", slots: b }],
    ],
  };
}

/** Builds {@link mailLayout}. */
export function mailTree(
  arena: Arena,
  options: TreeOptions = {},
  variant: MailVariant = "as-written",
): BuiltTree {
  return buildFromLayout(arena, mailLayout(variant), options);
}
