import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Mutex, RcuDomain } from "../src/index.ts";
import { AWAITED, IDLE, READER_LEFT, STATE, slotWord } from "../src/rcu/layout.ts";
import { anotherAgent } from "./support/agents.ts";
import { sharedWords } from "./support/memory.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const endOfTurn = () => Promise.resolve();

describe("RcuDomain in flavour qsbr", () => {
  let words: Int32Array;
  let rcu: RcuDomain;
  let writer: RcuDomain;
  const state = () => Atomics.load(words, slotWord(0, 0) + STATE);

  beforeEach(() => {
    words = sharedWords(RcuDomain.words(4));
    rcu = new RcuDomain(words, 0, { agentsMax: 4, flavour: "qsbr" });
    writer = new RcuDomain(anotherAgent(words), 0);
  });
  afterEach(() => {
    rcu.validate();
    writer.validate();
  });

  it("calls no Atomics in a section but the first of a turn", () => {
    rcu.read(() => {});
    const calls = (["load", "store", "exchange", "add", "compareExchange", "notify"] as const).map((name) =>
      vi.spyOn(Atomics, name),
    );
    for (let round = 0; round < 10; round++) rcu.read(() => rcu.read(() => {}));
    const counts = calls.map((call) => call.mock.calls.length);
    for (const call of calls) call.mockRestore();
    expect(counts).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("nests, and throws EPERM outside", () => {
    expect(() => rcu.readUnlock()).toThrow(code("EPERM"));
    rcu.readLock();
    rcu.readLock();
    rcu.readUnlock();
    expect(rcu.isReading).toBe(true);
    expect(() => rcu.synchronize()).toThrow(code("EDEADLK"));
    expect(() => rcu.quiescentState()).toThrow(code("EDEADLK"));
    rcu.readUnlock();
    expect(rcu.isReading).toBe(false);
    expect(() => rcu.readUnlock()).toThrow(code("EPERM"));
  });

  it("holds writers up until its next quiescent state, not only until its section ends", () => {
    rcu.read(() => {});
    const cookie = writer.cookie();
    expect(writer.poll(cookie)).toBe(false);
    rcu.quiescentState();
    expect(writer.poll(cookie)).toBe(true);
    rcu.quiescentState();
    const next = writer.cookie(); // its quiescent state came before this one
    expect(writer.poll(next)).toBe(false);
    rcu.read(() => expect(writer.poll(next)).toBe(false));
    rcu.quiescentState();
    expect(writer.poll(next)).toBe(true);
  });

  it("is quiescent at the end of the turn, and holds nobody up while it is idle", async () => {
    rcu.read(() => {});
    const cookie = writer.cookie();
    expect(writer.poll(cookie)).toBe(false);
    await endOfTurn();
    expect(state()).toBe(IDLE);
    expect(writer.poll(cookie)).toBe(true);
    writer.synchronize();
    expect(rcu.read(() => 5)).toBe(5);
    expect(state()).not.toBe(IDLE);
    await endOfTurn();
    expect(state()).toBe(IDLE);
  });

  it("detects a section that spans an await, protects it, and works afterwards", async () => {
    rcu.readLock();
    const cookie = writer.cookie();
    await endOfTurn();
    expect(rcu.isReading).toBe(true);
    expect(writer.poll(cookie)).toBe(false);
    rcu.read(() => {}); // somebody else's section in the same thread is not blamed
    await endOfTurn();
    expect(() => rcu.readUnlock()).toThrow("must not span an await");
    expect(rcu.isReading).toBe(false);
    await endOfTurn();
    expect(writer.poll(cookie)).toBe(true);
    rcu.read(() => {});
    rcu.readLock();
    await endOfTurn();
    expect(() => rcu.readUnlock()).toThrow(code("EINVAL"));
  });

  it("does not hold up its own grace periods", async () => {
    rcu.read(() => {});
    rcu.synchronize();
    rcu.read(() => {});
    expect(rcu.poll(rcu.cookie())).toBe(true);
    let ran = 0;
    rcu.read(() => rcu.call(() => ran++));
    rcu.barrier();
    expect(ran).toBe(1);
    rcu.readLock();
    const done = rcu.synchronizeAsync();
    rcu.readUnlock();
    await done;
    rcu.read(() => {});
    rcu.synchronizeExpedited();
  });

  it("goes offline before this thread sleeps for a lock, except in a section", () => {
    const mutex = new Mutex(sharedWords(Mutex.WORDS), 0);
    mutex.lock();
    const sleep = () => expect(mutex.lock({ timeoutMs: 5 })).toBe(false);
    rcu.read(() => {});
    const cookie = writer.cookie();
    rcu.readLock();
    sleep();
    expect(writer.poll(cookie)).toBe(false);
    rcu.readUnlock();
    sleep();
    expect(writer.poll(cookie)).toBe(true);
  });

  it("goes offline in one domain while it waits in another", () => {
    rcu.read(() => {});
    const cookie = writer.cookie();
    const elsewhere = sharedWords(RcuDomain.words(2));
    const blocker = new RcuDomain(anotherAgent(elsewhere), 0, { agentsMax: 2 });
    const onStall = () => {
      expect(writer.poll(cookie)).toBe(true);
      blocker.readUnlock();
    };
    blocker.readLock();
    new RcuDomain(elsewhere, 0, { onStall, stallMs: 1 }).synchronize();
    blocker.validate();
  });

  it("refuses to read offline, and comes online by reading", () => {
    rcu.read(() => {});
    rcu.offline();
    writer.synchronize();
    expect(() => rcu.readLock()).toThrow(code("EINVAL"));
    rcu.online();
    expect(rcu.read(() => 7)).toBe(7);
  });

  it("wakes a writer that waits for it, at the end of the turn", async () => {
    rcu.read(() => {});
    const done = writer.synchronizeAsync();
    expect(state()).toBe(AWAITED);
    rcu.validate();
    await done;
    expect(Atomics.load(words, READER_LEFT)).toBe(1);
  });

  it("gives its slot back on close, whatever the microtask finds later", async () => {
    rcu.read(() => {});
    rcu.close();
    expect(() => rcu.readLock()).toThrow(code("EINVAL"));
    const heir = new RcuDomain(anotherAgent(words), 0);
    heir.readLock();
    await endOfTurn();
    expect(state()).not.toBe(IDLE);
    heir.readUnlock();
  });

  it("lets each object of an agent close on its own", () => {
    const twin = new RcuDomain(words, 0);
    expect(twin.flavour).toBe("qsbr");
    rcu.close();
    twin.readLock();
    expect(() => rcu.readLock()).toThrow(code("EINVAL"));
    expect(() => rcu.readUnlock()).toThrow(code("EPERM"));
    twin.readUnlock();
    rcu = twin;
  });

  it("refuses another flavour in the same agent, and words it does not know", () => {
    expect(() => new RcuDomain(words, 0, { flavour: "mb" })).toThrow(
      "this agent uses the domain as qsbr, not as mb",
    );
    expect(() => new RcuDomain(words, 0, { flavour: "memb" as "mb" })).toThrow("got memb");
    rcu.close();
    rcu = new RcuDomain(words, 0, { flavour: "mb" });
    expect(rcu.flavour).toBe("mb");
  });

  it("carries its open section over to a larger buffer", async () => {
    const small = new Int32Array(RcuDomain.words(2));
    const alone = new RcuDomain(small, 0, { agentsMax: 2, flavour: "qsbr" });
    alone.readLock();
    const cookie = alone.cookie();
    const larger = new Int32Array(small.length * 2);
    larger.set(small);
    alone.rebind(larger);
    expect(alone.poll(cookie)).toBe(false);
    alone.readUnlock();
    await endOfTurn();
    expect(larger[slotWord(0, 0) + STATE]).toBe(IDLE);
    expect(alone.poll(cookie)).toBe(true);
    alone.validate();
  });
});
