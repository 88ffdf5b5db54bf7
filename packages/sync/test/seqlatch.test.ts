import { describe, expect, it } from "vitest";
import { SeqLatch } from "../src/seqlatch.ts";
import { runTeam, teamWords } from "./support/team.ts";
import { SUBJECT } from "./support/team-parts.ts";

describe("SeqLatch", () => {
  it("gives back what was written, in two copies", () => {
    const latch = new SeqLatch(new Int32Array(SeqLatch.words(3)), 0, 3);
    latch.write([1, 2, 3]);
    expect([...latch.read()]).toEqual([1, 2, 3]);
    expect(String(latch)).toBe("SeqLatch(3 words, copy 0)");
    latch.validate();
  });

  it("gives a whole payload wherever the writer stops", () => {
    // The writer's stores, one after the other: SEQ, copy 0, SEQ, copy 1.
    const words = new Int32Array(SeqLatch.words(2));
    const latch = new SeqLatch(words, 0, 2);
    latch.write([1, 1]);
    const stores: [number, number][] = [
      [0, 3],
      [1, 2],
      [2, 2],
      [0, 4],
      [3, 2],
      [4, 2],
    ];
    const seen = stores.map(([word, value]) => {
      words[word] = value;
      const [first, second] = latch.read();
      expect(first).toBe(second);
      const rescued = new SeqLatch(words.slice(), 0, 2);
      rescued.repair();
      rescued.validate();
      rescued.write([9, 9]);
      expect([...rescued.read()]).toEqual([9, 9]);
      return first;
    });
    expect(seen).toEqual([1, 1, 1, 2, 2, 2]);
  });

  it("refuses payloads that do not fit", () => {
    const latch = new SeqLatch(new Int32Array(SeqLatch.words(2)), 0, 2);
    expect(() => latch.write([1])).toThrow("values must have 2 words, got 1");
    expect(() => latch.read(new Int32Array(1))).toThrow("into must have at least 2 words, got 1");
    expect(() => new SeqLatch(new Int32Array(4), 0, 2)).toThrow(RangeError);
    expect(() => SeqLatch.words(0)).toThrow(RangeError);
  });

  it("shows half a write to none of two readers", async () => {
    const words = teamWords();
    expect(await runTeam(words, ["latchWrite", "latchRead", "latchRead"], 50_000)).toEqual([50_000, 0, 0]);
    new SeqLatch(words, SUBJECT, 6).validate();
  });
});
