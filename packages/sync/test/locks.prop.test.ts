/* The try forms of the three locks in one thread, against counters. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Mutex, RwSem, SpinLock } from "../src/index.ts";

const actions = fc.array(
  fc.constantFrom("read", "write", "unread", "unwrite", "downgrade", "lock", "unlock"),
  {
    maxLength: 80,
  },
);

describe("the locks against counters", () => {
  it("RwSem holds n readers or one writer, and refuses releases nobody may make", () => {
    fc.assert(
      fc.property(actions, (script) => {
        const words = new Int32Array(RwSem.WORDS);
        const sem = new RwSem(words, 0);
        let readers = 0;
        let writers = 0;
        for (const action of script) {
          if (action === "read") {
            expect(sem.tryDownRead()).toBe(writers === 0);
            if (writers === 0) readers++;
          } else if (action === "write") {
            expect(sem.tryDownWrite()).toBe(writers + readers === 0);
            if (writers + readers === 0) writers = 1;
          } else if (action === "unread") {
            if (readers === 0) expect(() => sem.upRead()).toThrow();
            else sem.upRead();
            readers = Math.max(0, readers - 1);
          } else if (action === "unwrite") {
            if (writers === 0) expect(() => sem.upWrite()).toThrow();
            else sem.upWrite();
            writers = 0;
          } else if (action === "downgrade" && writers === 1) {
            sem.downgradeWrite();
            writers = 0;
            readers = 1;
          }
          expect([sem.readerCount, sem.isWriteLocked]).toEqual([readers, writers === 1]);
          sem.validate();
        }
        for (; readers > 0; readers--) sem.upRead();
        if (writers === 1) sem.upWrite();
        // Nothing is left behind: the words are those of a fresh lock.
        expect(words.every((word) => word === 0)).toBe(true);
      }),
    );
  });

  for (const Lock of [SpinLock, Mutex]) {
    it(`${Lock.name} is held by one or by nobody`, () => {
      fc.assert(
        fc.property(actions, (script) => {
          const lock = new Lock(new Int32Array(Lock.WORDS), 0);
          let held = false;
          for (const action of script) {
            if (action === "lock") {
              expect(lock.tryLock()).toBe(!held);
              held = true;
            } else if (action === "unlock") {
              if (held) lock.unlock();
              else expect(() => lock.unlock()).toThrow();
              held = false;
            }
            expect(lock.isLocked).toBe(held);
            lock.validate();
          }
        }),
      );
    });
  }
});
