import { describe, expect, it } from "vitest";
import { waitAsyncOn } from "../src/wait-async.ts";

const shared = () => new Int32Array(new SharedArrayBuffer(64));

/** The three ways in which the same promise is kept. */
const ways = [
  { way: "Atomics.waitAsync", make: shared, hide: false },
  { way: "polling shared words", make: shared, hide: true },
  { way: "polling an ArrayBuffer", make: () => new Int32Array(16), hide: false },
];

describe.each(ways)("waitAsyncOn by $way", ({ make, hide }) => {
  const words = make();
  const start = (expected: number, timeoutMs?: number, signal?: AbortSignal) => {
    const real = Atomics.waitAsync;
    if (hide) Object.assign(Atomics, { waitAsync: undefined });
    try {
      return waitAsyncOn(words, 3, expected, timeoutMs, signal);
    } finally {
      Object.assign(Atomics, { waitAsync: real });
    }
  };
  const change = (value: number) => {
    Atomics.store(words, 3, value);
    Atomics.notify(words, 3);
  };

  it("is ok when the word is changed and notified", async () => {
    change(0);
    const waiting = start(0);
    change(1);
    expect(await waiting).toBe("ok");
  });

  it("does not wait if the word has another value", async () => {
    change(5);
    expect(await start(4)).toBe("not-equal");
  });

  it("gives up after the timeout", async () => {
    change(0);
    expect(await start(0, 2)).toBe("timed-out");
    expect(await start(0, 0)).toBe("timed-out");
  });

  it("rejects with the reason of a signal that is aborted before or meanwhile, and of no other", async () => {
    change(0);
    await expect(start(0, undefined, AbortSignal.abort("before"))).rejects.toBe("before");
    const controller = new AbortController();
    const waiting = start(0, undefined, controller.signal);
    const other = start(0, undefined, new AbortController().signal);
    setTimeout(() => controller.abort("meanwhile"), 1);
    await expect(waiting).rejects.toBe("meanwhile");
    change(1);
    expect(await other).toBe("ok");
  });
});

it("leaves nobody in the engine's list after an abort, so that the next notify reaches who still waits", async () => {
  const words = shared();
  const controller = new AbortController();
  const aborted = waitAsyncOn(words, 0, 0, undefined, controller.signal);
  controller.abort("enough");
  await expect(aborted).rejects.toBe("enough");
  const waiting = waitAsyncOn(words, 0, 0);
  expect(Atomics.notify(words, 0, 1)).toBe(1);
  expect(await waiting).toBe("ok");
});
