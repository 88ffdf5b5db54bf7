import { describe, expect, it } from "vitest";
import { SeqCount } from "../src/seqcount.ts";
import { SeqLatch } from "../src/seqlatch.ts";
import { SeqLock } from "../src/seqlock.ts";
import { countNotifies } from "./support/notifies.ts";
import { runTeam, teamWords } from "./support/team.ts";
import { PAYLOAD, SUBJECT } from "./support/team-parts.ts";

const shared = (length: number) => new Int32Array(new SharedArrayBuffer(4 * length));

describe("SeqCount", () => {
  it("tells a reader whether a writer came by", () => {
    const count = new SeqCount(new Int32Array(SeqCount.WORDS), 0);
    const before = count.begin();
    expect(count.retry(before)).toBe(false);
    count.write(() =>
      expect([count.isWriting, count.retry(before), count.tryBegin()]).toEqual([true, true, undefined]),
    );
    expect(count.retry(before)).toBe(true);
    const after = count.tryBegin() as number;
    expect(count.retry(after)).toBe(false);
    count.invalidate();
    expect(count.retry(after)).toBe(true);
    expect(String(count)).toBe("SeqCount(4, stable)");
    count.validate();
  });

  it("makes a raw read that began during a write repeat, even after the write", () => {
    const count = new SeqCount(new Int32Array(SeqCount.WORDS), 0);
    count.writeBegin();
    const seq = count.rawBegin();
    expect(count.retry(seq)).toBe(true);
    count.writeEnd();
    expect(count.retry(seq)).toBe(true);
  });

  it("goes on over the wrap of the 32-bit counter", () => {
    const words = new Int32Array(SeqCount.WORDS);
    words[0] = -2;
    const count = new SeqCount(words, 0);
    const seq = count.begin();
    count.write(() => {});
    expect([count.sequence, count.retry(seq)]).toEqual([0, true]);
  });

  it("repeats a read, and believes neither its result nor its error while a writer is about", () => {
    const count = new SeqCount(new Int32Array(SeqCount.WORDS), 0);
    let runs = 0;
    const read = count.read(() => {
      runs++;
      if (runs <= 2) count.write(() => {});
      if (runs === 1) throw new Error("followed half a handle");
      return runs;
    });
    expect(read).toBe(3);
    const fail = () => {
      throw new Error("consistent");
    };
    expect(() => count.read(fail)).toThrow("consistent");
  });

  it("refuses a second writer, and an end without a beginning, and changes nothing", () => {
    const count = new SeqCount(new Int32Array(SeqCount.WORDS), 0);
    expect(() => count.writeEnd()).toThrow(expect.objectContaining({ code: "EPERM" }));
    count.writeBegin();
    expect(() => count.writeBegin()).toThrow(expect.objectContaining({ code: "EINVAL" }));
    expect(count.sequence).toBe(1);
  });

  it("does not wait for itself, nor longer than it was told", () => {
    const local = new SeqCount(new Int32Array(SeqCount.WORDS), 0);
    local.writeBegin();
    expect(() => local.begin()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    const count = new SeqCount(shared(SeqCount.WORDS), 0);
    count.writeBegin();
    expect(() => count.begin({ timeoutMs: 2 })).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
    expect(() => count.begin({ timeoutMs: -1 })).toThrow(RangeError);
  });

  it("lets a task wait for the end of a write, or give up", async () => {
    const count = new SeqCount(shared(SeqCount.WORDS), 0);
    count.writeBegin();
    const waiting = count.beginAsync();
    const gaveUp = await Promise.allSettled([
      count.beginAsync({ timeoutMs: 1 }),
      count.beginAsync({ signal: AbortSignal.timeout(1) }),
    ]);
    expect(gaveUp).toMatchObject([{ reason: { code: "ETIMEDOUT" } }, { reason: { name: "TimeoutError" } }]);
    expect(countNotifies(() => count.writeEnd())).toBe(1);
    expect(await waiting).toBe(2);
    expect(await count.beginAsync()).toBe(2);
  });

  it("notifies nobody if nobody waits", () => {
    const count = new SeqCount(shared(SeqCount.WORDS), 0);
    expect(countNotifies(() => count.write(() => {}))).toBe(0);
  });
});

describe("SeqLock", () => {
  it("lets an exclusive reader keep writers out, and no lockless reader repeat", () => {
    const lock = new SeqLock(new Int32Array(SeqLock.WORDS), 0);
    const seq = lock.readBegin();
    const guard = lock.readExcl();
    expect([lock.isLocked, lock.tryWriteLock(), String(lock)]).toEqual([
      true,
      false,
      "SeqLock(read exclusively, 0)",
    ]);
    lock.validate();
    guard.release();
    expect(lock.readRetry(seq)).toBe(false);
  });

  it("gives the lock back with a guard, and only to whom it was given", () => {
    const lock = new SeqLock(shared(SeqLock.WORDS), 0);
    const guard = lock.acquireWrite();
    expect(() => lock.readExclUnlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
    expect(() => lock.readExcl({ timeoutMs: 0 })).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
    expect(lock.writeLock({ timeoutMs: 1 })).toBe(false);
    lock.validate();
    guard.release();
    expect([lock.isLocked, lock.isWriting]).toEqual([false, false]);
    expect(() => lock.writeUnlock()).toThrow(expect.objectContaining({ code: "EPERM" }));
  });

  it("reads without the lock first, then under it", () => {
    const lock = new SeqLock(new Int32Array(SeqLock.WORDS), 0);
    const held: boolean[] = [];
    lock.readOrLock(() => {
      held.push(lock.isLocked);
      if (held.length === 1) lock.write(() => {});
    });
    expect([held, lock.isLocked]).toEqual([[false, true], false]);
    let seq = lock.readSeqBeginOrLock(0);
    lock.write(() => {});
    expect(lock.needSeqRetry(seq)).toBe(true);
    lock.doneSeqRetry(seq);
    seq = lock.readSeqBeginOrLock(1);
    expect([lock.isLocked, lock.needSeqRetry(seq)]).toEqual([true, false]);
    lock.doneSeqRetry(seq);
    expect(lock.isLocked).toBe(false);
  });

  it("reports a write that nobody makes", () => {
    const words = new Int32Array(SeqLock.WORDS);
    words[0] = 3;
    expect(() => new SeqLock(words, 0).validate()).toThrow("nobody holds the lock");
  });

  it("never lets two writers' readers see half a write", async () => {
    const words = teamWords();
    const results = await runTeam(words, ["seqWrite", "seqRead", "seqWrite", "seqRead"], 8000);
    expect(results).toEqual([8000, 0, 8000, 0]);
    expect(words[PAYLOAD]).toBe(16_000);
    const lock = new SeqLock(words, SUBJECT);
    lock.validate();
    expect(String(lock)).toBe("SeqLock(free, 32000)");
  });

  it("a reader that does not ask whether to retry is caught by the same test", async () => {
    const results = await runTeam(
      teamWords(),
      ["seqWrite", "seqReadWithoutRetry", "seqWrite", "seqReadWithoutRetry"],
      30_000,
    );
    expect(results[1] + results[3]).toBeGreaterThan(0);
  });
});

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
