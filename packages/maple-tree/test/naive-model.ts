import { MAX_INDEX, type Range } from "@faultline/maple-tree";

/** What a tree must be equal to: a sorted list of ranges that covers everything, empty neighbours joined. */
export class NaiveModel {
  list: Range[];

  constructor(maxIndex: number = MAX_INDEX) {
    this.list = [{ first: 0, last: maxIndex, entry: 0 }];
  }

  at(index: number): Range {
    return this.list.find((r) => r.last >= index)!;
  }

  load(index: number): number {
    return this.at(index).entry;
  }

  store(first: number, last: number, entry: number): number {
    const old = this.load(first);
    const before = this.list
      .filter((r) => r.first < first)
      .map((r) => ({ ...r, last: Math.min(r.last, first - 1) }));
    const behind = this.list
      .filter((r) => r.last > last)
      .map((r) => ({ ...r, first: Math.max(r.first, last + 1) }));
    this.list = [];
    for (const range of [...before, { first, last, entry }, ...behind]) {
      const previous = this.list.at(-1);
      if (previous !== undefined && previous.entry === 0 && range.entry === 0) {
        this.list[this.list.length - 1] = { ...previous, last: range.last };
      } else {
        this.list.push(range);
      }
    }
    return old;
  }

  isFree(first: number, last: number): boolean {
    return this.list.every((r) => r.entry === 0 || r.last < first || r.first > last);
  }

  /** Stored ranges that touch the window. */
  entries(first = 0, last: number = MAX_INDEX): Range[] {
    return this.list.filter((r) => r.entry !== 0 && r.last >= first && r.first <= last);
  }

  gap(size: number, min: number, max: number, fromTop: boolean): number | undefined {
    const fits = this.list
      .filter((r) => r.entry === 0)
      .map((r) => ({ first: Math.max(r.first, min), last: Math.min(r.last, max) }))
      .filter((r) => r.last - r.first >= size - 1);
    return fromTop ? (fits.length === 0 ? undefined : fits.at(-1)!.last - size + 1) : fits[0]?.first;
  }
}
