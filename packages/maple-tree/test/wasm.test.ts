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
import { DESCENT_HEX } from "../src/wasm/descent.generated.ts";

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

it("is assembled from the text beside it", async () => {
  const hex = /"([0-9a-f]+)"/g;
  const parts = [...moduleText(await assemble()).matchAll(hex)].map(([, part]) => part);
  expect(parts.join("")).toBe(DESCENT_HEX);
});
