import { check } from "@faultline/interleave";
import { describe, expect, it } from "vitest";
import { PAIRS } from "../models/all.ts";

describe.each(PAIRS)("$name", ({ sound, broken, finds, limits }) => {
  it("holds in every interleaving", async () => {
    const report = await check(sound, limits);
    expect(report.failure).toBeUndefined();
    // Where there is a bound, it is all that was left out.
    expect(report.limits).toEqual(limits === undefined ? [] : [`${limits.bound} preemptions`]);
  });

  it("would be seen to fail: its broken twin does", async () => {
    const report = await check(broken, limits);
    expect(report.failure?.message).toMatch(finds);
  });
});
