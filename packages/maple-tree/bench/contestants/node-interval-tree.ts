import { IntervalTree } from "node-interval-tree";
import { type Contestant, type Held, OverlapRanges } from "../range-map.ts";

interface Record extends Held {
  readonly low: number;
  readonly high: number;
}

class NodeIntervalRanges extends OverlapRanges {
  readonly #tree = new IntervalTree<Record>();

  overlapping(first: number, last: number): Record[] {
    return this.#tree.search(first, last);
  }

  put({ start, end, value }: Held): void {
    this.#tree.insert({ start, end, value, low: start, high: end - 1 });
  }

  take(range: Held): void {
    this.#tree.remove(range as Record);
  }

  sum(): number {
    let sum = 0;
    for (const { start, end, value } of this.#tree.inOrder()) sum += start + end + value;
    return sum;
  }
}

export const contestant: Contestant = {
  make: () => new NodeIntervalRanges(),
  lookups: 100_000,
  most: { W5: 1e5, W7: 1e5 },
};
