import createTree from "functional-red-black-tree";
import { type Contestant, type Held, OrderedRanges } from "../range-map.ts";

/** Each change makes a new tree that shares most nodes with the old one. */
class FunctionalRanges extends OrderedRanges {
  #tree = createTree<number, Held>((a, b) => a - b);

  floor(address: number): Held | undefined {
    const place = this.#tree.le(address);
    return place.valid ? place.value : undefined;
  }

  put(range: Held): void {
    this.#tree = this.#tree.insert(range.start, range);
  }

  remove(start: number): void {
    this.#tree = this.#tree.remove(start);
  }

  scanUp(from: number, visitor: (range: Held) => boolean): void {
    for (const place = this.#tree.ge(from); place.valid; place.next()) if (!visitor(place.value)) return;
  }

  scanDown(from: number, visitor: (range: Held) => boolean): void {
    for (const place = this.#tree.le(from); place.valid; place.prev()) if (!visitor(place.value)) return;
  }

  sum(): number {
    let sum = 0;
    this.#tree.forEach((_, { start, end, value }) => {
      sum += start + end + value;
    });
    return sum;
  }
}

export const contestant: Contestant = { make: () => new FunctionalRanges(), lookups: 100_000 };
