import type { TreeCore } from "../core.ts";
import { ZERO_ENTRY } from "../geometry.ts";
import { newPlace, type Place, stepTo, walkTo } from "./walk.ts";

/** Indices `first..last`, both inclusive, and what is stored over them (0: nothing). */
export interface Range {
  readonly first: number;
  readonly last: number;
  readonly entry: number;
}

/** The range that `index` lies in. Opens its own read section. */
export function readRange(core: TreeCore, index: number): Range {
  const place = newPlace();
  core.readBegin();
  try {
    walkTo(core, index, place);
  } finally {
    core.readEnd();
  }
  return { first: place.first, last: place.last, entry: place.entry };
}

/** The first stored range at or behind `index` which begins by `max`. */
export function findFrom(core: TreeCore, index: number, max: number): Range | undefined {
  for (let at = index; at <= max; ) {
    const range = readRange(core, at);
    if (range.entry !== 0 && range.entry !== ZERO_ENTRY) return range;
    at = range.last + 1;
  }
  return undefined;
}

/** The last stored range at or before `index` which ends at `min` or later. */
export function findUpTo(core: TreeCore, index: number, min: number): Range | undefined {
  for (let at = index; at >= min; ) {
    const range = readRange(core, at);
    if (range.entry !== 0 && range.entry !== ZERO_ENTRY) return range;
    at = range.first - 1;
  }
  return undefined;
}

/**
 * Iterates over ranges. One read section per leaf: the ranges of a leaf are copied out inside it and handed
 * out after it, so no section stays open while the caller works. `make` runs inside the section.
 */
export function* rangesOf<R>(
  core: TreeCore,
  first: number,
  last: number,
  empty: boolean,
  make: (range: Range) => R,
): IterableIterator<R> {
  const place = newPlace();
  const batch: R[] = [];
  let from = first;
  for (;;) {
    core.readBegin();
    try {
      readLeaf(core, from, last, from > first ? from : 0, place, (range) => {
        if (empty || range.entry !== 0) batch.push(make(range));
      });
    } finally {
      core.readEnd();
    }
    const next = place.last + 1;
    yield* batch;
    if (next > last || next > core.maxIndex) return;
    from = next;
    batch.length = 0;
  }
}

/** Indices `first..last`, both inclusive. */
export interface IndexRange {
  readonly first: number;
  readonly last: number;
}

/** Iterates over the empty ranges only; as {@link rangesOf}. */
export function* gapsOf(core: TreeCore, from: number, to: number): IterableIterator<IndexRange> {
  for (const { first, last, entry } of rangesOf(core, from, to, true, (range) => range)) {
    if (entry === 0) yield { first, last };
  }
}

/**
 * Copies the ranges from `from` to the end of their leaf, or to `last`; `place` is left on the last one.
 *
 * A range found after a walk may begin before the one left: a write has moved the border, or has replaced the
 * leaf we stood in. It is cut at `lowest`, which rises, so that no index is visited twice.
 */
function readLeaf(
  core: TreeCore,
  from: number,
  last: number,
  lowest: number,
  place: Place,
  visit: (range: Range) => void,
): void {
  walkTo(core, from, place);
  let behind = lowest;
  for (;;) {
    visit({ first: Math.max(place.first, behind), last: place.last, entry: place.entry });
    if (place.leaf === 0 || place.last >= place.leafMax || place.last >= last) return;
    behind = place.last + 1;
    stepTo(core, place, 1);
  }
}
