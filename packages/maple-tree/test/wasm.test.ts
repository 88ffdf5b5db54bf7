/*
 * Reads in WebAssembly say what reads in JavaScript say. Two instances of one tree in one memory: one has attached by
 * the whole handle, the other by the buffer alone, so that it knows of no WebAssembly (and of no growth).
 */
import { Arena } from "@faultline/arena";
import {
  type Geometry,
  KERNEL_GEOMETRY,
  MAX_INDEX,
  type MapleCursor,
  SharedMapleTree,
  TEACHING_GEOMETRY,
  WIDE_GEOMETRY,
} from "@faultline/maple-tree";
import { afterEach, describe, expect, it } from "vitest";
import { assemble, moduleText } from "../scripts/assemble.ts";
import * as L from "../src/layout.ts";
import { DESCENT_HEX } from "../src/wasm/descent.generated.ts";
import { LIST_MOST } from "../src/wasm/descent.ts";

interface Pair {
  readonly wasm: SharedMapleTree;
  readonly js: SharedMapleTree;
}

const open: Arena[] = [];

afterEach(() => {
  for (const arena of open.splice(0)) arena.close();
});

function pairOf(geometry: Geometry, gaps: boolean): Pair {
  const arena = Arena.create({ shared: true, wasm: true, bytes: 1 << 22, bytesMax: 1 << 24 });
  const wasm = SharedMapleTree.create(arena, { geometry, gaps });
  const other = Arena.attach({ buffer: arena.handle().buffer });
  open.push(arena, other);
  return { wasm, js: SharedMapleTree.attach(other, wasm.root) };
}

/** Pseudo-random numbers below `below`, the same in each run. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

const stand = (c: MapleCursor): unknown[] => [c.index, c.last, c.status];

function step(cursor: MapleCursor, kind: number, limit: number): number {
  if (kind === 0) return cursor.prev();
  if (kind === 1) return cursor.nextRange();
  if (kind === 2) return cursor.find(limit);
  if (kind < 8) return cursor.next();
  return cursor.find();
}

const CASES: [name: string, geometry: Geometry, gaps: boolean][] = [
  ["wide", WIDE_GEOMETRY, false],
  ["wide with gaps", WIDE_GEOMETRY, true],
  ["kernel", KERNEL_GEOMETRY, false],
  ["kernel with gaps", KERNEL_GEOMETRY, true],
  ["teaching with gaps", TEACHING_GEOMETRY, true],
];

describe.each(CASES)("a tree in WebAssembly memory (%s)", (_, geometry, gaps) => {
  it("is read in WebAssembly by those who have the memory, and only by them", () => {
    const { wasm, js } = pairOf(geometry, gaps);
    expect([wasm.core.descent === undefined, js.core.descent === undefined]).toEqual([false, true]);
  });

  it("looks up what JavaScript looks up, empty, with one entry, and while it grows and shrinks", () => {
    const { wasm, js } = pairOf(geometry, gaps);
    const below = numbersFrom(3);
    const same = (): void => {
      for (let n = 0; n < 300; n++) {
        const index = n < 4 ? [0, 1, MAX_INDEX - 1, MAX_INDEX][n]! : below(30_000);
        expect(wasm.load(index)).toBe(js.load(index));
      }
    };
    same();
    wasm.storeRange(0, 0, 9);
    same();
    for (let round = 0; round < 12; round++) {
      for (let n = 0; n < 200; n++) {
        const first = below(30_000);
        wasm.storeRange(first, first + below(round > 8 ? 900 : 20), below(5) === 0 ? 0 : 1 + below(1000));
      }
      same();
    }
    wasm.storeRange(29_000, MAX_INDEX, 5);
    same();
    wasm.assertValid();
  });

  it("is gone over by cursors as in JavaScript, whatever is written between two steps", () => {
    const { wasm, js } = pairOf(geometry, gaps);
    const below = numbersFrom(11);
    for (let n = 0; n < 1500; n++) wasm.storeRange(n * 20 + (n % 5), n * 20 + 12, n + 1);
    for (let round = 0; round < 60; round++) {
      const start = below(30_000);
      const [a, b] = [wasm.cursor(start), js.cursor(start)];
      for (let n = 0; n < 60; n++) {
        const kind = below(40);
        const limit = below(31_000);
        expect(step(a, kind, limit)).toBe(step(b, kind, limit));
        expect(stand(a)).toEqual(stand(b));
        if (below(6) > 0) continue;
        const first = Math.min(a.last, 30_000) + below(60);
        wasm.storeRange(first, first + below(40), below(3) === 0 ? 0 : 1 + below(1000));
      }
    }
  });

  it("serves two cursors in turn, and goes on from all of a range after a request for a part of it", () => {
    const { wasm, js } = pairOf(geometry, gaps);
    for (let n = 0; n < 500; n++) wasm.storeRange(n * 20, n * 20 + 12, n + 1);
    const cursors = [wasm.cursor(0), js.cursor(0), wasm.cursor(4000), js.cursor(4000)];
    for (let n = 0; n < 100; n++) {
      const found = cursors.map((cursor) => cursor.find());
      expect([found[0], found[2]]).toEqual([found[1], found[3]]);
    }
    for (const cursor of cursors) cursor.setWithin(cursor.index + 1, cursor.last - 1);
    const found = cursors.map((cursor) => [cursor.next(), ...stand(cursor)]);
    expect([found[0], found[2]]).toEqual([found[1], found[3]]);
  });
});

/** Handles of the leaves, in order, with the last index of each. */
function leavesOf({ core }: SharedMapleTree): { node: number; last: number }[] {
  const leaves: { node: number; last: number }[] = [];
  const collect = (handle: number, last: number): void => {
    const node = handle & L.NODE_MASK;
    if ((handle & L.TAG_MASK) === L.NodeType.Leaf) return void leaves.push({ node, last });
    const end = core.i32[node + L.META]! & 0xff;
    for (let slot = 0; slot <= end; slot++) {
      collect(core.i32[node + L.SLOTS + slot]!, core.f64[(node >> 1) + L.PIVOTS_F64 + slot]!);
    }
  };
  collect(core.rootWord, core.maxIndex);
  return leaves;
}

it("lists no range of a leaf that is dead, and goes on before it", () => {
  const { wasm: tree } = pairOf(TEACHING_GEOMETRY, false);
  for (let n = 0; n < 30; n++) tree.storeRange(n * 10, n * 10 + 9, n + 1);
  const [one, two] = leavesOf(tree);
  const { core } = tree;
  const { list, rangesFrom } = core.descent!;
  const listed = (from: number): { count: number; last: number } => ({
    count: rangesFrom(core.rootAddress, from, list * 4, core.maxIndex, LIST_MOST, core.maxIndex),
    last: core.f64[list >> 1]!,
  });
  expect(listed(0).last).toBeGreaterThan(two!.last);
  // As a writer leaves it, between the publication of its successor and a reader's next look at the parent.
  const parent = core.i32[two!.node + L.PARENT]!;
  core.i32[two!.node + L.PARENT] = two!.node;
  expect(listed(0)).toEqual({ count: (one!.last + 1) / 10, last: one!.last });
  core.i32[two!.node + L.PARENT] = parent;
  tree.assertValid();
});

it("is assembled from the text beside it", async () => {
  const hex = /"([0-9a-f]+)"/g;
  const parts = [...moduleText(await assemble()).matchAll(hex)].map(([, part]) => part);
  expect(parts.join("")).toBe(DESCENT_HEX);
});
