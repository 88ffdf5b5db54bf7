import type { Contestant, RangeMap } from "../range-map.ts";

/** Starts in one typed array: what no map that can change will beat. Only reads, and filling it in order. */
class StaticRanges implements RangeMap {
  #start = new Float64Array(1024);
  #end = new Float64Array(1024);
  #value = new Int32Array(1024);
  #count = 0;

  insert(start: number, end: number, value: number): void {
    if (this.#count === this.#start.length) this.#grow();
    this.#start[this.#count] = start;
    this.#end[this.#count] = end;
    this.#value[this.#count++] = value;
  }

  #grow(): void {
    const size = this.#count * 2;
    const larger = <T extends Float64Array | Int32Array>(array: T, to: T): T => {
      to.set(array);
      return to;
    };
    this.#start = larger(this.#start, new Float64Array(size));
    this.#end = larger(this.#end, new Float64Array(size));
    this.#value = larger(this.#value, new Int32Array(size));
  }

  /** How many begin by `address`. */
  #behind(address: number): number {
    const start = this.#start;
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (start[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  lookup(address: number): number {
    const at = this.#behind(address) - 1;
    return at >= 0 && this.#end[at] > address ? this.#value[at] : 0;
  }

  sum(): number {
    return this.#sum(0, this.#count);
  }

  window(address: number, most: number): number {
    const behind = this.#behind(address);
    const from = behind > 0 && this.#end[behind - 1] > address ? behind - 1 : behind;
    return this.#sum(from, Math.min(this.#count, from + most));
  }

  #sum(from: number, to: number): number {
    const start = this.#start;
    const end = this.#end;
    const value = this.#value;
    let sum = 0;
    for (let i = from; i < to; i++) sum += start[i] + end[i] + value[i];
    return sum;
  }

  overwrite(): never {
    throw new Error("a static array is not written to");
  }

  erase(): never {
    throw new Error("a static array is not written to");
  }

  gapLow(): never {
    throw new Error("a static array has no search for gaps");
  }

  gapHigh(): never {
    throw new Error("a static array has no search for gaps");
  }

  visit(fn: (start: number, end: number, value: number) => void): void {
    for (let i = 0; i < this.#count; i++) fn(this.#start[i], this.#end[i], this.#value[i]);
  }
}

export const contestant: Contestant = {
  make: () => new StaticRanges(),
  mostShuffled: 0,
  most: { W1: 0, W5: 0, W6: 0, W7: 0 },
};
