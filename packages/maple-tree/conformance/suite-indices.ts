/*
 * Which recorded numbers are indices. Those between 2^53 and the kernel's top, which this tree does not have,
 * are recorded as decimal strings; but so are large entries, which do no harm.
 */
import { type Json, type Line, parse } from "./trace.ts";

/** Place of the entry among the arguments. */
const ENTRY_AT: Readonly<Record<string, number>> = {
  mtree_store: 2,
  mtree_insert: 2,
  mtree_store_range: 3,
  mtree_insert_range: 3,
  mtree_alloc_range: 1,
  mtree_alloc_rrange: 1,
  mtree_alloc_cyclic: 1,
  mas_alloc_cyclic: 1,
  mas_store: 1,
  mas_store_gfp: 1,
  mas_store_prealloc: 1,
  mas_preallocate: 1,
};

/** The first index that this tree does not have, `undefined` if the case needs none. */
export function largeIndex(lines: readonly string[]): string | undefined {
  for (const text of lines) {
    if (!/"\d+"/.test(text)) continue;
    const line = parse(text);
    const found = Array.isArray(line) ? indices(line).find(isLarge) : undefined;
    if (found !== undefined) return String(found);
  }
  return undefined;
}

function isLarge(value: Json | undefined): boolean {
  return typeof value === "string" && /^\d+$/.test(value);
}

function indices(line: Line): Json[] {
  const [op, args, , ...after] = line;
  const entryAt = ENTRY_AT[String(op)];
  const given = Array.isArray(args) ? args.filter((_, n) => n !== entryAt) : [];
  const found = op === "tree" ? contents(after[0]) : after.flat();
  return [...given, ...found];
}

function contents(ranges: Json | undefined): Json[] {
  return ((ranges ?? []) as Json[][]).flatMap(([first, last]) => [first!, last!]);
}
