import { describe, expect, it } from "vitest";
import { check, InterleaveError, type Model } from "../src/index.ts";

const words = (count: number) => (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * count));

function model<S>(given: Model<S>): Model<S> {
  return given;
}

describe("what ends an execution badly", () => {
  it("reports threads that sleep for good as a deadlock", async () => {
    const report = await check(model({ setup: words(1), threads: [(w) => void Atomics.wait(w, 0, 0)] }));
    expect(report.failure).toMatchObject({
      kind: "deadlock",
      message: "nobody wakes thread 0 at wait Int32[0] 0",
    });
  });

  it("reports spinning on a word that nobody writes as a livelock, not as a step bound", async () => {
    const spin = (w: Int32Array): void => {
      while (Atomics.load(w, 0) === 0) Atomics.pause?.();
    };
    const report = await check(model({ setup: words(1), threads: [spin, spin] }));
    expect(report.failure).toMatchObject({ kind: "livelock", message: /nobody writes what is spun on/ });
    expect(report.longest).toBeLessThan(10);
  });

  it("reports an endless loop that writes when it reaches the step bound", async () => {
    const loop = (w: Int32Array): void => {
      for (;;) Atomics.add(w, 0, 1);
    };
    const report = await check(model({ setup: words(1), threads: [loop] }), { maxSteps: 100 });
    expect(report.failure).toMatchObject({ kind: "livelock", message: "no end after 100 steps" });
  });

  it("says what it knows of the endless loop: the last steps are in the schedule", async () => {
    const loop = (w: Int32Array): void => {
      for (let i = 0; ; i++) Atomics.store(w, 0, i);
    };
    const report = await check(model({ setup: words(1), threads: [loop, loop] }), { maxSteps: 50 });
    expect(report.failure?.message).toMatch(/^no end after 50 steps; thread \d had no turn/);
    expect(report.failure?.rows).toHaveLength(50);
    expect(report.failure?.rows[49]).toMatchObject({
      operation: /^store Int32\[0\]/,
      at: /^engine\.test\.ts:/,
    });
  });

  it("reports an exception in a thread with its schedule", async () => {
    const report = await check(
      model({
        setup: words(1),
        threads: [
          (w) => {
            if (Atomics.load(w, 0) === 1) throw new Error("seen");
          },
          (w) => void Atomics.store(w, 0, 1),
        ],
      }),
    );
    expect(report.failure).toMatchObject({
      kind: "exception",
      message: "thread 0 threw Error: seen",
      schedule: "1,0",
    });
    expect(report.failure!.rows.map((row) => row.at)).toEqual([
      expect.stringMatching(/^engine\.test\.ts:\d+$/),
      expect.stringMatching(/^engine\.test\.ts:\d+$/),
    ]);
  });
});

describe("waiting", () => {
  it("wakes in order of arrival and returns how many were woken", async () => {
    const seen = new Set<string>();
    const report = await check(
      model({
        setup: words(2),
        threads: [
          (w) => Atomics.wait(w, 0, 0),
          (w) => {
            Atomics.store(w, 0, 1);
            return Atomics.notify(w, 0);
          },
        ],
        after: (_w, results) => void seen.add(results.join()),
      }),
    );
    expect(report).toMatchObject({ ok: true, exhausted: true });
    expect(seen).toEqual(new Set(["ok,1", "not-equal,0"]));
  });

  it("wakes the one that came first", async () => {
    const sleeping = model({
      setup: words(1),
      threads: [
        (w) => void Atomics.wait(w, 0, 0),
        (w) => void Atomics.wait(w, 0, 0),
        (w) => void Atomics.notify(w, 0, 1),
      ],
    });
    const first = await check(sleeping, { replay: "1,0,2,1" });
    expect(first.failure).toMatchObject({ kind: "deadlock", message: /^nobody wakes thread 0/ });
    const error = await check(sleeping, { replay: "1,0,2,0" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "EINVAL", message: /thread 0 cannot do that/ });
  });

  it("lets a timeout fire before and after the notify", async () => {
    const seen = new Set<string>();
    await check(
      model({
        setup: words(1),
        threads: [(w) => Atomics.wait(w, 0, 0, 10), (w) => Atomics.notify(w, 0)],
        after: (_w, results) => void seen.add(results.join()),
      }),
    );
    expect(seen).toEqual(new Set(["ok,1", "timed-out,0"]));
  });

  it("advances a thread's clock by the timeouts that it let pass", async () => {
    const report = await check(
      model({
        setup: words(1),
        threads: [
          (w) => {
            const start = performance.now();
            Atomics.wait(w, 0, 0, 25);
            return performance.now() - start;
          },
        ],
        after: (_w, results) => expect(results).toEqual([25]),
      }),
    );
    expect(report.failure).toBeUndefined();
  });
});

describe("spinning", () => {
  it("explores a bounded spin that gives up", async () => {
    const seen = new Set<unknown>();
    const report = await check(
      model({
        setup: words(1),
        threads: [
          (w) => {
            for (let turn = 0; turn < 60; turn++) if (Atomics.load(w, 0) === 1) return "seen";
            return "given up";
          },
          (w) => Atomics.store(w, 0, 1),
        ],
        after: (_w, [result]) => void seen.add(result),
      }),
    );
    expect(report).toMatchObject({ ok: true, exhausted: true });
    expect(seen).toEqual(new Set(["seen", "given up"]));
  });

  it("checks a spinlock with three threads without exploding", async () => {
    const locked = (w: Int32Array): void => {
      while (Atomics.exchange(w, 0, 1) === 1) Atomics.pause?.();
      w[1]!++;
      Atomics.store(w, 0, 0);
    };
    const report = await check(
      model({ setup: words(2), threads: [locked, locked, locked], after: (w) => expect(w[1]).toBe(3) }),
      { freeReads: 0 },
    );
    expect(report.failure).toBeUndefined();
    expect(report.exhausted).toBe(true);
    expect(report.executions).toBeLessThan(2000);
  });
});

describe("plain accesses", () => {
  it("race when nothing orders them, and both stacks are told", async () => {
    const report = await check(
      model({ setup: words(1), threads: [(w) => void w.fill(1), (w) => void w[0]] }),
    );
    expect(report.failure!.kind).toBe("race");
    expect(report.failure!.stacks).toHaveLength(2);
    for (const stack of report.failure!.stacks) expect(stack).toContain("engine.test.ts");
  });

  it("do not race when a flag publishes them", async () => {
    const report = await check(
      model({
        setup: words(2),
        threads: [
          (w) => {
            w[0] = 7;
            Atomics.store(w, 1, 1);
          },
          (w) => {
            if (Atomics.load(w, 1) === 1) expect(w[0]).toBe(7);
          },
        ],
      }),
    );
    expect(report).toMatchObject({ ok: true, exhausted: true });
  });

  it("race with an Atomics access of the same word", async () => {
    const report = await check(
      model({ setup: words(1), threads: [(w) => void Atomics.store(w, 0, 1), (w) => void w[0]] }),
    );
    expect(report.failure?.kind).toBe("race");
  });

  it("may race where the model says so, with a reason", async () => {
    const races = [{ at: "engine.test.ts", reason: "a statistic" }];
    const report = await check(
      model({ setup: words(1), threads: [(w) => void w[0]!++, (w) => void w[0]!++], races }),
    );
    expect(report).toMatchObject({ ok: true, exhausted: true });
  });

  it("of 64 bits tear", async () => {
    const seen = new Set<unknown>();
    await check(
      model({
        setup: () => new BigInt64Array(new SharedArrayBuffer(8)),
        threads: [(w) => void w.fill(-1n), (w) => w[0]],
        after: (_w, results) => void seen.add(results[1]),
      }),
      { races: false },
    );
    expect(seen).toEqual(new Set([0n, -1n, 0xffff_ffffn, -0x1_0000_0000n]));
  });

  it("work through methods, subarrays and DataView", async () => {
    const report = await check(
      model({
        setup: () => new Int32Array(new SharedArrayBuffer(32)),
        threads: [
          (w) => {
            w.fill(3);
            w.subarray(2, 4).set([8, 9]);
            const view = new DataView(w.buffer, 8);
            view.setInt16(0, -2, true);
            return [
              [...w.slice(0, 4)],
              w.indexOf(9),
              view.getInt16(0, true),
              w instanceof Int32Array,
              ArrayBuffer.isView(w),
            ];
          },
        ],
        after: (_w, results) => expect(results[0]).toEqual([[3, 3, 65534, 9], 3, -2, true, true]),
      }),
    );
    expect(report.failure).toBeUndefined();
  });
});

describe("death", () => {
  it("exposes a lock whose dead owner nobody notices", async () => {
    const locked = (w: Int32Array): void => {
      while (Atomics.exchange(w, 0, 1) === 1) Atomics.pause?.();
      Atomics.store(w, 0, 0);
    };
    const given = model({ setup: words(1), threads: [locked, locked] });
    expect((await check(given)).ok).toBe(true);
    const report = await check(given, { kills: 1 });
    expect(report.failure?.kind).toBe("livelock");
    expect(report.failure?.schedule).toMatch(/k/);
    expect((await check(given, { kills: 1, replay: report.failure!.schedule })).failure?.kind).toBe(
      "livelock",
    );
  });
});

describe("models that cannot be repeated", () => {
  it.each([
    ["Math.random", () => Math.random() * 100],
    ["crypto.getRandomValues", () => crypto.getRandomValues(new Uint32Array(1))[0]],
    ["crypto.randomUUID", () => crypto.randomUUID().length],
  ])("are told when they use randomness: %s", async (name, random) => {
    const report = await check(
      model({ setup: words(1), threads: [(w) => void Atomics.store(w, 0, random())] }),
    );
    expect(report.failure).toMatchObject({
      kind: "nondeterministic",
      message: expect.stringContaining(name),
    });
  });

  it("have a time that stands still but for timeouts, so that it can be repeated", async () => {
    const times = (w: Int32Array): unknown[] => {
      Atomics.add(w, 0, 1);
      return [Date.now(), new Date().toISOString(), performance.now()];
    };
    const after = (_w: Int32Array, results: readonly unknown[]): void => {
      expect(results).toEqual([
        [0, "1970-01-01T00:00:00.000Z", 0],
        [0, "1970-01-01T00:00:00.000Z", 0],
      ]);
    };
    const report = await check(model({ setup: words(1), threads: [times, times], after }));
    expect(report).toMatchObject({ ok: true, exhausted: true });
    expect(new Date("2020-01-01") instanceof Date).toBe(true);
  });

  it("are told when what they do next depends on how often they ran, wherever that shows", async () => {
    let calls = 0;
    const shy = (w: Int32Array): void => {
      Atomics.load(w, 0);
      if (calls++ % 2 === 1) throw new Error("every second time");
      Atomics.load(w, 1);
    };
    const threads = [shy, (w: Int32Array) => void Atomics.store(w, 1, 1)];
    const report = await check(model({ setup: words(2), threads }));
    expect(report.failure?.kind).toBe("nondeterministic");
  });

  it("are told when they keep state outside the shared memory", async () => {
    let calls = 0;
    const report = await check(
      model({
        setup: words(2),
        threads: [
          (w) => {
            Atomics.store(w, 0, calls++);
            Atomics.store(w, 1, 1);
          },
          (w) => void Atomics.load(w, 0),
        ],
      }),
    );
    expect(report.failure?.kind).toBe("nondeterministic");
  });

  it("are told when their buffer outlives an execution", async () => {
    const kept = new SharedArrayBuffer(4);
    const report = await check(
      model({ setup: () => new Int32Array(kept), threads: [(w) => void Atomics.store(w, 0, 1)] }),
    );
    expect(report.failure).toMatchObject({ kind: "nondeterministic", message: /SharedArrayBuffer/ });
  });
});

describe("chance, bounds and shards", () => {
  const lost = model({
    setup: words(1),
    threads: [0, 1].map(() => (w: Int32Array) => void Atomics.store(w, 0, Atomics.load(w, 0) + 1)),
    after: (w) => {
      if (w[0] !== 2) throw new Error("lost");
    },
  });

  it.each(["random", "pct"] as const)(
    "finds a lost update by %s, the same one for the same seed",
    async (strategy) => {
      const first = await check(lost, { strategy, seed: 5 });
      expect(first.failure?.kind).toBe("after");
      expect(await check(lost, { strategy, seed: 5 })).toMatchObject({
        failure: first.failure!,
        executions: first.executions,
      });
    },
  );

  it("finds it with one preemption and not with none", async () => {
    expect((await check(lost, { bound: 1 })).ok).toBe(false);
    expect(await check(lost, { bound: 0 })).toMatchObject({
      ok: true,
      exhausted: false,
      limits: ["0 preemptions"],
    });
  });

  it("minimises a schedule found by chance to the fewest switches", async () => {
    const report = await check(lost, { strategy: "random", seed: 3 });
    expect(report.failure?.preemptions).toBe(2);
  });

  it("puts the globals back", async () => {
    const before = [Atomics, SharedArrayBuffer, Int32Array, DataView, Math.random, Date.now];
    await check(lost);
    expect([Atomics, SharedArrayBuffer, Int32Array, DataView, Math.random, Date.now]).toEqual(before);
    expect(Atomics).toBe(before[0]);
  });

  it("refuses options that cannot be", async () => {
    await expect(check(lost, { bound: -1 })).rejects.toThrow(InterleaveError);
    await expect(check(lost, { shard: { index: 3, count: 2 } })).rejects.toThrow(/shard/);
    await expect(check({ setup: () => 0, threads: [] })).rejects.toThrow(/threads/);
    await expect(check(new URL("./nothing.model.ts", import.meta.url))).rejects.toMatchObject({
      code: "ENOENT",
    });
  });
});
