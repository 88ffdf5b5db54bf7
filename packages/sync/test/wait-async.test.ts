import { describe, expect, it } from "vitest";
import { napAsync } from "../src/wait-async.ts";

const shared = () => new Int32Array(new SharedArrayBuffer(64));
const NEVER = Number.POSITIVE_INFINITY;

/** The three ways in which the same promise is kept. */
const ways = [
  { way: "Atomics.waitAsync", make: shared, hide: false },
  { way: "polling shared words", make: shared, hide: true },
  { way: "polling an ArrayBuffer", make: () => new Int32Array(16), hide: false },
];

describe.each(ways)("a nap by $way", ({ make, hide }) => {
  const words = make();
  const nap = (expected: number, timeoutMs = NEVER, signal?: AbortSignal) => {
    const real = Atomics.waitAsync;
    if (hide) Object.assign(Atomics, { waitAsync: undefined });
    try {
      return napAsync(words, { word: 3, expected }, performance.now() + timeoutMs, signal);
    } finally {
      Object.assign(Atomics, { waitAsync: real });
    }
  };
  const change = (value: number) => {
    Atomics.store(words, 3, value);
    Atomics.notify(words, 3);
  };

  it("ends when the word is changed and notified", async () => {
    change(0);
    const waiting = nap(0);
    change(1);
    expect(await waiting).toBe(true);
  });

  it("does not begin if the word has another value", async () => {
    change(5);
    expect(await nap(4)).toBe(true);
  });

  it("is given up after the timeout", async () => {
    change(0);
    expect(await nap(0, 2)).toBe(false);
    expect(await nap(0, 0)).toBe(false);
  });

  it("is given up when its own signal is aborted, before or meanwhile, and no other nap with it", async () => {
    change(0);
    expect(await nap(0, NEVER, AbortSignal.abort("before"))).toBe(false);
    const controller = new AbortController();
    const waiting = nap(0, NEVER, controller.signal);
    setTimeout(() => controller.abort("meanwhile"), 1);
    expect(await waiting).toBe(false);
    const other = nap(0, NEVER, new AbortController().signal);
    change(1);
    expect(await other).toBe(true);
  });
});

it("leaves nobody in the engine's list after an abort, so that the next notify reaches who still waits", async () => {
  const words = shared();
  const controller = new AbortController();
  const aborted = napAsync(words, { word: 0, expected: 0 }, NEVER, controller.signal);
  controller.abort("enough");
  expect(await aborted).toBe(false);
  const waiting = napAsync(words, { word: 0, expected: 0 }, NEVER, undefined);
  expect(Atomics.notify(words, 0, 1)).toBe(1);
  expect(await waiting).toBe(true);
});
