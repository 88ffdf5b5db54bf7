/* SeqLatch against the last payload. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { SeqLatch } from "../src/seqlatch.ts";

it("SeqLatch gives the last payload written", () => {
  const payloads = fc.array(fc.array(fc.integer(), { minLength: 3, maxLength: 3 }), { maxLength: 20 });
  fc.assert(
    fc.property(payloads, (written) => {
      const latch = new SeqLatch(new Int32Array(SeqLatch.words(3) + 2), 2, 3);
      for (const payload of written) {
        latch.write(payload);
        expect([...latch.read()]).toEqual(payload);
        latch.validate();
      }
      expect(latch.sequence).toBe(2 * written.length);
    }),
  );
});
