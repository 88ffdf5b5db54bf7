import { describe, expect, it } from "vitest";
import * as aba from "../gallery/aba-free-list.model.ts";
import * as doubleChecked from "../gallery/double-checked-locking.model.ts";
import * as lostUpdate from "../gallery/lost-update.model.ts";
import * as missedWakeUp from "../gallery/missed-wake-up.model.ts";
import * as peterson from "../gallery/peterson.model.ts";
import * as rcu from "../gallery/rcu-free-too-early.model.ts";
import * as seqlock from "../gallery/seqlock.model.ts";
import * as starvation from "../gallery/writer-starvation.model.ts";
import { type CheckOptions, check, type Model } from "../src/index.ts";

interface Pair {
  readonly broken: unknown;
  readonly fixed: unknown;
}

const GALLERY: readonly (readonly [string, Pair, string, RegExp, CheckOptions])[] = [
  ["lost update", lostUpdate, "after", /two increments made 1/, {}],
  ["double-checked locking", doubleChecked, "race", /nothing that orders them/, {}],
  ["ABA on a free list", aba, "exception", /has two owners/, {}],
  ["Peterson's lock", peterson, "exception", /both threads are inside/, {}],
  ["missed wake-up", missedWakeUp, "deadlock", /nobody wakes thread 0/, {}],
  ["writer starvation", starvation, "starvation", /kept waiting at compareExchange/, { starvation: 2 }],
  ["RCU free too early", rcu, "race", /nothing that orders them/, {}],
  ["seqlock with plain payload", seqlock, "race", /nothing that orders them/, {}],
];

describe.each(GALLERY)("%s", (_name, pair, kind, message, options) => {
  const broken = pair.broken as Model;
  const fixed = pair.fixed as Model;

  it("is found where it is broken, and the schedule replays it", async () => {
    const report = await check(broken, options);
    expect(report.failure).toMatchObject({ kind, message: expect.stringMatching(message) });
    const again = await check(broken, { ...options, replay: report.failure!.schedule });
    expect(again.failure).toEqual(report.failure);
  });

  it("is found without reduction too", async () => {
    const report = await check(broken, { ...options, reduction: false });
    expect(report.failure).toMatchObject({ kind });
  });

  it("holds in every interleaving where it is fixed", async () => {
    const report = await check(fixed, options);
    expect(report.failure).toBeUndefined();
    expect(report).toMatchObject({ ok: true, exhausted: true });
  });
});
