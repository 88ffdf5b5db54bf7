import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RcuDomain } from "../src/index.ts";
import { findBlocker, isElapsed, snapshotOf } from "../src/rcu/grace-period.ts";
import { AWAITED, GP_SEQ, READER_LEFT, STATE, slotWord } from "../src/rcu/layout.ts";
import { anotherAgent } from "./support/agents.ts";
import { sharedWords, wordsOn } from "./support/memory.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const AGENTS = 4;

for (const Buffer of [ArrayBuffer, SharedArrayBuffer]) {
  describe(`RcuDomain in one thread on ${Buffer.name}`, () => {
    let words: Int32Array;
    let rcu: RcuDomain;
    beforeEach(() => {
      words = wordsOn(Buffer, RcuDomain.words(AGENTS) + 16);
      rcu = new RcuDomain(words, 16, { agentsMax: AGENTS });
    });
    afterEach(() => rcu.validate());

    it("nests sections and knows when it is in one", () => {
      expect(rcu.isReading).toBe(false);
      rcu.readLock();
      rcu.readLock();
      rcu.readUnlock();
      expect(rcu.isReading).toBe(true);
      rcu.readUnlock();
      expect(rcu.isReading).toBe(false);
      expect(rcu.read(() => rcu.isReading)).toBe(true);
      expect(() =>
        rcu.read(() => {
          throw new Error("inside");
        }),
      ).toThrow("inside");
      expect(rcu.isReading).toBe(false);
      const guard = rcu.enter();
      expect(rcu.isReading).toBe(true);
      guard[Symbol.dispose]();
      expect(rcu.isReading).toBe(false);
      expect(() => rcu.readUnlock()).toThrow(code("EPERM"));
    });

    it("ends a grace period at once when nobody reads", () => {
      expect(rcu.poll(rcu.cookie())).toBe(true);
      rcu.synchronize();
      expect(String(rcu)).toBe("RcuDomain(grace periods 2, idle, reading: nobody)");
    });

    it("does not end a grace period before the section it began in has ended", () => {
      rcu.readLock();
      const inside = rcu.cookie();
      expect(rcu.poll(inside)).toBe(false);
      expect(String(rcu)).toBe("RcuDomain(grace periods 0, in progress, reading: 0)");
      rcu.readUnlock();
      rcu.readLock(); // a section that began after the cookie holds nothing up
      expect(rcu.poll(inside)).toBe(true);
      rcu.readUnlock();
    });

    it("hands out a later cookie while a grace period is in progress", () => {
      rcu.readLock();
      const first = rcu.cookie();
      const second = rcu.cookie();
      expect(second).not.toBe(first);
      rcu.readUnlock();
      rcu.readLock();
      expect(rcu.poll(first)).toBe(true);
      rcu.readUnlock();
      expect(rcu.poll(second)).toBe(true);
      expect(rcu.poll(first)).toBe(true);
    });

    it("throws EDEADLK when asked to wait inside a section", () => {
      rcu.readLock();
      const cookie = rcu.cookie();
      expect(() => rcu.synchronize()).toThrow(code("EDEADLK"));
      expect(() => rcu.waitCookie(cookie)).toThrow(code("EDEADLK"));
      expect(() => rcu.barrier()).toThrow(code("EDEADLK"));
      expect(() => rcu.offline()).toThrow(code("EDEADLK"));
      expect(() => rcu.close()).toThrow(code("EDEADLK"));
      rcu.readUnlock();
      rcu.synchronize();
    });

    it("throws EDEADLK also through a second object of the same agent", () => {
      const twin = new RcuDomain(words, 16);
      twin.readLock();
      expect(rcu.isReading).toBe(true);
      expect(() => rcu.synchronize()).toThrow(code("EDEADLK"));
      rcu.readUnlock();
      twin.synchronize();
      twin.close();
      rcu.readLock(); // the slot lives as long as one of the objects
      rcu.readUnlock();
    });

    it("runs callbacks in order, after a grace period and not inside each other", () => {
      const ran: number[] = [];
      rcu.readLock();
      rcu.call(() => ran.push(1));
      rcu.call(() => {
        ran.push(2);
        rcu.call(() => ran.push(3));
        expect(rcu.runCallbacks()).toBe(0);
        expect(() => rcu.barrier()).toThrow(code("EDEADLK"));
      });
      expect(rcu.runCallbacks()).toBe(0);
      expect(rcu.pendingCallbacks).toBe(2);
      rcu.readUnlock();
      rcu.barrier();
      rcu.barrier();
      expect(ran).toEqual([1, 2, 3]);
      rcu.barrier();
    });

    it("drops a callback that throws and keeps the others", () => {
      let ran = 0;
      rcu.readLock();
      rcu.call(() => {
        throw new Error("callback");
      });
      rcu.call(() => ran++);
      rcu.readUnlock();
      expect(() => rcu.runCallbacks()).toThrow("callback");
      rcu.synchronize();
      expect(ran).toBe(1);
    });

    it("resolves synchronizeAsync after the section has ended, not before", async () => {
      const trace: string[] = [];
      rcu.readLock();
      const done = rcu.synchronizeAsync().then(() => trace.push("grace period"));
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      trace.push("leave");
      rcu.readUnlock();
      await done;
      expect(trace).toEqual(["leave", "grace period"]);
    });

    it("refuses to read offline, until online again", () => {
      rcu.offline();
      expect(() => rcu.readLock()).toThrow(code("EINVAL"));
      expect(rcu.isReading).toBe(false);
      rcu.synchronize();
      rcu.online();
      rcu.online();
      expect(rcu.read(() => 7)).toBe(7);
    });

    it("refuses everything after close", () => {
      let ran = 0;
      rcu.call(() => ran++);
      rcu.close();
      rcu.close();
      expect(ran).toBe(1);
      expect(() => rcu.readLock()).toThrow(code("EINVAL"));
      expect(() => rcu.synchronize()).toThrow(code("EINVAL"));
      expect(() => rcu.cookie()).toThrow(code("EINVAL"));
    });

    it("keeps sections and callbacks when the words move to a larger buffer", () => {
      let ran = 0;
      rcu.readLock();
      rcu.call(() => ran++);
      const larger = wordsOn(Buffer, words.length * 2);
      larger.set(words);
      rcu.rebind(larger);
      words.fill(-1);
      expect(rcu.isReading).toBe(true);
      expect(rcu.pendingCallbacks).toBe(1);
      rcu.readUnlock();
      rcu.barrier();
      expect(ran).toBe(1);
      expect(new RcuDomain(larger, 16).agentsMax).toBe(AGENTS);
    });

    for (const start of [0x7ffffffd, -4, -2, 0x3ffffffe, -0x40000002]) {
      it(`survives the wrap of the sequence from ${start}`, () => {
        words[16 + GP_SEQ] = start & ~1;
        for (let round = 0; round < 8; round++) {
          rcu.readLock();
          const cookie = rcu.cookie();
          const next = rcu.cookie();
          expect(rcu.poll(cookie)).toBe(false);
          rcu.readUnlock();
          rcu.readLock();
          expect(rcu.poll(cookie)).toBe(true);
          expect(rcu.poll(next)).toBe(false);
          rcu.readUnlock();
          expect(rcu.poll(next)).toBe(true);
          rcu.synchronize();
        }
      });
    }
  });
}

describe("RcuDomain with several agents", () => {
  const shared = (agentsMax: number) => sharedWords(RcuDomain.words(agentsMax));

  it("waits for no section that begins after the grace period, however old the reader's snapshot is", () => {
    const words = shared(2);
    const [writer, reader] = [
      new RcuDomain(words, 0, { agentsMax: 2 }),
      new RcuDomain(anotherAgent(words), 0),
    ];
    reader.read(() => {});
    for (let round = 0; round < 3; round++) {
      const cookie = writer.cookie();
      reader.readLock();
      expect(writer.poll(cookie)).toBe(true);
      reader.readUnlock();
      writer.synchronize();
    }
  });

  it("is not taken for the one at the same word of another view on the buffer", () => {
    const words = shared(8);
    const length = RcuDomain.words(1);
    const [low, high] = [0, 64].map((skip) => words.subarray(skip, skip + length));
    const [first, second] = [low, high].map((view) => new RcuDomain(view, 0, { agentsMax: 1 }));
    first.readLock();
    expect([first.isReading, second.isReading]).toEqual([true, false]);
    second.synchronize();
    first.readUnlock();
  });

  it("waits for the sections of others, and only for those open when it began", () => {
    const words = shared(3);
    const writer = new RcuDomain(words, 0, { agentsMax: 3 });
    const [old, young] = [new RcuDomain(anotherAgent(words), 0), new RcuDomain(anotherAgent(words), 0)];
    old.readLock();
    const cookie = writer.cookie();
    young.readLock();
    expect(writer.poll(cookie)).toBe(false);
    expect(young.poll(cookie)).toBe(false);
    old.readUnlock();
    expect(young.poll(cookie)).toBe(true);
    expect(writer.poll(cookie)).toBe(true);
    const next = writer.cookie();
    expect(old.poll(next)).toBe(false);
    young.readUnlock();
    expect(old.poll(next)).toBe(true);
    writer.validate();
  });

  it("says so when every agent slot is taken, and reuses a slot that was given back", () => {
    const words = shared(2);
    const [a, b, c] = [0, 1, 2].map(() => new RcuDomain(anotherAgent(words), 0, { agentsMax: 2 }));
    a.readLock();
    b.readLock();
    expect(() => c.readLock()).toThrow("all 2 agent slots are taken");
    expect(() => c.readLock()).toThrow(code("ENOSPC"));
    c.poll(c.cookie()); // a writer needs no slot
    b.readUnlock();
    b[Symbol.dispose]();
    expect(c.read(() => String(a))).toBe("RcuDomain(grace periods 0, in progress, reading: 0 1)");
    a.readUnlock();
  });

  it("refuses to attach with another number of slots", () => {
    const words = shared(4);
    new RcuDomain(words, 0, { agentsMax: 2 });
    expect(() => new RcuDomain(words, 0, { agentsMax: 4 })).toThrow(code("EINVAL"));
    expect(new RcuDomain(words, 0).agentsMax).toBe(2);
    expect(() => new RcuDomain(words, 0, { agentsMax: 0 })).toThrow(
      "agentsMax must be an integer in 1..4096, got 0",
    );
    expect(() => new RcuDomain(words, 70)).toThrow("word must be an integer in 0..");
    expect(() => new RcuDomain(words, 0).poll(Number.NaN)).toThrow(RangeError);
    expect(() => new RcuDomain(words, 0).rebind(shared(4))).toThrow(code("EINVAL"));
  });

  it("waits for a reader that was delayed between reading the sequence and announcing it", () => {
    const words = shared(2);
    const writer = new RcuDomain(words, 0, { agentsMax: 2 });
    const reader = new RcuDomain(anotherAgent(words), 0);
    // Announced 0, 1, 2, … grace periods too late, up to half of the sequence: it must look old every time.
    for (const late of [0, 1, 2, 3, 1000, 0x3fffffff, 0x40000000, 0x7ffffffe]) {
      reader.readLock();
      const now = Atomics.load(words, GP_SEQ);
      Atomics.store(words, slotWord(0, 0) + STATE, snapshotOf(now - late));
      const cookie = writer.cookie();
      expect(writer.poll(cookie), `late by ${late}`).toBe(false);
      reader.readUnlock();
      expect(writer.poll(cookie)).toBe(true);
    }
  });

  it("notifies only when a writer waits", async () => {
    const words = shared(2);
    const writer = new RcuDomain(words, 0, { agentsMax: 2 });
    const reader = new RcuDomain(anotherAgent(words), 0);
    reader.read(() => writer.cookie());
    expect(Atomics.load(words, READER_LEFT)).toBe(0);
    reader.readLock();
    const done = writer.synchronizeAsync();
    expect(Atomics.load(words, slotWord(0, 0) + STATE)).toBe(AWAITED);
    reader.validate();
    reader.readUnlock();
    expect(Atomics.load(words, READER_LEFT)).toBe(1);
    await done;
  });

  it("never calls a cookie elapsed that is at most three steps ahead", () => {
    for (const seq of [0, 1, 2, 3, -2, -1, 0x7fffffff, -0x80000000]) {
      for (const ahead of [1, 2, 3]) expect(isElapsed(seq, (seq + ahead) | 0)).toBe(false);
      for (const behind of [0, 1, 2, 100, 0x7fffffff]) expect(isElapsed(seq, (seq - behind) | 0)).toBe(true);
    }
    const words = shared(1);
    expect(findBlocker(words, 0, 1)).toBe(-1);
  });

  it("reports words that are no domain", () => {
    const words = shared(2);
    const rcu = new RcuDomain(words, 0, { agentsMax: 2 });
    words[slotWord(0, 1) + STATE] = 8;
    expect(() => rcu.validate()).toThrow("STATE of agent 1 at word 32 is 8");
    words[slotWord(0, 1) + STATE] = 5;
    expect(() => rcu.validate()).toThrow("in a slot nobody has claimed");
    words[4] = 3;
    expect(() => rcu.validate()).toThrow("AGENTS_HIGH at word 4 is 3, above 2");
  });
});
