import { Arena } from "@faultline/arena";
import {
  type Geometry,
  type IndexDomain,
  KERNEL_GEOMETRY,
  MapleError,
  MapleTree,
  type Range,
  SharedMapleTree,
  TEACHING_GEOMETRY,
  type ValueRange,
  type Violation,
  WIDE_GEOMETRY,
} from "@faultline/maple-tree";
import type { TreeCore } from "../src/core.ts";

/** What the property tests need of either kind of tree; entries are positive integers, 0 for none. */
export interface Subject {
  readonly arena: Arena;
  readonly core: TreeCore;
  store(first: number, last: number, entry: number): number;
  insert(first: number, last: number, entry: number): void;
  erase(index: number): number;
  clear(): void;
  load(index: number): number;
  loadMany(indices: ArrayLike<number>): number[];
  entryAt(index: number): Range;
  find(index: number, max: number): Range | undefined;
  findBefore(index: number, min: number): Range | undefined;
  gap(size: number, min: number, max: number, fromTop: boolean): number | undefined;
  largestGap(): number;
  entries(first?: number, last?: number): Range[];
  ranges(first?: number, last?: number): Range[];
  /** As forEachRange. */
  forEach(first: number, last: number, visit: (range: Range) => unknown): boolean;
  /** A scan in batches. */
  scan(first?: number, last?: number, capacity?: number): Scan;
  /** Stops of a walk in one direction, from a cursor at `index`. */
  walk(index: number, forward: boolean, empty: boolean): Range[];
  validate(): Violation[];
  dump(): string;
}

/** Batches of a scan; calls `next` of the tree's. */
export interface Scan {
  reset(first?: number, last?: number): void;
  next(): Range[];
}

/** How a subject is made. */
export interface Variant {
  readonly kind: "SharedMapleTree" | "MapleTree";
  readonly geometry: Geometry;
  readonly rcu: boolean;
  readonly domain: IndexDomain;
  readonly name: string;
}

const GEOMETRIES = { kernel: KERNEL_GEOMETRY, wide: WIDE_GEOMETRY, teaching: TEACHING_GEOMETRY };

/** Both kinds of tree, all geometries, with RCU and without; in 32-bit indices the wide and the teaching geometry. */
export const VARIANTS: readonly Variant[] = (["SharedMapleTree", "MapleTree"] as const).flatMap((kind) =>
  Object.entries(GEOMETRIES).flatMap(([name, geometry]) =>
    [true, false].flatMap((rcu) =>
      (["u53", "u32"] as const)
        .filter((domain) => domain === "u53" || geometry !== KERNEL_GEOMETRY)
        .map((domain) => ({
          kind,
          geometry,
          rcu,
          domain,
          name: `${kind}, ${name} geometry, ${rcu ? "RCU" : "no RCU"}${domain === "u53" ? "" : ", 32-bit indices"}`,
        })),
    ),
  ),
);

/** An empty tree in an arena of its own. */
export function newSubject(variant: Variant, gaps: boolean, bytesMax = 1 << 24): Subject {
  const { kind, geometry, rcu, domain } = variant;
  const shared = kind === "SharedMapleTree";
  const arena = Arena.create({ bytes: Math.min(bytesMax, 1 << 16), bytesMax, shared, debug: true });
  return shared
    ? sharedSubject(SharedMapleTree.create(arena, { geometry, rcu, domain, gaps }))
    : localSubject(new MapleTree<Value>({ geometry, rcu, domain, gaps, arena }));
}

/** The found gap, or `undefined` for EBUSY. */
function orBusy(find: () => number): number | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof MapleError && error.code === "EBUSY") return undefined;
    throw error;
  }
}

interface Steps {
  readonly index: number;
  readonly last: number;
  readonly status: string;
}

/** Goes on until the cursor says that there is no more. */
function walkAll<C extends Steps>(cursor: C, step: (cursor: C) => number, empty: boolean): Range[] {
  const found: Range[] = [];
  for (let n = 0; n < 5000; n++) {
    const entry = step(cursor);
    const ended = cursor.status === "overflow" || cursor.status === "underflow" || cursor.status === "none";
    if (entry === 0 && (!empty || ended)) return found;
    found.push({ first: cursor.index, last: cursor.last, entry });
  }
  throw new Error("a walk that does not end");
}

function batchOf(
  { first, last }: { readonly first: Float64Array; readonly last: Float64Array },
  count: number,
  entryOf: (n: number) => number,
): Range[] {
  return Array.from({ length: count }, (_, n) => ({ first: first[n]!, last: last[n]!, entry: entryOf(n) }));
}

/** A shared tree as a subject. */
export function sharedSubject(tree: SharedMapleTree): Subject {
  return {
    arena: tree.arena,
    core: tree.core,
    store: (first, last, entry) => tree.storeRange(first, last, entry),
    insert: (first, last, entry) => tree.insertRange(first, last, entry),
    erase: (index) => tree.erase(index),
    clear: () => tree.clear(),
    load: (index) => tree.load(index),
    loadMany: (indices) => [...tree.loadMany(indices)],
    entryAt: (index) => tree.entryAt(index),
    find: (index, max) => tree.find(index, max),
    findBefore: (index, min) => tree.findBefore(index, min),
    gap: (size, min, max, fromTop) =>
      orBusy(() => (fromTop ? tree.findGapReverse({ size, min, max }) : tree.findGap({ size, min, max }))),
    largestGap: () => tree.largestGap(),
    entries: (first, last) => [...tree.entries(first, last)],
    ranges: (first, last) => [...tree.ranges(first, last)],
    scan: (...args) => {
      const scan = tree.scan(...args);
      return {
        reset: (first, last) => scan.reset(first, last),
        next: () => batchOf(scan, scan.next(), (n) => scan.entry[n]!),
      };
    },
    forEach: (first, last, visit) =>
      tree.forEachRange(first, last, (from, to, n) => visit({ first: from, last: to, entry: n })),
    walk: (index, forward, empty) =>
      walkAll(
        tree.cursor(index),
        (c) => (forward ? (empty ? c.nextRange() : c.next()) : empty ? c.prevRange() : c.prev()),
        empty,
      ),
    validate: () => tree.validate(),
    dump: () => tree.dump(),
  };
}

/** Values are objects, so that a mixed-up handle cannot pass for a value. */
interface Value {
  readonly entry: number;
}

function localSubject(tree: MapleTree<Value>): Subject {
  const value = (entry: number): Value | undefined => (entry === 0 ? undefined : { entry });
  const entry = (v: Value | undefined): number => v?.entry ?? 0;
  const range = (r: ValueRange<Value>): Range => ({ first: r.first, last: r.last, entry: entry(r.value) });
  const found = (r: ValueRange<Value> | undefined): Range | undefined => r && range(r);
  return {
    arena: tree.arena,
    core: tree.core,
    store: (first, last, n) => entry(tree.setRange(first, last, value(n))),
    insert: (first, last, n) => tree.insertRange(first, last, value(n)),
    erase: (index) => entry(tree.delete(index)),
    clear: () => tree.clear(),
    load: (index) => entry(tree.get(index)),
    loadMany: (indices) => tree.getMany(indices).map(entry),
    entryAt: (index) => range(tree.entryAt(index)),
    find: (index, max) => found(tree.find(index, max)),
    findBefore: (index, min) => found(tree.findBefore(index, min)),
    gap: (size, min, max, fromTop) =>
      orBusy(() => (fromTop ? tree.findGapReverse({ size, min, max }) : tree.findGap({ size, min, max }))),
    largestGap: () => tree.largestGap(),
    entries: (first, last) => [...tree.entries(first, last)].map(range),
    ranges: (first, last) => [...tree.ranges(first, last)].map(range),
    scan: (...args) => {
      const scan = tree.scan(...args);
      return {
        reset: (first, last) => scan.reset(first, last),
        next: () => batchOf(scan, scan.next(), (n) => entry(scan.value[n])),
      };
    },
    forEach: (first, last, visit) =>
      tree.forEachRange(first, last, (from, to, v) => visit({ first: from, last: to, entry: entry(v) })),
    walk: (index, forward, empty) =>
      walkAll(
        tree.cursor(index),
        (c) => entry(forward ? (empty ? c.nextRange() : c.next()) : empty ? c.prevRange() : c.prev()),
        empty,
      ),
    validate: () => tree.validate(),
    dump: () => tree.dump(),
  };
}
