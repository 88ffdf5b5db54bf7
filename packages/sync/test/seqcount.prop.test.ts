/* SeqCount against a model: the steps of one writer interleaved with reads in any order. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { SeqCount } from "../src/seqcount.ts";

const actions = fc.array(fc.constantFrom("toggle", "invalidate", "begin", "raw", "retry"), { maxLength: 60 });

it("SeqCount says retry exactly if a write began, was in progress, or a reader was invalidated", () => {
  fc.assert(
    fc.property(fc.integer(), actions, (start, script) => {
      const words = new Int32Array(SeqCount.WORDS);
      words[0] = start & ~1;
      const count = new SeqCount(words, 0);
      let isWriting = false;
      let reads: { seq: number; isStale: boolean }[] = [];
      for (const action of script) {
        if (action === "toggle") {
          if (isWriting) count.writeEnd();
          else count.writeBegin();
          isWriting = !isWriting;
          reads = reads.map(({ seq }) => ({ seq, isStale: true }));
        } else if (action === "invalidate" && !isWriting) {
          count.invalidate();
          reads = reads.map(({ seq }) => ({ seq, isStale: true }));
        } else if (action === "begin") {
          const seq = count.tryBegin();
          expect(seq === undefined).toBe(isWriting);
          if (seq !== undefined) reads.push({ seq, isStale: false });
        } else if (action === "raw") {
          reads.push({ seq: count.rawBegin(), isStale: isWriting });
        }
        for (const { seq, isStale } of reads) expect(count.retry(seq)).toBe(isStale);
        expect(count.isWriting).toBe(isWriting);
        count.validate();
      }
    }),
  );
});
