import { expect, it } from "vitest";
import "../src/vitest.ts";
import { broken, fixed } from "../gallery/lost-update.model.ts";

it("passes a model that holds", async () => {
  await expect(fixed).toHoldInEveryInterleaving();
});

it("fails a model that does not, with its schedule", async () => {
  await expect(expect(broken).toHoldInEveryInterleaving()).rejects.toThrow(/thread 0 +thread 1 +source/);
});

it("loads a model by its URL", async () => {
  const url = new URL("../gallery/seqlock.model.ts", import.meta.url);
  await expect(url).toHoldInEveryInterleaving({ exportName: "fixed" });
  await expect(url).not.toHoldInEveryInterleaving({ exportName: "broken" });
});
