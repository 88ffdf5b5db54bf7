import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RcuDomain, SrcuDomain } from "../src/index.ts";
import { GP_SEQ, slotWord } from "../src/rcu/layout.ts";
import { LOCKS, ONE, UNLOCKS } from "../src/rcu/srcu-grace-period.ts";
import { anotherAgent } from "./support/agents.ts";

const code = (name: string) => expect.objectContaining({ code: name });

for (const Buffer of [ArrayBuffer, SharedArrayBuffer]) {
  describe(`SrcuDomain in one thread on ${Buffer.name}`, () => {
    let words: Int32Array;
    let srcu: SrcuDomain;
    beforeEach(() => {
      words = new Int32Array(new Buffer(SrcuDomain.words(4) * 4 + 64));
      srcu = new SrcuDomain(words, 16, { agentsMax: 4 });
    });
    afterEach(() => srcu.validate());

    it("ends a grace period at once when nobody reads", () => {
      srcu.synchronize();
      srcu.synchronizeExpedited();
      expect(srcu.poll(srcu.cookie())).toBe(true);
      expect(String(srcu)).toBe("SrcuDomain(grace periods 3, idle, own sections: 0)");
    });

    it("keeps sections of several tasks apart, across awaits", async () => {
      const trace: string[] = [];
      const first = srcu.read(async () => {
        await Promise.resolve();
        trace.push("first");
      });
      const done = srcu.synchronizeAsync().then(() => trace.push("grace period"));
      let release: (() => void) | undefined;
      const second = srcu.read(() => new Promise<void>((resolve) => (release = resolve)));
      expect(srcu.openSections).toBe(2);
      await first;
      await done; // the second section began after the cookie, and is still open
      expect(trace).toEqual(["first", "grace period"]);
      expect(srcu.openSections).toBe(1);
      release?.();
      await second;
    });

    it("ends a section whose function throws", async () => {
      await expect(srcu.read(() => Promise.reject(new Error("inside")))).rejects.toThrow("inside");
      expect(srcu.openSections).toBe(0);
    });

    it("throws EDEADLK when asked to block while this agent reads", () => {
      const index = srcu.readLock();
      const cookie = srcu.cookie();
      expect(() => srcu.synchronize()).toThrow(code("EDEADLK"));
      expect(() => srcu.synchronizeExpedited()).toThrow(code("EDEADLK"));
      expect(() => srcu.waitCookie(cookie)).toThrow(code("EDEADLK"));
      expect(() => srcu.barrier()).toThrow(code("EDEADLK"));
      expect(() => srcu.close()).toThrow(code("EDEADLK"));
      srcu.readUnlock(index);
      srcu.waitCookie(cookie);
    });

    it("refuses to end what has not begun", () => {
      expect(() => srcu.readUnlock(0)).toThrow(code("EPERM"));
      const index = srcu.readLock();
      expect(() => srcu.readUnlock(1 - index)).toThrow(code("EPERM"));
      expect(() => srcu.readUnlock(2)).toThrow(RangeError);
      srcu.readUnlock(index);
      expect(() => srcu.readUnlock(index)).toThrow(code("EPERM"));
    });

    it("runs callbacks after their grace period, in batches and in order", () => {
      const ran: number[] = [];
      const index = srcu.readLock();
      for (let call = 0; call < 5; call++) srcu.call(() => ran.push(call));
      expect(srcu.runCallbacks()).toBe(0);
      expect(srcu.pendingCallbacks).toBe(5);
      srcu.readUnlock(index);
      expect(srcu.runCallbacks(2)).toBe(2);
      srcu.barrier();
      expect(ran).toEqual([0, 1, 2, 3, 4]);
      expect(() => srcu.runCallbacks(0)).toThrow(RangeError);
    });

    it("refuses everything after close, and runs its callbacks before", () => {
      let ran = 0;
      srcu.call(() => ran++);
      srcu[Symbol.dispose]();
      expect(ran).toBe(1);
      expect(() => srcu.readLock()).toThrow(code("EINVAL"));
      expect(() => srcu.cookie()).toThrow(code("EINVAL"));
    });

    for (const start of [0x7ffffffc, -4, -8, 0x3ffffffc]) {
      it(`survives the wrap of the sequence from ${start}`, () => {
        words[16 + GP_SEQ] = start;
        for (let round = 0; round < 8; round++) {
          const old = srcu.readLock();
          const cookie = srcu.cookie();
          expect(srcu.poll(cookie)).toBe(false);
          const young = srcu.readLock();
          expect(young).not.toBe(old);
          srcu.readUnlock(old);
          expect(srcu.poll(cookie)).toBe(true);
          srcu.readUnlock(young);
          srcu.synchronize();
        }
      });
    }
  });
}

describe("SrcuDomain with several agents", () => {
  let words: Int32Array;
  let writer: SrcuDomain;
  let reader: SrcuDomain;
  beforeEach(() => {
    words = new Int32Array(new SharedArrayBuffer(SrcuDomain.words(4) * 4));
    writer = new SrcuDomain(words, 0, { agentsMax: 4 });
    reader = new SrcuDomain(anotherAgent(words), 0, { agentId: 1000 });
  });
  afterEach(() => writer.validate());

  it("is not held up by a stream of new readers", () => {
    let open = reader.readLock();
    const cookie = writer.cookie();
    for (let round = 0; round < 4 && !writer.poll(cookie); round++) {
      const next = reader.readLock(); // at every moment somebody reads
      reader.readUnlock(open);
      open = next;
    }
    expect(writer.poll(cookie)).toBe(true);
    reader.readUnlock(open);
  });

  it("waits for a reader that was delayed between choosing its index and counting itself", () => {
    reader.readUnlock(reader.readLock());
    const chosen = 0; // at SEQ 0
    writer.synchronize();
    Atomics.add(words, slotWord(0, 0) + LOCKS + chosen, ONE);
    const cookie = writer.cookie(); // new readers use index 1, and the delayed one is still waited for
    expect(writer.poll(cookie)).toBe(false);
    reader.readUnlock(chosen);
    expect(writer.poll(cookie)).toBe(true);
  });

  it("is not fooled by a section that comes and goes between its two loads", () => {
    const index = reader.readLock();
    const cookie = writer.cookie();
    const counts = [LOCKS, UNLOCKS].map((word) => slotWord(0, 0) + word + index);
    const load = Atomics.load;
    let loads = 0;
    const spy = vi.spyOn(Atomics, "load").mockImplementation(((array: Int32Array, word: number) => {
      const value = load(array, word);
      // A reader delayed since it chose its index counts itself, reads and leaves.
      if (counts.includes(word) && ++loads === 1) for (const count of counts) Atomics.add(words, count, ONE);
      return value;
    }) as typeof Atomics.load);
    const isElapsed = writer.poll(cookie);
    spy.mockRestore();
    expect(isElapsed).toBe(false);
    expect(loads).toBeGreaterThan(1);
    reader.readUnlock(index);
    expect(writer.poll(cookie)).toBe(true);
  });

  it("wakes a writer that sleeps for the last of several sections", async () => {
    const sections = [reader.readLock(), reader.readLock(), reader.readLock()];
    let isOver = false;
    const done = writer.synchronizeAsync().then(() => {
      isOver = true;
    });
    for (const index of sections) {
      await new Promise((turn) => setTimeout(turn, 1));
      expect(isOver).toBe(false);
      reader.readUnlock(index);
    }
    await done;
    await reader.synchronizeAsync();
  });

  it("forgets the sections of the dead, names them before, and gives their slot away", () => {
    reader.readLock();
    reader.readLock();
    const stalls: unknown[] = [];
    const onStall = ({ agents }: { agents: readonly unknown[] }) => {
      stalls.push(agents);
      expect(writer.agentDied(1000)).toBe(true);
    };
    const patient = new SrcuDomain(anotherAgent(words), 0, { onStall, stallMs: 1 });
    patient.synchronize();
    expect(stalls).toEqual([[{ id: 1000, slot: 0 }]]);
    expect(writer.agentDied(1000)).toBe(false);
    expect(() => reader.agentDied(1000)).toThrow(code("EINVAL"));
    const heir = new SrcuDomain(anotherAgent(words), 0);
    const index = heir.readLock();
    const cookie = writer.cookie();
    expect(writer.poll(cookie)).toBe(false);
    heir.readUnlock(index);
    expect(writer.poll(cookie)).toBe(true);
  });

  it("says so when every slot is taken, and does not mistake an RcuDomain for itself", () => {
    const domains = Array.from({ length: 5 }, () => new SrcuDomain(anotherAgent(words), 0));
    for (const domain of domains.slice(0, 4)) domain.readLock();
    expect(() => domains[4].readLock()).toThrow("SrcuDomain: all 4 agent slots are taken");
    expect(() => new RcuDomain(words, 0)).toThrow("this agent uses the domain as srcu, not as mb");
    expect(() => new SrcuDomain(words, 0, { agentsMax: 3 })).toThrow("agentsMax is 4 in the words, got 3");
    expect(() => new SrcuDomain(words, 0, { stallMs: 0 })).toThrow("stallMs must be a number > 0, got 0");
    expect(() => new SrcuDomain(words, 0, { agentId: 1 })).toThrow("agentId must be an integer in 2..");
    expect(() => writer.poll(0.5)).toThrow(RangeError);
  });

  it("reports words that are no domain", () => {
    Atomics.store(words, GP_SEQ, 3);
    expect(() => writer.validate()).toThrow("SEQ is 3, in phase 3");
    Atomics.store(words, GP_SEQ, 0);
    Atomics.store(words, slotWord(0, 2) + LOCKS, ONE);
    expect(() => writer.validate()).toThrow("agent 2 at word 48 has 1 sections open under 0");
    Atomics.store(words, slotWord(0, 2) + LOCKS, 0);
  });
});
