import IntervalTree from "@flatten-js/interval-tree";
import { type Contestant, type Held, OverlapRanges } from "../range-map.ts";

class FlattenRanges extends OverlapRanges {
  readonly #tree = new IntervalTree<Held>();

  overlapping(first: number, last: number): Held[] {
    return this.#tree.search([first, last]) as Held[];
  }

  put(range: Held): void {
    this.#tree.insert([range.start, range.end - 1], range);
  }

  take(range: Held): void {
    this.#tree.remove([range.start, range.end - 1], range);
  }

  sum(): number {
    let sum = 0;
    this.#tree.forEach((_: unknown, { start, end, value }: Held) => {
      sum += start + end + value;
    });
    return sum;
  }
}

export const contestant: Contestant = {
  make: () => new FlattenRanges(),
  lookups: 100_000,
  most: { W5: 1e5, W7: 1e5 },
};
