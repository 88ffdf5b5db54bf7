import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { RobustMutex } from "../src/index.ts";
import { FakeAgents } from "./support/fake-agents.ts";

const ANN = 1024;
const BOB = 1025;
const EVE = 2048;
const OWNER_DIED = 1 << 30;
const WAITERS = 1 << 31;
const OWED = 1;
const TICKETS = 8;
/** OWNER, TICKET and WAKE of a slot. */
const slot = (index: number) => 12 + 3 * index;

describe("RobustMutex", () => {
  let agents: FakeAgents;
  let words: Int32Array;
  beforeEach(() => {
    agents = new FakeAgents();
    words = new Int32Array(new SharedArrayBuffer(4 * RobustMutex.WORDS));
  });
  const make = (handoffAfter?: number) =>
    new RobustMutex(words, 0, {
      agents,
      repair: () => {},
      ...(handoffAfter === undefined ? {} : { handoffAfter }),
    });
  const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 1));
  /** As what a thread leaves that died asleep in the queue. */
  const bury = (id: number, index: number, ticket: number) => {
    words.set([id, ticket, 0], slot(index));
    if (ticket !== 0) words[TICKETS] = ticket;
    words[0] |= WAITERS;
    agents.kill(id);
  };

  for (const handoffAfter of [0, 1, 3]) {
    it(`lets a first waiter be overtaken ${handoffAfter} times, and no more`, async () => {
      const mutex = make(handoffAfter);
      agents.self = ANN;
      mutex.lock();
      const waiter = mutex.lockAsync();
      await turn();
      let overtakings = 0;
      for (mutex.unlock(); mutex.tryLock() && overtakings < 10; mutex.unlock()) {
        overtakings++;
        await turn();
      }
      expect(overtakings).toBe(handoffAfter);
      expect(await waiter).toBe(true);
      mutex.unlock();
      mutex.validate();
      expect([words[0], words[OWED]]).toEqual([0, 0]);
    });
  }

  it("grants in the order of arrival, as if those that were aborted or have died had never come", async () => {
    const step = fc.oneof(fc.constant("arrive"), fc.constant("unlock"), fc.nat({ max: 5 }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.constantFrom(0, 1), async (steps, handoff) => {
        words.fill(0);
        const mutex = make(handoff);
        agents.self = ANN;
        mutex.lock();
        let nextName = 1;
        const waiting: { name: number; controller: AbortController }[] = [];
        const granted: number[] = [];
        const expected: number[] = [];
        let isHeld = true;
        for (const each of steps) {
          if (each === "arrive" && waiting.length < 10) {
            const name = nextName++;
            const controller = new AbortController();
            mutex.lockAsync({ signal: controller.signal }).then(
              () => granted.push(name),
              () => {},
            );
            if (isHeld) waiting.push({ name, controller });
            else expected.push(name);
            isHeld = true;
          } else if (each === "unlock" && isHeld) {
            mutex.unlock();
            const next = waiting.shift();
            if (next === undefined) isHeld = false;
            else expected.push(next.name);
          } else if (typeof each === "number") {
            const [quitter] = waiting.splice(each, 1);
            quitter?.controller.abort();
          }
          for (let settle = 0; settle < 3; settle++) await turn();
          mutex.validate();
        }
        expect(granted).toEqual(expected);
        for (const { controller } of waiting) controller.abort();
        await turn();
      }),
      { numRuns: 15 },
    );
  });

  it("wakes who stands behind a waiter that has died", async () => {
    const mutex = make();
    agents.self = ANN;
    mutex.lock();
    bury(EVE, 0, 1);
    const waiting = mutex.lockAsync();
    await turn();
    expect([words[slot(1)], words[slot(1) + 1]]).toEqual([ANN, 2]);
    mutex.unlock();
    expect([...words.subarray(slot(0), slot(0) + 2)]).toEqual([0, 0]);
    await waiting;
    mutex.unlock();
    mutex.validate();
    expect(words[0]).toBe(0);
  });

  it("does not keep newcomers out for a dead waiter that was owed the lock", () => {
    const mutex = make();
    bury(EVE, 3, 7);
    words[OWED] = 7;
    expect(agents.as(BOB, () => mutex.tryLock())).toBe(true);
    agents.as(BOB, () => mutex.unlock());
    const strict = make(0);
    bury(EVE, 3, 8);
    expect(agents.as(BOB, () => strict.tryLock())).toBe(true);
    agents.as(BOB, () => strict.unlock());
    expect(words[0]).toBe(0);
  });

  it("frees the slots of the dead, in the queue or on the way", () => {
    const mutex = make();
    bury(EVE, 2, 5);
    bury(EVE, 4, 0);
    bury(BOB, 5, 6);
    expect(mutex.agentDied(EVE)).toBe(true);
    expect(mutex.agentDied(EVE)).toBe(false);
    expect([slot(2), slot(4), slot(5)].map((at) => words[at])).toEqual([0, 0, BOB]);
    expect(mutex.waiterCount).toBe(1);
    mutex.validate();
  });

  it("finds room where only the dead wait", async () => {
    const mutex = make();
    agents.self = ANN;
    mutex.lock();
    for (let index = 0; index < 16; index++) bury(EVE, index, index + 1);
    const waiting = mutex.lockAsync();
    await turn();
    expect(mutex.waiterCount).toBe(1);
    mutex.unlock();
    expect(await waiting).toBe(true);
  });

  it("serves more waiters than there are slots", async () => {
    const mutex = make();
    agents.self = ANN;
    mutex.lock();
    let inside = 0;
    const all = Array.from({ length: 40 }, async () => {
      await mutex.lockAsync();
      expect(++inside).toBe(1);
      await turn();
      inside--;
      mutex.unlock();
    });
    await turn();
    expect(mutex.waiterCount).toBe(16);
    mutex.unlock();
    await Promise.all(all);
    expect([words[0], mutex.waiterCount]).toEqual([0, 0]);
  });

  it("tells those who have no slot that it is unusable", async () => {
    const mutex = new RobustMutex(words, 0, { agents, repair: "manual" });
    agents.as(EVE, () => mutex.lock());
    agents.kill(EVE);
    agents.self = ANN;
    mutex.lock();
    const all = Array.from({ length: 20 }, () => mutex.lockAsync());
    const settled = Promise.allSettled(all);
    await turn();
    mutex.unlock();
    for (const each of await settled) expect(each.status).toBe("rejected");
    expect(mutex.waiterCount).toBe(0);
    mutex.validate();
  });

  it("goes on when the one who should wake the first has died, and when the woken one has", async () => {
    const mutex = make();
    agents.self = ANN;
    mutex.lock();
    const first = mutex.lockAsync();
    const second = mutex.lockAsync();
    await turn();
    Atomics.store(words, 0, WAITERS); // freed, nobody woken
    expect(await first).toBe(true);
    mutex.unlock();
    words[slot(1) + 2] = 0; // the wake-up has come to a dead one
    expect(await second).toBe(true);
    mutex.unlock();
    expect(words[0]).toBe(0);
  });

  it("tells the next owner that somebody waits if that one comes before the first waiter after all", async () => {
    const mutex = make();
    agents.as(BOB, () => mutex.lock());
    agents.self = ANN;
    const compareExchange = Atomics.compareExchange;
    // What others do right before each of ANN's exchanges of STATE: when she is about to tell BOB, and to take it.
    const meanwhile = [
      () => agents.as(BOB, () => mutex.unlock()),
      () => agents.as(EVE, () => expect(mutex.tryLock()).toBe(true)),
    ];
    const exchange = (array: Int32Array, at: number, from: number, to: number): number => {
      if (at === 0 && mutex.waiterCount === 1 && agents.self === ANN) meanwhile.shift()?.();
      return compareExchange(array, at, from, to);
    };
    const spy = vi.spyOn(Atomics, "compareExchange");
    spy.mockImplementation(exchange as unknown as typeof Atomics.compareExchange);
    const waiter = mutex.lockAsync();
    spy.mockRestore();
    expect(meanwhile).toEqual([]);
    expect(words[0]).toBe(EVE | WAITERS);
    agents.as(EVE, () => mutex.unlock());
    expect(await waiter).toBe(true);
    mutex.unlock();
    mutex.validate();
  });

  it("is left as it was by a timeout", () => {
    const mutex = make();
    agents.as(BOB, () => mutex.lock());
    expect(agents.as(ANN, () => mutex.lock({ timeoutMs: 3 }))).toBe(false);
    expect([words[0] & ~WAITERS, mutex.waiterCount]).toEqual([BOB, 0]);
    agents.as(BOB, () => mutex.unlock());
    expect(words[0]).toBe(0);
    expect(words[0] & OWNER_DIED).toBe(0);
  });

  it("reports words that are no mutex", () => {
    expect(() => make(-1)).toThrow("handoffAfter");
    const mutex = make();
    words.set([0, 3, 0], slot(1));
    expect(() => mutex.validate()).toThrow("slot 1 has number 3 and no owner");
    words[slot(1)] = ANN;
    words.set([BOB, 3, 0], slot(2));
    expect(() => mutex.validate()).toThrow("number 3 was drawn twice");
  });
});
