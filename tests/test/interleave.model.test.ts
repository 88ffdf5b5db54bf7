import { check } from "@faultline/interleave";
import { describe, expect, it } from "vitest";
import { pairs as data } from "../models/data.model.ts";
import { pairs as events } from "../models/events.model.ts";
import { pairs as locks } from "../models/locks.model.ts";
import { pairs as rcu } from "../models/rcu.model.ts";
import { pairs as rwsem } from "../models/rwsem.model.ts";

const PAIRS = [...locks, ...rwsem, ...events, ...data, ...rcu];

describe.each(PAIRS)("$name", ({ sound, broken, finds, limits, needs }) => {
  it("holds in every interleaving", async () => {
    const report = await check(sound, { ...needs, ...limits });
    expect(report.failure).toBeUndefined();
    // With a bound, the report says so; without one, nothing may have been left out.
    if (limits === undefined) expect(report).toMatchObject({ ok: true, exhausted: true });
  });

  it("would be seen to fail: its broken twin does", async () => {
    const report = await check(broken, { ...needs, ...limits });
    expect(report.failure?.message).toMatch(finds);
  });
});
