import { describe, expect, it } from "vitest";
import { endTooEarly, type Kind, none, torture } from "./support/rcu-torture.ts";

for (const kind of ["mb", "qsbr", "srcu"] satisfies Kind[]) {
  describe(`RCU torture, ${kind}`, () => {
    it("no reader sees an element whose grace period has ended", async () => {
      const seen = await torture(kind, 3_000, none);
      expect(seen.slice(2)).toEqual(Array(9).fill(0));
      expect(seen[0]).toBeGreaterThan(0);
    });

    it("a grace period that ends too early is caught by the same run", async () => {
      const seen = await torture(kind, 20_000_000, endTooEarly);
      expect(seen.slice(2).reduce((sum, count) => sum + count)).toBeGreaterThan(0);
    });
  });
}
