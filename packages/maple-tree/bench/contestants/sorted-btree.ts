import BTreeModule from "sorted-btree";
import type { Layout } from "../layout.ts";
import { type Contestant, type Held, OrderedRanges } from "../range-map.ts";

// The package is CommonJS with a `default` of its own.
const BTree = BTreeModule.default;
type Tree = InstanceType<typeof BTree<number, Held>>;

const compare = (a: number, b: number): number => a - b;

class BTreeRanges extends OrderedRanges {
  readonly #tree: Tree;
  readonly #pair: [number, Held] = [0, { start: 0, end: 0, value: 0 }];

  constructor(tree: Tree) {
    super();
    this.#tree = tree;
  }

  floor(address: number): Held | undefined {
    return this.#tree.getPairOrNextLower(address, this.#pair)?.[1];
  }

  put(range: Held): void {
    this.#tree.set(range.start, range);
  }

  remove(start: number): void {
    this.#tree.delete(start);
  }

  scanUp(from: number, visitor: (range: Held) => boolean): void {
    this.#tree.editRange(from, Number.POSITIVE_INFINITY, true, (_, range) =>
      visitor(range) ? undefined : { break: 0 },
    );
  }

  scanDown(from: number, visitor: (range: Held) => boolean): void {
    for (const [, range] of this.#tree.entriesReversed(from, this.#pair)) if (!visitor(range)) return;
  }

  sum(): number {
    let sum = 0;
    this.#tree.forEachPair((_, range) => {
      sum += range.start + range.end + range.value;
    });
    return sum;
  }
}

/** `nodeSize` entries in a node at most; the library's default is 32. */
export function contestantOf(nodeSize: number | undefined): Contestant {
  const make = (): BTreeRanges => new BTreeRanges(new BTree<number, Held>(undefined, compare, nodeSize));
  return {
    make,
    bulk: ({ n, start, end }: Layout) => {
      const pairs = Array.from({ length: n }, (_, i): [number, Held] => [
        start[i],
        { start: start[i], end: end[i], value: i + 1 },
      ]);
      const before = performance.now();
      const tree = new BTree<number, Held>(pairs, compare, nodeSize);
      return { ms: performance.now() - before, map: new BTreeRanges(tree) };
    },
  };
}
