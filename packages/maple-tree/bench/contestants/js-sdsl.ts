import { OrderedMap } from "js-sdsl";
import { type Contestant, type Held, OrderedRanges } from "../range-map.ts";

class SdslRanges extends OrderedRanges {
  readonly #map = new OrderedMap<number, Held>([], (a, b) => a - b);

  floor(address: number): Held | undefined {
    const place = this.#map.reverseLowerBound(address);
    return place.isAccessible() ? place.pointer[1] : undefined;
  }

  put(range: Held): void {
    this.#map.setElement(range.start, range);
  }

  remove(start: number): void {
    this.#map.eraseElementByKey(start);
  }

  scanUp(from: number, visitor: (range: Held) => boolean): void {
    const place = this.#map.lowerBound(from);
    for (; place.isAccessible(); place.next()) if (!visitor(place.pointer[1])) return;
  }

  scanDown(from: number, visitor: (range: Held) => boolean): void {
    const place = this.#map.reverseLowerBound(from);
    while (place.isAccessible()) {
      if (!visitor(place.pointer[1])) return;
      // The library refuses to step before the beginning.
      if (place.equals(this.#map.begin())) return;
      place.pre();
    }
  }

  sum(): number {
    let sum = 0;
    this.#map.forEach(([, { start, end, value }]) => {
      sum += start + end + value;
    });
    return sum;
  }
}

export const contestant: Contestant = { make: () => new SdslRanges(), lookups: 100_000 };
