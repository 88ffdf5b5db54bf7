import { describe, expect, it } from "vitest";
import { check, type Model } from "../src/index.ts";

const words = (count: number) => (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * count));

function model<S>(given: Model<S>): Model<S> {
  return given;
}

/** Sleeps without blocking the thread, as `Atomics.wait` does with blocking it. */
async function nap(w: Int32Array, at: number, value: number, timeoutMs?: number): Promise<string> {
  const sleep = Atomics.waitAsync(w, at, value, timeoutMs);
  return sleep.async ? await sleep.value : sleep.value;
}

/** All results that the threads return together. */
async function outcomes(
  threads: readonly ((w: Int32Array) => unknown)[],
  reduction = true,
): Promise<Set<string>> {
  const seen = new Set<string>();
  const after = (_w: Int32Array, results: readonly unknown[]): void => void seen.add(results.join());
  const report = await check(model({ setup: words(2), threads, after }), { reduction });
  expect(report.failure).toBeUndefined();
  expect(report.exhausted).toBe(true);
  return seen;
}

describe("an async thread", () => {
  it("goes on through promises of its own, in every interleaving", async () => {
    const turns = async (w: Int32Array): Promise<string> => {
      const first = Atomics.add(w, 0, 1);
      await Promise.resolve();
      return [first, Atomics.add(w, 0, 1)].join("");
    };
    expect(await outcomes([turns, turns])).toEqual(
      new Set(["01,23", "23,01", "02,13", "13,02", "03,12", "12,03"]),
    );
  });

  it("is woken by a notify, or finds the word changed", async () => {
    const waker = (w: Int32Array): number => {
      Atomics.store(w, 0, 1);
      return Atomics.notify(w, 0);
    };
    expect(await outcomes([(w) => nap(w, 0, 0), waker])).toEqual(new Set(["ok,1", "not-equal,0"]));
  });

  it("times out before or after the notify", async () => {
    const threads = [(w: Int32Array) => nap(w, 0, 0, 10), (w: Int32Array) => Atomics.notify(w, 0)];
    expect(await outcomes(threads)).toEqual(new Set(["ok,1", "timed-out,0"]));
  });

  it("is told at once when it would not wait at all", async () => {
    expect(await outcomes([(w) => Atomics.waitAsync(w, 0, 0, 0).value])).toEqual(new Set(["timed-out"]));
  });

  it("has a clock that timeouts advance, and sleeps that overlap share", async () => {
    const both = async (w: Int32Array): Promise<string> => {
      const short = nap(w, 0, 0, 20);
      const long = nap(w, 1, 0, 30);
      const order = [await Promise.race([short.then(() => "short"), long.then(() => "long")])];
      await long;
      return [...order, performance.now()].join(" ");
    };
    expect(await outcomes([both])).toEqual(new Set(["short 30"]));
  });

  it("queues with threads that block: first come, first served", async () => {
    const sleepers = model({
      setup: words(1),
      threads: [
        (w) => void Atomics.wait(w, 0, 0),
        async (w) => void (await nap(w, 0, 0)),
        (w) => void Atomics.notify(w, 0, 1),
      ],
    });
    const blocked = await check(sleepers, { replay: "1,0,2,1" });
    expect(blocked.failure).toMatchObject({ kind: "deadlock", message: /^nobody wakes thread 0 at wait / });
    const idle = await check(sleepers, { replay: "0,1,2,0" });
    expect(idle.failure).toMatchObject({ kind: "deadlock", message: /^nobody wakes thread 1 at waitAsync / });
  });

  it("is told of its sleeps in the order of the notifies", async () => {
    const twoTasks = async (w: Int32Array): Promise<string> => {
      const order: string[] = [];
      const task = async (at: number): Promise<void> => {
        await nap(w, at, 0);
        order.push(String(at));
      };
      await Promise.all([task(0), task(1)]);
      return order.join("");
    };
    const waker = (at: number) => (w: Int32Array) => {
      Atomics.store(w, at, 1);
      Atomics.notify(w, at);
    };
    for (const reduction of [true, false]) {
      expect(await outcomes([twoTasks, waker(0), waker(1)], reduction)).toEqual(new Set(["01,,", "10,,"]));
    }
  });

  it.each(["wait", "waitAsync"] as const)(
    "has seen all that came before the notify that woke it: %s",
    async (kind) => {
      const sleeper = async (w: Int32Array): Promise<number> => {
        const woken = kind === "wait" ? Atomics.wait(w, 0, 0, 5) : await nap(w, 0, 0, 5);
        return woken === "ok" ? w[1]! : 7;
      };
      const writer = (w: Int32Array): void => {
        w[1] = 7; // plain: only who was woken reads it
        Atomics.notify(w, 0);
      };
      expect(await outcomes([sleeper, writer])).toEqual(new Set(["7,"]));
      const hasty = async (w: Int32Array): Promise<number> => {
        await nap(w, 0, 0, 5);
        return w[1]!;
      };
      const report = await check(model({ setup: words(2), threads: [hasty, writer] }));
      expect(report.failure?.kind).toBe("race");
    },
  );

  it("that dies asleep leaves its place in the queue", async () => {
    const seen = new Set<string>();
    const report = await check(
      model({
        setup: words(1),
        threads: [(w) => nap(w, 0, 0, 5), (w) => Atomics.notify(w, 0)],
        after: (_w, results) => void seen.add(results.join()),
      }),
      { kills: 1, killable: [0], timeouts: 0 },
    );
    expect(report).toMatchObject({ ok: true, exhausted: true });
    expect(seen).toEqual(new Set(["ok,1", "timed-out,0", ",0", ",1"]));
  });

  it.each(["wait", "waitAsync"] as const)(
    "that dies asleep is not woken in place of another: %s",
    async (kind) => {
      const sleeper = (w: Int32Array): unknown => (kind === "wait" ? Atomics.wait(w, 0, 0) : nap(w, 0, 0));
      const threads = [sleeper, sleeper, (w: Int32Array) => Atomics.notify(w, 0, 1)];
      const after = (_w: Int32Array, results: readonly unknown[]): void => {
        expect(results).toEqual([undefined, "ok", 1]);
      };
      const options = { kills: 1, killable: [0], replay: "0,1,0k,2,1" };
      expect(await check(model({ setup: words(1), threads, after }), options)).toMatchObject({ ok: true });
    },
  );

  it("that throws is a violation, with its schedule", async () => {
    const report = await check(
      model({
        setup: words(1),
        threads: [
          async (w) => {
            await nap(w, 0, 0);
            throw new Error("woken");
          },
          (w) => {
            Atomics.store(w, 0, 1);
            Atomics.notify(w, 0);
          },
        ],
      }),
    );
    expect(report.failure).toMatchObject({ kind: "exception", message: "thread 0 threw Error: woken" });
  });

  it("that starts a task and forgets it does not end the process when it is left", async () => {
    const forgetful = async (w: Int32Array): Promise<void> => {
      void (async () => void Atomics.add(w, 0, 1))();
      await nap(w, 1, 1);
    };
    const threads = [forgetful, forgetful];
    const after = (w: Int32Array): void => expect(w[0]).toBe(2);
    expect(await check(model({ setup: words(2), threads, after }))).toMatchObject({ ok: true });
  });
});

describe("what an async thread may not do", () => {
  it("await what only another thread of the real world would settle", async () => {
    const report = await check(model({ setup: words(1), threads: [() => new Promise(() => {})] }));
    expect(report.failure).toMatchObject({
      kind: "deadlock",
      message: /awaits a promise that no Atomics.waitAsync/,
    });
  });

  it("use timers, but for one that only keeps the process alive", async () => {
    const timed = async (w: Int32Array): Promise<void> => {
      const keepAlive = setTimeout(() => {}, 0x7fffffff);
      await nap(w, 0, 1);
      clearTimeout(keepAlive);
    };
    expect(await check(model({ setup: words(1), threads: [timed] }))).toMatchObject({ ok: true });
    const late = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
    const report = await check(model({ setup: words(1), threads: [late] }));
    expect(report.failure).toMatchObject({ kind: "nondeterministic", message: /setTimeout/ });
  });

  it("do something else when it is executed again", async () => {
    let calls = 0;
    const fickle = async (w: Int32Array): Promise<void> => {
      await nap(w, 1, 1);
      if (calls++ > 0) await nap(w, 1, 0);
      Atomics.load(w, 0);
    };
    const report = await check(
      model({ setup: words(2), threads: [fickle, (w) => void Atomics.store(w, 0, 1)] }),
    );
    expect(report.failure?.kind).toBe("nondeterministic");
  });
});

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

/** A lock as `sync` has it: three states, the word is set to contended before a sleep. */
async function lockAsync(w: Int32Array): Promise<void> {
  if (Atomics.compareExchange(w, 0, FREE, HELD) === FREE) return;
  while (Atomics.exchange(w, 0, CONTENDED) !== FREE) await nap(w, 0, CONTENDED);
}

function unlock(w: Int32Array): void {
  if (Atomics.exchange(w, 0, FREE) === CONTENDED) Atomics.notify(w, 0, 1);
}

/** Forgets that somebody may sleep: whoever takes the lock after a sleep says that nobody waits. */
async function lockForgetful(w: Int32Array): Promise<void> {
  while (Atomics.compareExchange(w, 0, FREE, HELD) !== FREE) {
    Atomics.compareExchange(w, 0, HELD, CONTENDED);
    await nap(w, 0, CONTENDED);
  }
}

const section = (lock: (w: Int32Array) => Promise<void>) => async (w: Int32Array) => {
  await lock(w);
  w[1] = w[1]! + 1;
  unlock(w);
};
const blocking = (w: Int32Array): void => {
  if (Atomics.compareExchange(w, 0, FREE, HELD) !== FREE) {
    while (Atomics.exchange(w, 0, CONTENDED) !== FREE) Atomics.wait(w, 0, CONTENDED);
  }
  w[1] = w[1]! + 1;
  unlock(w);
};
const counted = (threads: Model<Int32Array>["threads"], sections: number): Model<Int32Array> => ({
  setup: words(2),
  threads,
  after: (w) => expect(w[1]).toBe(sections),
});

describe("a lock with an async form", () => {
  it.each([true, false])(
    "excludes and wakes, among async and blocking threads (reduction %s)",
    async (reduction) => {
      const given = counted([section(lockAsync), section(lockAsync), blocking], 3);
      const report = await check(given, reduction ? {} : { bound: 2 });
      expect(report.failure).toBeUndefined();
      expect(report.exhausted).toBe(reduction);
    },
  );

  it("excludes two tasks of one thread from each other", async () => {
    const twice = async (w: Int32Array): Promise<void> => {
      await Promise.all([section(lockAsync)(w), section(lockAsync)(w)]);
    };
    const report = await check(counted([twice, section(lockAsync)], 3));
    expect(report).toMatchObject({ ok: true, exhausted: true });
  });

  it("that loses a wake-up is found asleep, and the schedule replays it", async () => {
    const given = counted([section(lockForgetful), section(lockForgetful), section(lockForgetful)], 3);
    const report = await check(given);
    expect(report.failure).toMatchObject({
      kind: "deadlock",
      message: /nobody wakes thread \d at waitAsync/,
    });
    const again = await check(given, { replay: report.failure!.schedule });
    expect(again.failure).toEqual(report.failure);
  });
});
