import { describe, expect, it } from "vitest";
import { stress } from "./support/stress.ts";

describe("RcuDomain under four threads", () => {
  it("readers never follow a pointer to poison, whichever way the writers wait", async () => {
    const { results } = await stress(["rcuUpdate", "rcuUpdate", "rcuFollow", "rcuFollow"], 8_000);
    expect(results).toEqual([0, 0, 0, 0]);
  });

  it("a writer that does not wait is caught by the same test", async () => {
    const team = ["rcuUpdateWithoutWaiting", "rcuUpdateWithoutWaiting", "rcuFollow", "rcuFollow"] as const;
    const { results } = await stress(team, 20_000_000);
    expect(results[2] + results[3]).toBeGreaterThan(0);
  });
});
