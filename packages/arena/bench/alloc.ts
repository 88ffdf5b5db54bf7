/*
 * What an allocation costs: ns per alloc + free, against letting the garbage collector have an object literal
 * and an Int32Array(64) in the same run. `--json` prints one JSON document instead of the table.
 *
 * Each case keeps a ring of 256 live objects, so that neither side can optimise the allocation away, and
 * takes the best of several rounds. Shared arenas are measured with objects at hand and without, where every call
 * takes the lock.
 */
import { Arena } from "@faultline/arena";

const RING = 256;
const OPERATIONS = 400_000;
const ROUNDS = 12;

interface Row {
  readonly name: string;
  readonly ns: number;
  /** Time against the object literal and the Int32Array(64) of the same run. */
  readonly vsLiteral: number;
  readonly vsTypedArray: number;
}

const KINDS = {
  unshared: { shared: false },
  shared: { shared: true },
  "shared, none at hand": { shared: true, magazineObjects: 0 },
} as const;
type Kind = keyof typeof KINDS;

type Case = readonly [name: string, run: () => void];

function bestNs(run: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run();
    best = Math.min(best, ((performance.now() - start) * 1e6) / OPERATIONS);
  }
  return best;
}

function literals(): Case {
  const ring: unknown[] = new Array(RING).fill(0);
  return [
    "object literal, 4 fields (GC)",
    () => {
      for (let i = 0; i < OPERATIONS; i++) ring[i % RING] = { parent: i, first: i, last: i, entry: i };
    },
  ];
}

function typedArrays(): Case {
  const ring: unknown[] = new Array(RING).fill(0);
  return [
    "Int32Array(64) (GC)",
    () => {
      for (let i = 0; i < OPERATIONS; i++) ring[i % RING] = new Int32Array(64);
    },
  ];
}

function slabCase(kind: Kind, how: "free" | "freeDeferred" | "pair"): Case {
  const arena = Arena.create(KINDS[kind]);
  const cache = arena.cache({ name: "node", objectWords: 64, alignWords: 64 });
  const ring = Array.from({ length: RING }, () => cache.alloc());
  const runs = {
    pair: () => {
      for (let i = 0; i < OPERATIONS; i++) cache.free(cache.alloc());
    },
    free: () => {
      for (let i = 0; i < OPERATIONS; i++) {
        cache.free(ring[i % RING]);
        ring[i % RING] = cache.alloc();
      }
    },
    freeDeferred: () => {
      for (let i = 0; i < OPERATIONS; i++) {
        cache.freeDeferred(ring[i % RING]);
        ring[i % RING] = cache.alloc();
      }
    },
  };
  const call = {
    pair: "alloc + free, one object",
    free: "alloc + free",
    freeDeferred: "alloc + freeDeferred",
  }[how];
  return [`${call}, ${kind}`, runs[how]];
}

const literal = bestNs(literals()[1]);
const typed = bestNs(typedArrays()[1]);
const cases: Case[] = [
  slabCase("unshared", "pair"),
  slabCase("unshared", "free"),
  slabCase("shared", "free"),
  slabCase("shared, none at hand", "free"),
  slabCase("unshared", "freeDeferred"),
  slabCase("shared", "freeDeferred"),
];
const row = (name: string, ns: number): Row => ({
  name,
  ns,
  vsLiteral: ns / literal,
  vsTypedArray: ns / typed,
});
const rows = [row(literals()[0], literal), row(typedArrays()[0], typed)];
for (const [name, run] of cases) rows.push(row(name, bestNs(run)));

if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ bench: "arena/alloc", node: process.version, rows }));
} else {
  console.log("ns per allocation and free            ns   / literal   / Int32Array(64)");
  for (const { name, ns, vsLiteral, vsTypedArray } of rows) {
    console.log(
      `${name.padEnd(38)}${ns.toFixed(1).padStart(6)}${vsLiteral.toFixed(2).padStart(12)}${vsTypedArray.toFixed(2).padStart(12)}`,
    );
  }
}
