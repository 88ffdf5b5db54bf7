import RBush from "rbush";
import type { Layout } from "../layout.ts";
import { type Contestant, type Held, OverlapRanges } from "../range-map.ts";

interface Box extends Held {
  readonly minX: number;
  readonly maxX: number;
  readonly minY: 0;
  readonly maxY: 1;
}

const boxOf = ({ start, end, value }: Held): Box => ({
  start,
  end,
  value,
  minX: start,
  maxX: end - 1,
  minY: 0,
  maxY: 1,
});

/** Rectangles of height one: without any, all areas are zero and the library cannot choose between nodes. */
class RBushRanges extends OverlapRanges {
  readonly tree = new RBush<Box>();

  overlapping(first: number, last: number): Box[] {
    const found = this.tree.search({ minX: first, maxX: last, minY: 0, maxY: 1 });
    return found.length > 1 ? found.sort((a, b) => a.start - b.start) : found;
  }

  put(range: Held): void {
    this.tree.insert(boxOf(range));
  }

  take(range: Held): void {
    this.tree.remove(range as Box);
  }

  sum(): number {
    let sum = 0;
    for (const { start, end, value } of this.overlapping(0, 2 ** 52)) sum += start + end + value;
    return sum;
  }
}

export const contestant: Contestant = {
  make: () => new RBushRanges(),
  lookups: 100_000,
  most: { W5: 1e5, W7: 1e5 },
  bulk: ({ n, start, end }: Layout) => {
    const boxes = Array.from({ length: n }, (_, i) => boxOf({ start: start[i], end: end[i], value: i + 1 }));
    const map = new RBushRanges();
    const before = performance.now();
    map.tree.load(boxes);
    return { ms: performance.now() - before, map };
  },
};
