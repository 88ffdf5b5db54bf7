import { describe, expect, it } from "vitest";
import { check, type Model } from "../src/index.ts";

const words = (count: number) => (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * count));

function model(threads: Model<Int32Array>["threads"], after?: (w: Int32Array) => void): Model<Int32Array> {
  return { setup: words(4), threads, ...(after === undefined ? {} : { after }) };
}

/** Counts how long it has to wait: an endless loop that writes, unless the other one gets a turn. */
const impatient = (w: Int32Array): void => {
  while (Atomics.load(w, 0) === 0) Atomics.add(w, 1, 1);
};
const setter = (w: Int32Array): void => void Atomics.store(w, 0, 1);

/** Wants both flags, and takes back its own while the other's is up. */
const polite = (mine: number) => (w: Int32Array) => {
  for (;;) {
    Atomics.store(w, mine, 1);
    if (Atomics.load(w, 1 - mine) === 0) break;
    Atomics.store(w, mine, 0);
  }
  Atomics.store(w, mine, 0);
};

describe("bounded fairness", () => {
  it("tells an unfair schedule from a livelock", async () => {
    const unfair = await check(model([impatient, setter]), { maxSteps: 60 });
    expect(unfair.failure).toMatchObject({
      kind: "livelock",
      message: "no end after 60 steps; thread 1 had no turn: the option fairness leaves such schedules out",
    });
    const fair = await check(model([impatient, setter]), { maxSteps: 60, fairness: 10 });
    expect(fair).toMatchObject({ ok: true, limits: ["fairness 10"], exhausted: false });
    expect(fair.longest).toBeLessThan(60);
  });

  it("leaves a livelock that no scheduler is to blame for", async () => {
    const report = await check(model([polite(0), polite(1)]), { fairness: 6, maxSteps: 200 });
    expect(report.failure).toMatchObject({
      kind: "livelock",
      message: "no end after 200 steps, although nobody was passed over more than 6 times in a row",
    });
    const options = { fairness: 6, maxSteps: 200, replay: report.failure!.schedule };
    expect((await check(model([polite(0), polite(1)]), options)).failure).toEqual(report.failure);
  });

  it("passes nobody over more often than it says, and explores every order that does not", async () => {
    const seen = new Set<string>();
    const log = (me: number) => (w: Int32Array) =>
      [0, 1, 2, 3].map(() => Atomics.add(w, 0, me === 0 ? 1 : 16));
    const order = (results: readonly unknown[]): string => {
      const all = [0, 1].flatMap((me) =>
        (results[me] as number[]).map((at) => [(at & 15) + (at >> 4), me] as const),
      );
      return all
        .toSorted(([a], [b]) => a - b)
        .map(([, me]) => me)
        .join("");
    };
    const given: Model<Int32Array> = {
      setup: words(1),
      threads: [log(0), log(1)],
      after: (_w, results) => void seen.add(order(results)),
    };
    await check(given, { reduction: false });
    expect(seen.size).toBe(70);
    const fair = [...seen].filter((text) => !hasLongRun(text, 2));
    seen.clear();
    await check(given, { fairness: 2 });
    expect([...seen].toSorted()).toEqual(fair.toSorted());
  });
});

/** Does one thread go more than `most` times in a row while the other still could? */
function hasLongRun(text: string, most: number): boolean {
  return [...text].some((me, i) => {
    const run = text.slice(i, i + most + 1);
    return (
      run.length > most &&
      [...run].every((other) => other === me) &&
      text.slice(i).includes(me === "0" ? "1" : "0")
    );
  });
}

/** Takes the lock when it sees it free, in no order. */
const grab = (rounds: number) => (w: Int32Array) => {
  for (let round = 0; round < rounds; round++) {
    while (Atomics.compareExchange(w, 0, 0, 1) !== 0) Atomics.pause?.();
    Atomics.store(w, 0, 0);
  }
};

const NEXT = 0;
const SERVING = 1;
const ticket = (rounds: number) => (w: Int32Array) => {
  for (let round = 0; round < rounds; round++) {
    const mine = Atomics.add(w, NEXT, 1);
    while (Atomics.load(w, SERVING) !== mine) Atomics.pause?.();
    Atomics.add(w, SERVING, 1);
  }
};

const sleepy = (rounds: number) => (w: Int32Array) => {
  for (let round = 0; round < rounds; round++) {
    if (Atomics.compareExchange(w, 0, 0, 1) !== 0) {
      while (Atomics.exchange(w, 0, 2) !== 0) Atomics.wait(w, 0, 2);
    }
    if (Atomics.exchange(w, 0, 0) === 2) Atomics.notify(w, 0, 1);
  }
};

describe("starvation", () => {
  it.each([true, false])("of a lock without order is found (reduction %s)", async (reduction) => {
    const report = await check(model([grab(1), grab(3)]), { starvation: 3, reduction });
    expect(report.failure).toMatchObject({
      kind: "starvation",
      message:
        /^thread 0 is kept waiting at compareExchange Int32\[0\] 0 -> 1: others have written there \d times/,
    });
    const again = await check(model([grab(1), grab(3)]), { starvation: 3, replay: report.failure!.schedule });
    expect(again.failure).toEqual(report.failure);
  });

  it("is no violation unless it is asked for, or within what was asked", async () => {
    expect((await check(model([grab(1), grab(3)]))).ok).toBe(true);
    expect((await check(model([grab(1), grab(3)]), { starvation: 6 })).ok).toBe(true);
  });

  it("counts on from look to look", async () => {
    const options = { starvation: 3, replay: "1,0,1*2,0,1*2,0" };
    const report = await check(model([grab(1), grab(3)]), options);
    expect(report.failure?.message).toMatch(/others have written there 4 times since it asked$/);
  });

  it("is not found in a lock that serves in order, however often others come back", async () => {
    const report = await check(model([ticket(1), ticket(3)]), { starvation: 1 });
    expect(report).toMatchObject({ ok: true, exhausted: true });
  });

  it("of a sleeper that is woken in vain is found, with its sleeps counted as one wait", async () => {
    const report = await check(model([sleepy(1), sleepy(3)]), { starvation: 3 });
    expect(report.failure?.kind).toBe("starvation");
    expect(
      report.failure?.rows.some(({ thread, operation }) => thread === 0 && operation === "wakes up"),
    ).toBe(true);
  });

  it.each([1, 2, 3, 4])(
    "is found with reduction exactly when it is found without, with limit %i",
    async (limit) => {
      for (const given of [
        model([grab(1), grab(2)]),
        model([sleepy(1), sleepy(2)]),
        model([ticket(1), ticket(2)]),
      ]) {
        const full = await check(given, { starvation: limit, reduction: false });
        expect((await check(given, { starvation: limit })).failure?.kind).toBe(full.failure?.kind);
      }
    },
  );
});
