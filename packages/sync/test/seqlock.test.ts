import { describe, expect, it } from "vitest";
import { SeqLock } from "../src/seqlock.ts";
import { sharedWords } from "./support/memory.ts";
import { runTeam, searchWithTeams, teamWords } from "./support/team.ts";
import { PAYLOAD, SUBJECT } from "./support/team-parts.ts";

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
    const lock = new SeqLock(sharedWords(SeqLock.WORDS), 0);
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
    const team = ["seqWrite", "seqReadWithoutRetry", "seqWrite", "seqReadWithoutRetry"] as const;
    expect(await searchWithTeams(teamWords, team, "seqReadWithoutRetry", 30_000)).toBeGreaterThan(0);
  });
});
