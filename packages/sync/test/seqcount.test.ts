import { describe, expect, it } from "vitest";
import { SeqCount } from "../src/seqcount.ts";
import { countNotifies } from "./support/notifies.ts";

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
    expect(gaveUp).toMatchObject([{ reason: { code: "ETIMEDOUT" } }, { reason: { code: "EINTR" } }]);
    expect(countNotifies(() => count.writeEnd())).toBe(1);
    expect(await waiting).toBe(2);
    expect(await count.beginAsync()).toBe(2);
  });

  it("notifies nobody if nobody waits", () => {
    const count = new SeqCount(shared(SeqCount.WORDS), 0);
    expect(countNotifies(() => count.write(() => {}))).toBe(0);
  });
});
