import { beforeEach, describe, expect, it } from "vitest";
import { type Repair, RobustMutex, type RobustOptions, RobustSpinLock } from "../src/index.ts";
import { FakeAgents } from "./support/fake-agents.ts";

const ANN = 1024;
const BOB = 1025;
const EVE = 2048;
const OWNER_DIED = 1 << 30;
const WAITERS = 1 << 31;
const code = (name: string) => expect.objectContaining({ code: name });

const KINDS = {
  RobustSpinLock: (words: Int32Array, options: RobustOptions) => new RobustSpinLock(words, 1, options),
  RobustMutex: (words: Int32Array, options: RobustOptions) => new RobustMutex(words, 1, options),
  "RobustMutex, strict": (words: Int32Array, options: RobustOptions) =>
    new RobustMutex(words, 1, { ...options, handoffAfter: 0 }),
};

describe.each(Object.entries(KINDS))("%s", (_name, create) => {
  let agents: FakeAgents;
  let words: Int32Array;
  beforeEach(() => {
    agents = new FakeAgents();
    words = new Int32Array(new SharedArrayBuffer(4 * (RobustMutex.WORDS + 1)));
  });
  const make = (repair: Repair = "manual") => create(words, { agents, repair });

  it("names its owner in the word that takes it", () => {
    const lock = make();
    agents.as(ANN, () => lock.lock());
    expect(words[1]).toBe(ANN);
    expect([lock.owner, lock.isLocked]).toEqual([ANN, true]);
    expect(String(lock)).toContain("(held by 1024");
    expect(agents.as(BOB, () => lock.tryLock())).toBe(false);
    agents.as(ANN, () => lock.unlock());
    expect([words[1], lock.owner, lock.isLocked]).toEqual([0, 0, false]);
    lock.validate();
  });

  it("is given back by its owner only", () => {
    const lock = make();
    expect(() => agents.as(ANN, () => lock.unlock())).toThrow("nobody holds it (EPERM)");
    agents.as(ANN, () => lock.lock());
    expect(() => agents.as(BOB, () => lock.unlock())).toThrow("agent 1024 holds it (EPERM)");
    expect(() => lock.unlock()).toThrow(code("EPERM"));
    expect(() => agents.as(BOB, () => lock.markConsistent())).toThrow(code("EPERM"));
    expect(() => agents.as(ANN, () => lock.markConsistent())).toThrow(code("EINVAL"));
    expect(words[1]).toBe(ANN);
  });

  it("refuses who would wait for itself, and who has not joined", () => {
    const lock = make();
    expect(() => lock.lock()).toThrow(code("EINVAL"));
    agents.as(ANN, () => {
      lock.lock();
      expect(() => lock.lock()).toThrow(code("EDEADLK"));
      expect(() => lock.lock({ timeoutMs: 1 })).toThrow(code("EDEADLK"));
    });
    expect(() => lock.lock()).toThrow(code("EINVAL"));
    expect(agents.as(BOB, () => lock.lock({ timeoutMs: 1 }))).toBe(false);
    agents.as(ANN, () => lock.unlock());
    lock.validate();
  });

  it("goes to the next one when the owner has died, who is told until it has repaired", () => {
    const lock = make();
    agents.as(ANN, () => lock.lock());
    agents.kill(ANN);
    agents.as(BOB, () => {
      expect(lock.lock()).toBe(true);
      expect([words[1], lock.ownerDied]).toEqual([BOB | OWNER_DIED, true]);
      lock.markConsistent();
      expect([words[1], lock.ownerDied]).toEqual([BOB, false]);
      lock.unlock();
    });
    expect(words[1]).toBe(0);
  });

  it("tells the next one as well if the repairer dies", () => {
    const lock = make();
    agents.as(ANN, () => lock.lock());
    expect(agents.as(EVE, () => lock.agentDied(ANN))).toBe(true);
    expect(agents.as(EVE, () => lock.agentDied(ANN))).toBe(false);
    expect(words[1]).toBe(OWNER_DIED);
    agents.as(BOB, () => lock.lock());
    agents.kill(BOB);
    const guard = agents.as(EVE, () => lock.acquire());
    expect(guard.ownerDied).toBe(true);
    agents.as(EVE, () => {
      guard.markConsistent();
      guard.release();
    });
    expect([guard.ownerDied, words[1]]).toEqual([false, 0]);
  });

  it("is unusable for everybody once it was given back unrepaired", async () => {
    const lock = make();
    agents.as(ANN, () => lock.lock());
    agents.kill(ANN);
    agents.self = BOB;
    const waits = [lock.lockAsync(), lock.lockAsync()];
    expect(await waits[0]).toBe(true);
    lock.unlock();
    await expect(waits[1]).rejects.toThrow(code("ENOTRECOVERABLE"));
    for (const again of [() => lock.lock(), () => lock.tryLock(), () => lock.acquire()]) {
      expect(again).toThrow(code("ENOTRECOVERABLE"));
    }
    expect([lock.isUnusable, lock.isLocked, lock.owner]).toEqual([true, false, 0]);
    expect(String(lock)).toContain("(unusable");
    lock.validate();
  });

  it("is repaired by the function it was made with", () => {
    let repaired = 0;
    const lock = make(() => {
      expect([lock.ownerDied, lock.owner]).toEqual([true, BOB]);
      repaired++;
    });
    agents.as(ANN, () => lock.lock());
    agents.kill(ANN);
    expect(agents.as(BOB, () => lock.withLock(() => lock.ownerDied))).toBe(false);
    expect([repaired, words[1]]).toEqual([1, 0]);
  });

  it("is unusable if the repair throws, and says why", () => {
    const cause = new Error("too late");
    const lock = make(() => {
      throw cause;
    });
    agents.as(ANN, () => lock.lock());
    agents.kill(ANN);
    expect(() => agents.as(BOB, () => lock.tryLock())).toThrow(
      expect.objectContaining({ code: "ENOTRECOVERABLE", cause }),
    );
    expect(lock.isUnusable).toBe(true);
  });

  it("is found by a sleeper whose wake-up died with the one who owed it", async () => {
    const lock = make();
    agents.as(ANN, () => lock.lock());
    agents.self = BOB;
    const waiting = lock.lockAsync();
    await new Promise((turn) => setTimeout(turn, 5));
    expect(words[1]).toBe(ANN | WAITERS);
    Atomics.store(words, 1, 0); // freed, and no notify
    expect(await waiting).toBe(true);
    lock.unlock();
    expect(words[1]).toBe(0);
    lock.validate();
  });

  it("wakes its sleepers at once when it is told of the death", async () => {
    const lock = make();
    agents.as(ANN, () => lock.lock());
    agents.self = BOB;
    const waiting = lock.lockAsync();
    await new Promise((turn) => setTimeout(turn, 5));
    lock.agentDied(ANN);
    expect(await waiting).toBe(true);
    expect(words[1]).toBe(BOB | OWNER_DIED | WAITERS);
    expect(() => lock.agentDied(BOB)).toThrow(code("EINVAL"));
  });

  it("refuses options that leave the repair open, and words that are no lock", () => {
    expect(() => create(words, {} as never)).toThrow("agents must be a registry");
    expect(() => create(words, { agents } as never)).toThrow("repair must be a function");
    expect(() => create(words, { agents, repair: "manual", recheckMs: 0 })).toThrow("recheckMs");
    expect(() => create(new Int32Array(1), { agents, repair: "manual" })).toThrow(RangeError);
    words[1] = 77;
    expect(() => make().validate()).toThrow("STATE names owner 77");
    words[1] = OWNER_DIED | 1;
    expect(() => make().validate()).toThrow("unusable and to be repaired");
  });
});
