import { check } from "@faultline/interleave";
import { describe, expect, it } from "vitest";
import { PAIRS } from "../models/all.ts";

describe.each(PAIRS.filter(({ isLong = false }) => !isLong))("$name", (pair) => {
  const { sound, broken, finds, others = [], limits } = pair;
  const options = { ...pair.options, ...(limits === undefined ? {} : { bound: limits.bound }) };

  it("holds in every interleaving", async () => {
    const report = await check(sound, options);
    expect(report.failure).toBeUndefined();
    // Where there is a bound, it is all that was left out.
    expect(report.limits).toEqual(limits === undefined ? [] : [`${limits.bound} preemptions`]);
  });

  it("would be seen to fail: its broken twin does", async () => {
    const report = await check(broken, options);
    expect(report.failure?.message).toMatch(finds);
  });

  it.each(others)("would be seen to fail if it $mistake", async (twin) => {
    const report = await check(twin.broken, options);
    expect(report.failure?.message).toMatch(twin.finds);
  });
});
