/* The writers' half of an RcuDomain: expedited waits, batches of callbacks, stalls, and the dead. */
import { beforeEach, describe, expect, it } from "vitest";
import { RcuDomain, type RcuStall } from "../src/index.ts";
import { releaseDead } from "../src/rcu/agent.ts";
import { CallbackQueue } from "../src/rcu/callbacks.ts";
import { AWAITED, CLAIMED, READER_LEFT, STATE, slotWord } from "../src/rcu/layout.ts";
import { anotherAgent } from "./support/agents.ts";
import { sharedWords } from "./support/memory.ts";

const code = (name: string) => expect.objectContaining({ code: name });

describe("RcuDomain's writers", () => {
  let words: Int32Array;
  let writer: RcuDomain;
  let reader: RcuDomain;
  const claimed = (slot: number) => Atomics.load(words, slotWord(0, slot) + CLAIMED);
  beforeEach(() => {
    words = sharedWords(RcuDomain.words(4));
    writer = new RcuDomain(words, 0, { agentsMax: 4 });
    reader = new RcuDomain(anotherAgent(words), 0, { agentId: 2048 });
  });

  it("expedite a grace period without running callbacks, and never in a section", () => {
    let ran = 0;
    writer.call(() => ran++);
    writer.synchronizeExpedited();
    expect(ran).toBe(0);
    expect(writer.runCallbacks()).toBe(1);
    writer.readLock();
    expect(() => writer.synchronizeExpedited()).toThrow(code("EDEADLK"));
    writer.readUnlock();
  });

  it("poll once per grace period for any number of callbacks", () => {
    const queue = new CallbackQueue();
    const ran: number[] = [];
    for (let call = 0; call < 1000; call++) queue.push(call < 600 ? 2 : 4, () => ran.push(call));
    expect([queue.batchCount, queue.length, queue.lastCookie]).toEqual([2, 1000, 4]);
    const polled: number[] = [];
    queue.run((cookie) => {
      polled.push(cookie);
      return cookie === 2;
    }, Number.POSITIVE_INFINITY);
    expect(polled).toEqual([2, 4]);
    expect(queue.run(() => true, 399)).toBe(399);
    expect(queue.run(() => true, 399)).toBe(1);
    expect(ran).toEqual(Array.from({ length: 1000 }, (_, call) => call));
    expect([queue.batchCount, queue.length]).toEqual([0, 0]);
  });

  it("give callbacks of different grace periods different batches", () => {
    const ran: string[] = [];
    reader.readLock();
    writer.call(() => ran.push("first"));
    const other = new RcuDomain(anotherAgent(words), 0);
    other.readLock(); // holds up what is queued from now on
    for (let call = 0; call < 3; call++) writer.call(() => ran.push(`next ${call}`));
    reader.readUnlock();
    writer.runCallbacks();
    expect(ran).toEqual(["first"]);
    writer.runCallbacks();
    expect(ran).toEqual(["first"]);
    other.readUnlock();
    expect(writer.runCallbacks(2)).toBe(2);
    expect(writer.runCallbacks()).toBe(1);
    expect(ran).toEqual(["first", "next 0", "next 1", "next 2"]);
    expect(() => writer.runCallbacks(0.5)).toThrow(RangeError);
  });

  it("report those who hold them up, again when three times as long has passed", () => {
    const stalls: RcuStall[] = [];
    const onStall = (stall: RcuStall) => {
      stalls.push(stall);
      if (stalls.length === 3) reader.readUnlock();
    };
    reader.readLock();
    const patient = new RcuDomain(anotherAgent(words), 0, { onStall, stallMs: 2 });
    patient.synchronize();
    expect(stalls.map((stall) => stall.agents)).toEqual(
      Array(3).fill([{ id: 2048, slot: 0, name: undefined }]),
    );
    for (const [index, dueMs] of [2, 6, 18].entries()) {
      expect(stalls[index].since).toBeGreaterThanOrEqual(dueMs);
    }
  });

  it("report stalls of an asynchronous wait too, and agents without id by their slot", async () => {
    const anonymous = new RcuDomain(anotherAgent(words), 0);
    anonymous.readLock();
    const agents: unknown[] = [];
    const onStall = (stall: RcuStall) => {
      agents.push(...stall.agents);
      anonymous.readUnlock();
    };
    await new RcuDomain(anotherAgent(words), 0, { onStall, stallMs: 1 }).synchronizeAsync();
    expect(agents).toEqual([{ id: 0, slot: 0, name: undefined }]);
  });

  it("stop waiting for a dead agent, whose slot is free for others", () => {
    reader.readLock();
    reader.readLock();
    const cookie = writer.cookie();
    expect(writer.poll(cookie)).toBe(false);
    expect(writer.agentDied(4096)).toBe(false);
    expect(writer.poll(cookie)).toBe(false);
    expect(writer.agentDied(2048)).toBe(true);
    expect(writer.agentDied(2048)).toBe(false);
    expect(writer.poll(cookie)).toBe(true);
    expect(claimed(0)).toBe(0);
    const heir = new RcuDomain(anotherAgent(words), 0, { agentId: 2049 });
    heir.readLock();
    expect(claimed(0)).toBe(2049);
    expect(heir.isReading).toBe(true);
    heir.readUnlock();
    expect(heir.isReading).toBe(false);
    writer.validate();
  });

  it("are woken by a death, even that of an agent which had left but told nobody", async () => {
    reader.readLock();
    const done = writer.synchronizeAsync();
    expect(Atomics.load(words, slotWord(0, 0) + STATE)).toBe(AWAITED);
    Atomics.store(words, slotWord(0, 0) + STATE, 0); // its exchange is done, its notify never comes
    writer.agentDied(2048);
    await done;
    expect(Atomics.load(words, READER_LEFT)).toBe(1);
  });

  it("find the slot of an agent that died while it took it", () => {
    Atomics.store(words, slotWord(0, 3) + CLAIMED, 2050);
    expect(writer.agentDied(2050)).toBe(true);
    expect(claimed(3)).toBe(0);
  });

  it("finish what an agent that died too was cleaning up", () => {
    reader.readLock();
    const halfway = () => {
      throw new Error("the cleaner dies");
    };
    expect(() => releaseDead(words, 0, 2048, 3072, halfway)).toThrow("the cleaner dies");
    expect(claimed(0)).toBe(-3072);
    expect(writer.agentDied(2048)).toBe(false);
    expect(writer.agentDied(3072)).toBe(true);
    writer.synchronize();
    expect(claimed(0)).toBe(0);
  });

  it("refuse ids that nobody has, and their own", () => {
    const own = new RcuDomain(anotherAgent(words), 0, { agentId: 5000 });
    expect(() => own.agentDied(5000)).toThrow("5000 is the calling agent");
    for (const id of [0, 1, -5, 1.5, 2 ** 31]) expect(() => writer.agentDied(id)).toThrow(RangeError);
    expect(() => new RcuDomain(words, 0, { stallMs: -1 })).toThrow("stallMs must be a number > 0, got -1");
  });
});
