import { RBTree } from "bintrees";
import { type Contestant, type Held, OrderedRanges } from "../range-map.ts";

class BintreesRanges extends OrderedRanges {
  readonly #tree = new RBTree<Held>((a, b) => a.start - b.start);
  /** What is searched for. */
  readonly #key: Held = { start: 0, end: 0, value: 0 };

  #keyOf(start: number): Held {
    this.#key.start = start;
    return this.#key;
  }

  floor(address: number): Held | undefined {
    return this.#tree.upperBound(this.#keyOf(address)).prev() ?? undefined;
  }

  put(range: Held): void {
    this.#tree.insert(range);
  }

  remove(start: number): void {
    this.#tree.remove(this.#keyOf(start));
  }

  scanUp(from: number, visitor: (range: Held) => boolean): void {
    const cursor = this.#tree.lowerBound(this.#keyOf(from));
    for (let range = cursor.data(); range !== null; range = cursor.next()) if (!visitor(range)) return;
  }

  scanDown(from: number, visitor: (range: Held) => boolean): void {
    const cursor = this.#tree.upperBound(this.#keyOf(from));
    for (let range = cursor.prev(); range !== null; range = cursor.prev()) if (!visitor(range)) return;
  }

  sum(): number {
    let sum = 0;
    this.#tree.each(({ start, end, value }) => {
      sum += start + end + value;
    });
    return sum;
  }
}

export const contestant: Contestant = { make: () => new BintreesRanges(), lookups: 100_000 };
