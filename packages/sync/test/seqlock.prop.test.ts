/* SeqLock in one thread against a holder and a count of writes. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { SeqLock } from "../src/seqlock.ts";

const actions = fc.array(
  fc.constantFrom("write", "unwrite", "excl", "unexcl", "begin", "beginLocked", "readOrLock"),
  { maxLength: 60, size: "max" },
);

it("SeqLock has one holder or none, and makes exactly the reads repeat that a write has touched", () => {
  fc.assert(
    fc.property(actions, (script) => {
      const lock = new SeqLock(new Int32Array(SeqLock.WORDS + 3), 3);
      let holder: "nobody" | "writer" | "reader" = "nobody";
      let writes = 0;
      const reads: { seq: number; writes: number }[] = [];
      for (const action of script) {
        if (action === "write") {
          expect(lock.tryWriteLock()).toBe(holder === "nobody");
          if (holder === "nobody") {
            holder = "writer";
            writes++;
          }
        } else if (action === "unwrite") {
          if (holder === "writer") {
            lock.writeUnlock();
            holder = "nobody";
          } else {
            expect(() => lock.writeUnlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
          }
        } else if (action === "excl" && holder === "nobody") {
          expect(lock.readExclLock()).toBe(true);
          holder = "reader";
        } else if (action === "unexcl") {
          if (holder === "reader") {
            lock.readExclUnlock();
            holder = "nobody";
          } else {
            expect(() => lock.readExclUnlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
          }
        } else if (action === "begin" && holder !== "writer") {
          reads.push({ seq: lock.readBegin(), writes });
        } else if (action === "beginLocked" && holder === "nobody") {
          const seq = lock.readSeqBeginOrLock(1);
          expect([lock.needSeqRetry(seq), lock.isLocked, lock.tryWriteLock()]).toEqual([false, true, false]);
          lock.doneSeqRetry(seq);
        } else if (action === "readOrLock" && holder !== "writer") {
          expect(lock.readOrLock(() => writes)).toBe(writes);
        }
        for (const read of reads) expect(lock.readRetry(read.seq)).toBe(read.writes !== writes);
        expect([lock.isLocked, lock.isWriting]).toEqual([holder !== "nobody", holder === "writer"]);
        lock.validate();
      }
    }),
  );
});
