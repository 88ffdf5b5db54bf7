import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { RobustSemaphore } from "../src/index.ts";
import { FakeAgents } from "./support/fake-agents.ts";

const ANN = 1024;
const BOB = 1025;
const EVE = 2048;
const WAITERS = 1;
const PERMIT = 64;
const slot = (index: number) => 12 + 3 * index;
const code = (name: string) => expect.objectContaining({ code: name });

describe("RobustSemaphore", () => {
  let agents: FakeAgents;
  let words: Int32Array;
  beforeEach(() => {
    agents = new FakeAgents();
    words = new Int32Array(new SharedArrayBuffer(4 * RobustSemaphore.words(3)));
  });
  const make = (permits = 3) => new RobustSemaphore(words, 0, { agents, permits });
  const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

  it("knows who holds how many permits, and gives back to nobody else", () => {
    const semaphore = make();
    agents.as(ANN, () => [semaphore.down(), semaphore.down()]);
    agents.as(BOB, () => semaphore.acquire());
    expect([semaphore.heldBy(ANN), semaphore.heldBy(BOB), semaphore.available]).toEqual([2, 1, 0]);
    expect(agents.as(EVE, () => semaphore.tryDown())).toBe(false);
    expect(() => agents.as(EVE, () => semaphore.up())).toThrow(code("EPERM"));
    agents.as(BOB, () => semaphore.up());
    expect(() => agents.as(BOB, () => semaphore.up())).toThrow(code("EPERM"));
    expect([semaphore.available, String(semaphore)]).toEqual([
      1,
      "RobustSemaphore(1 of 3 available, waiting: 0)",
    ]);
    expect(agents.as(EVE, () => semaphore.down({ timeoutMs: 1 }))).toBe(true);
    expect(agents.as(EVE, () => semaphore.down({ timeoutMs: 1 }))).toBe(false);
    semaphore.validate();
    expect(words[WAITERS]).toBe(0);
  });

  it("gets back what the dead held, told or not", () => {
    const semaphore = make();
    agents.as(EVE, () => [semaphore.down(), semaphore.down(), semaphore.down()]);
    expect(agents.as(BOB, () => semaphore.tryDown())).toBe(false);
    agents.kill(EVE);
    expect(agents.as(BOB, () => semaphore.tryDown())).toBe(true);
    expect(semaphore.available).toBe(2);
    expect(agents.as(ANN, () => semaphore.agentDied(BOB))).toBe(true);
    expect(semaphore.agentDied(BOB)).toBe(false);
    expect(semaphore.available).toBe(3);
    expect(() => agents.as(ANN, () => semaphore.agentDied(ANN))).toThrow(code("EINVAL"));
  });

  it("lets waiters through when the holders die, or the one that was woken", async () => {
    const semaphore = make(1);
    agents.as(EVE, () => semaphore.down());
    agents.self = ANN;
    const first = semaphore.downAsync();
    const second = semaphore.downAsync();
    await turn();
    agents.kill(EVE);
    expect(await first).toBe(true);
    semaphore.up();
    words[slot(1) + 2] = 0; // its wake-up is lost
    expect(await second).toBe(true);
    semaphore.up();
    expect([words[WAITERS], semaphore.waiterCount]).toEqual([0, 0]);
  });

  it("wakes who stands behind a dead waiter, and lets nobody wait behind the dead alone", async () => {
    const semaphore = make(1);
    agents.self = ANN;
    semaphore.down();
    words.set([EVE, 1, 0], slot(0));
    words[8] = 1;
    agents.kill(EVE);
    const waiting = semaphore.downAsync();
    await turn();
    semaphore.up();
    expect(words[slot(0)]).toBe(0);
    expect(await waiting).toBe(true);
    words.set([EVE, 9, 0], slot(0));
    words[WAITERS] = 1;
    semaphore.up();
    expect(semaphore.tryDown()).toBe(true);
  });

  it("gives as many permits as there are, in the order of arrival", async () => {
    const step = fc.oneof(fc.constant("arrive"), fc.constant("up"), fc.nat({ max: 5 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, permits) => {
          words.fill(0);
          const semaphore = make(permits);
          agents.self = ANN;
          let name = 0;
          let free: number = permits;
          const waiting: { name: number; controller: AbortController }[] = [];
          const granted: number[] = [];
          const expected: number[] = [];
          for (const each of steps) {
            if (each === "arrive" && waiting.length < 10) {
              const mine = name++;
              const controller = new AbortController();
              semaphore.downAsync({ signal: controller.signal }).then(
                () => granted.push(mine),
                () => {},
              );
              if (free > 0) {
                expected.push(mine);
                free--;
              } else {
                waiting.push({ name: mine, controller });
              }
            } else if (each === "up" && free < permits) {
              semaphore.up();
              const next = waiting.shift();
              if (next === undefined) free++;
              else expected.push(next.name);
            } else if (typeof each === "number") {
              const [quitter] = waiting.splice(each, 1);
              quitter?.controller.abort();
            }
            for (let settle = 0; settle < 3; settle++) await turn();
            semaphore.validate();
            expect(semaphore.available).toBe(free);
          }
          expect(granted).toEqual(expected);
          for (const { controller } of waiting) controller.abort();
          await turn();
        },
      ),
      { numRuns: 15 },
    );
  });

  it("lets more wait than the queue has slots", async () => {
    const semaphore = make(2);
    agents.self = ANN;
    let inside = 0;
    const all = Array.from({ length: 40 }, async () => {
      const guard = await semaphore.acquireAsync();
      expect(++inside).toBeLessThanOrEqual(2);
      await turn();
      inside--;
      guard.release();
    });
    await Promise.all(all);
    expect([semaphore.available, semaphore.waiterCount]).toEqual([2, 0]);
  });

  it("refuses other permits than there are, and who has not joined", () => {
    make(3);
    expect(() => make(2)).toThrow("permits is 3 in the words, got 2");
    expect(new RobustSemaphore(words, 0, { agents }).permits).toBe(3);
    expect(() => make().down()).toThrow(code("EINVAL"));
    expect(() => make(0)).toThrow("permits must be an integer in 1..1024, got 0");
    expect(() => new RobustSemaphore(new Int32Array(70), 0, { agents })).toThrow(code("EINVAL"));
    expect(() => new RobustSemaphore(new Int32Array(66), 0, { agents, permits: 3 })).toThrow(RangeError);
    words[PERMIT + 1] = 5;
    expect(() => make().validate()).toThrow("permit 1 is held by 5");
  });
});
