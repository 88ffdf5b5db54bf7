import { Arena } from "@faultline/arena";
import { KERNEL_GEOMETRY, SharedMapleTree, type TreeOptions, type WriteEvent } from "@faultline/maple-tree";

export interface Fixture {
  readonly arena: Arena;
  readonly tree: SharedMapleTree;
  /** Every write so far. */
  readonly writes: WriteEvent[];
}

/** An empty tree in an arena of its own, with its writes recorded. */
export function makeTree(options: TreeOptions & { shared?: boolean } = {}): Fixture {
  const { shared = false, geometry = KERNEL_GEOMETRY, ...treeOptions } = options;
  const arena = Arena.create({ bytes: 1 << 18, bytesMax: 1 << 26, shared, debug: true });
  const tree = SharedMapleTree.create(arena, { geometry, ...treeOptions });
  const writes: WriteEvent[] = [];
  tree.onWrite = (event) => writes.push(event);
  return { arena, tree, writes };
}

/** Ranges as text: `10-19=1 20-max=.`. */
export function rangesText(tree: SharedMapleTree): string {
  const text = (index: number): string => (index === Number.MAX_SAFE_INTEGER ? "max" : String(index));
  return [...tree.ranges()]
    .map((r) => `${text(r.first)}-${text(r.last)}=${r.entry === 0 ? "." : r.entry}`)
    .join(" ");
}
