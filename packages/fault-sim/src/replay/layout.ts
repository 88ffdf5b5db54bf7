import { PAGE_SIZE } from "@faultline/mm";
import type { Activity } from "./replay.ts";

interface Island {
  /** Bytes in the recording; `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** Page of the compact layout where it begins. */
  readonly page: number;
}

/**
 * Where a recording's ranges lie relative to each other, without the holes between them: what touches or overlaps
 * keeps its place, everything else is one page apart. So many threads can each have a copy in one address space.
 */
export class CompactLayout {
  /** Pages from the first range to the last, and one. */
  readonly pages: number;
  readonly #islands: readonly Island[];

  constructor(activity: readonly Activity[]) {
    const ranges = activity.map(({ start, pages }) => ({ start, end: start + pages * PAGE_SIZE }));
    ranges.sort((a, b) => a.start - b.start);
    const islands: { start: number; end: number; page: number }[] = [];
    let page = 0;
    for (const { start, end } of ranges) {
      const last = islands.at(-1);
      if (last && start <= last.end) {
        page += Math.max(0, end - last.end) / PAGE_SIZE;
        last.end = Math.max(last.end, end);
      } else {
        islands.push({ start, end, page });
        page += (end - start) / PAGE_SIZE + 1;
      }
    }
    this.#islands = islands;
    this.pages = page;
  }

  /** The page of the layout that stands for the recorded address `start`. RangeError if nothing happened there. */
  pageOf(start: number): number {
    const island = this.#islands.findLast((one) => one.start <= start);
    if (!island || start >= island.end) throw new RangeError(`CompactLayout: nothing happens at ${start}`);
    return island.page + (start - island.start) / PAGE_SIZE;
  }
}
