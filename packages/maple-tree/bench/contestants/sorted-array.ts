import { type Contestant, type Held, OrderedRanges } from "../range-map.ts";

/** Ranges in one array, in order; inserting and removing move what is behind. */
class ArrayRanges extends OrderedRanges {
  readonly #ranges: Held[] = [];

  /** How many begin below `address`. */
  #below(address: number): number {
    const ranges = this.#ranges;
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle].start < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  floor(address: number): Held | undefined {
    return this.#ranges[this.#below(address + 1) - 1];
  }

  put(range: Held): void {
    const at = this.#below(range.start);
    if (at === this.#ranges.length) this.#ranges.push(range);
    else if (this.#ranges[at].start === range.start) this.#ranges[at] = range;
    else this.#ranges.splice(at, 0, range);
  }

  remove(start: number): void {
    const at = this.#below(start);
    if (this.#ranges[at]?.start === start) this.#ranges.splice(at, 1);
  }

  scanUp(from: number, visitor: (range: Held) => boolean): void {
    const ranges = this.#ranges;
    for (let at = this.#below(from); at < ranges.length; at++) if (!visitor(ranges[at])) return;
  }

  scanDown(from: number, visitor: (range: Held) => boolean): void {
    const ranges = this.#ranges;
    for (let at = this.#below(from + 1) - 1; at >= 0; at--) if (!visitor(ranges[at])) return;
  }

  sum(): number {
    let sum = 0;
    for (const { start, end, value } of this.#ranges) sum += start + end + value;
    return sum;
  }
}

export const contestant: Contestant = {
  make: () => new ArrayRanges(),
  mostShuffled: 1e5,
  most: { W1: 1e5, W5: 1e4, W7: 1e4 },
};
