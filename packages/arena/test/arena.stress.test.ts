import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena, type SlabCache } from "@faultline/arena";
import { describe, expect, it } from "vitest";
import type { Task } from "./arena.worker.ts";
import { DEAD, OBJECT_WORDS, PUBLISHED, SECTION, STARTED, STOP } from "./signals.ts";

const KIB16 = 16384;

function setup(debug = false): { arena: Arena; cache: SlabCache; signals: number } {
  const arena = Arena.create({ shared: true, bytes: KIB16, bytesMax: 2 ** 24, debug });
  const signals = arena.allocWords(16);
  return { arena, cache: arena.cache({ name: "object", objectWords: OBJECT_WORDS }), signals };
}

/** Starts a worker; its answer is "ok" or what it found wrong. */
function start(arena: Arena, signals: number, kind: Task["kind"], id = 1, rounds = 0): Promise<string> {
  const workerData: Task = { kind, handle: arena.handle(), signals, id, rounds };
  const worker = new Worker(new URL("./arena.worker.ts", import.meta.url), {
    workerData,
    execArgv: ["--conditions=@faultline/source"],
  });
  // once() rejects if the worker fails with an error.
  return once(worker, "message").then(([answer]) => answer as string);
}

describe("several workers", () => {
  it.each([{ debug: false }, { debug: true }])(
    "are never handed the same object while they allocate and free, debug: $debug",
    async ({ debug }) => {
      const { arena, cache, signals } = setup(debug);
      const answers = [1, 2].map((id) => start(arena, signals, "pattern", id, 200_000));
      expect(await Promise.all(answers)).toEqual(["ok", "ok"]);
      cache.reclaim();
      arena.validate();
      expect(cache.stats()).toMatchObject({ live: 0, deferred: 0, reserved: 0 });
    },
  );

  it("keep a deferred object from reuse while another worker's section is open", async () => {
    const { arena, cache, signals } = setup();
    const word = cache.alloc();
    const answer = start(arena, signals, "hold-section");
    await Atomics.waitAsync(arena.i32, signals + SECTION, 0).value;
    cache.freeDeferred(word);
    for (let i = 0; i < 1000; i++) expect(cache.alloc()).not.toBe(word);
    expect(cache.reclaim()).toBe(0);
    Atomics.store(arena.i32, signals + SECTION, 2);
    Atomics.notify(arena.i32, signals + SECTION);
    expect(await answer).toBe("ok");
    expect(cache.reclaim()).toBe(1);
    arena.validate();
  });

  it("read published objects unharmed while these are replaced, deferred, and the buffer grows", async () => {
    const { arena, cache, signals } = setup(true);
    const publish = (): number => {
      const word = cache.alloc();
      arena.i32.fill(word, word + 2, word + OBJECT_WORDS);
      return Atomics.exchange(arena.i32, signals + PUBLISHED, word);
    };
    publish();
    const answer = start(arena, signals, "read-published");
    while (Atomics.load(arena.i32, signals + STARTED) === 0) await new Promise((wake) => setTimeout(wake, 1));
    for (let round = 0; round < 100_000; round++) {
      const old = publish();
      Atomics.store(arena.i32, old, DEAD);
      cache.freeDeferred(old);
      // Growth while the reader holds views: an object kept now and then makes new slabs.
      if (round % 8 === 0) cache.alloc();
    }
    Atomics.store(arena.i32, signals + STOP, 1);
    expect(await answer).toBe("ok");
    expect(arena.stats().grown).toBeGreaterThan(5);
    arena.validate();
  });
});
