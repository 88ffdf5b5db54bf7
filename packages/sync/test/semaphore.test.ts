import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Semaphore } from "../src/semaphore.ts";
import { countNotifies } from "./support/notifies.ts";
import { settleUntil } from "./support/settle.ts";
import { runTeam, searchWithTeams, teamWords } from "./support/team.ts";
import { INSIDE, PERMITS, PROMPT, SUBJECT } from "./support/team-parts.ts";

const make = (permits = 0) => {
  const semaphore = new Semaphore(new Int32Array(new SharedArrayBuffer(1024)), 16);
  if (permits > 0) semaphore.up(permits);
  return semaphore;
};

describe("Semaphore", () => {
  it("gives as many permits as it has", () => {
    const semaphore = make(2);
    expect([semaphore.down(), semaphore.tryDown(), semaphore.tryDown()]).toEqual([true, true, false]);
    expect(semaphore.down({ timeoutMs: 1 })).toBe(false);
    semaphore.up(3);
    expect(String(semaphore)).toBe("Semaphore(3 available, waiting: 0)");
    semaphore.validate();
  });

  it("gives a permit back once with its guard", async () => {
    const semaphore = make(1);
    const guard = semaphore.acquire();
    expect(() => semaphore.acquire({ timeoutMs: 0 })).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
    await expect(semaphore.acquireAsync({ timeoutMs: 1 })).rejects.toMatchObject({ code: "ETIMEDOUT" });
    guard.release();
    guard.release();
    (await semaphore.acquireAsync()).release();
    expect(semaphore.available).toBe(1);
    semaphore.validate();
  });

  it("hands permits to waiters, so that nobody overtakes them", async () => {
    const semaphore = make();
    const first = semaphore.downAsync();
    const second = semaphore.downAsync();
    semaphore.up();
    expect([semaphore.tryDown(), semaphore.available, semaphore.isContended]).toEqual([false, 0, true]);
    expect(await first).toBe(true);
    semaphore.up(2);
    expect(await second).toBe(true);
    expect([semaphore.available, semaphore.isContended]).toEqual([1, false]);
  });

  it("keeps a permit that arrived before the abort or the timeout was noticed", async () => {
    const semaphore = make();
    const controller = new AbortController();
    const waiting = semaphore.downAsync({ signal: controller.signal });
    semaphore.up();
    controller.abort();
    expect(await waiting).toBe(true);
    await expect(semaphore.downAsync({ signal: AbortSignal.abort("no") })).rejects.toMatchObject({
      code: "EINTR",
      cause: "no",
    });
  });

  it("notifies each waiter once, and nobody if nobody waits", async () => {
    const semaphore = make();
    expect(countNotifies(() => semaphore.up())).toBe(0);
    expect(countNotifies(() => semaphore.tryDown())).toBe(0);
    const waiting = [semaphore.downAsync(), semaphore.downAsync()];
    expect(countNotifies(() => semaphore.up(3))).toBe(2);
    await Promise.all(waiting);
  });

  it("serves more waiters than its queue has room for, some giving up", async () => {
    const semaphore = make();
    let served = 0;
    const serve = () => served++;
    for (let waiter = 0; waiter < 40; waiter++) void semaphore.downAsync().then(serve);
    expect(await semaphore.downAsync({ timeoutMs: 6 })).toBe(false);
    await expect(semaphore.downAsync({ signal: AbortSignal.timeout(6) })).rejects.toMatchObject({
      code: "EINTR",
    });
    expect(semaphore.waiterCount).toBe(16);
    semaphore.up(40);
    await settleUntil(() => served === 40);
    expect([served, semaphore.available]).toEqual([40, 0]);
    semaphore.validate();
  });

  it("has no waiters while every place in the queue is one of somebody served who has not run yet", async () => {
    const semaphore = make();
    const served = Array.from({ length: 16 }, () => semaphore.downAsync());
    semaphore.up(16);
    const late = semaphore.downAsync();
    expect(semaphore.isContended).toBe(false);
    semaphore.validate();
    semaphore.up();
    expect(semaphore.available).toBe(1);
    await Promise.all([late, ...served]);
    semaphore.validate();
  });

  it("works between tasks on an ArrayBuffer, where blocking is a deadlock", async () => {
    const semaphore = new Semaphore(new Int32Array(Semaphore.WORDS), 0);
    expect(() => semaphore.down()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    const waiting = semaphore.downAsync();
    semaphore.up();
    expect(await waiting).toBe(true);
  });

  it("refuses more permits than it can count, and words that are no semaphore", () => {
    const semaphore = make(Semaphore.MAX);
    expect(() => semaphore.up()).toThrow(expect.objectContaining({ code: "EINVAL" }));
    expect(semaphore.available).toBe(Semaphore.MAX);
    expect(() => semaphore.up(0)).toThrow("count must be an integer in 1..1073741823, got 0");
    const words = new Int32Array(Semaphore.WORDS);
    words[0] = 7;
    expect(() => new Semaphore(words, 0).validate()).toThrow("3 permits, and somebody waits");
    expect(() => new Semaphore(words, 1)).toThrow(RangeError);
  });

  it("serves whom a list would have served, in its order", async () => {
    const actions = fc.array(
      fc.oneof(
        fc.constantFrom("down", "tryDown"),
        fc.constantFrom(1, 2, 3),
        fc.nat(9).map((who) => ({ abort: who })),
      ),
      {
        maxLength: 30,
        size: "max",
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(2), actions, async (permits, script) => {
        const semaphore = make(permits);
        const served: number[] = [];
        const expected: number[] = [];
        let available = permits;
        const queue: { id: number; controller: AbortController }[] = [];
        for (const [id, action] of script.entries()) {
          if (action === "down" && queue.length < 16) {
            const controller = new AbortController();
            const serve = () => served.push(id);
            semaphore.downAsync({ signal: controller.signal }).then(serve, () => {});
            if (available > 0) expected.push(id);
            else queue.push({ id, controller });
            available = Math.max(0, available - 1);
          } else if (action === "tryDown") {
            expect(semaphore.tryDown()).toBe(available > 0);
            available = Math.max(0, available - 1);
          } else if (typeof action === "number") {
            semaphore.up(action);
            const lucky = queue.splice(0, action);
            expected.push(...lucky.map((waiter) => waiter.id));
            available += action - lucky.length;
          } else if (typeof action === "object" && action.abort < queue.length) {
            queue.splice(action.abort, 1)[0].controller.abort();
          }
          await settleUntil(() => served.length >= expected.length && semaphore.waiterCount === queue.length);
          expect(served).toEqual(expected);
          expect([semaphore.available, semaphore.waiterCount]).toEqual([available, queue.length]);
          semaphore.validate();
        }
        for (const { controller } of queue) controller.abort();
      }),
      { numRuns: 40 },
    );
  });

  it("lets no more threads in than it has permits, and loses none", async () => {
    const words = teamWords();
    const semaphore = new Semaphore(words, SUBJECT);
    semaphore.up(PERMITS);
    const team = ["semaphore", "semaphoreTimed", "semaphoreAsync", "semaphore", "semaphoreAborted"] as const;
    expect(await runTeam(words, team, 3000)).toEqual([0, 0, 0, 0, 0]);
    semaphore.validate();
    expect([semaphore.available, semaphore.waiterCount, words[INSIDE]]).toEqual([PERMITS, 0, 0]);
  });

  it("keeps no permit back while threads queue as fast as they can", async () => {
    const words = teamWords();
    new Semaphore(words, SUBJECT).up(PERMITS);
    expect(await runTeam(words, ["semaphore", "semaphore", "semaphore", "semaphore"], 20_000)).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it("finds room in the queue and enters it as one step, that no up() can come into", async () => {
    const words = teamWords();
    const semaphore = new Semaphore(words, SUBJECT);
    const giver = runTeam(words, ["upOnCommand"], 1);
    await settleUntil(() => Atomics.load(words, PROMPT.READY) === 1);
    const { compareExchange } = Atomics;
    let outcome = "";
    Atomics.compareExchange = ((view: Int32Array, word: number, old: number, value: number) => {
      const found = compareExchange(view, word, old, value);
      if (word === SUBJECT && outcome === "") {
        // WAITERS has been set, the queue is empty. An up() now has to wait for us; 50 ms let a wrong one end.
        outcome = "started";
        Atomics.store(words, PROMPT.GO, 1);
        Atomics.notify(words, PROMPT.GO);
        outcome = Atomics.wait(words, PROMPT.DONE, 0, 50);
      }
      return found;
    }) as typeof compareExchange;
    let waiting: Promise<boolean>;
    try {
      waiting = semaphore.downAsync();
    } finally {
      Atomics.compareExchange = compareExchange;
    }
    expect(outcome).toBe("timed-out");
    expect([await waiting, await giver]).toEqual([true, [0]]);
    semaphore.validate();
  });

  it("threads that go in without a permit are caught by the same test", async () => {
    const makeWords = () => {
      const words = teamWords();
      new Semaphore(words, SUBJECT).up(PERMITS);
      return words;
    };
    const team = Array.from({ length: 5 }, () => "semaphoreIgnored" as const);
    expect(await searchWithTeams(makeWords, team, "semaphoreIgnored", 20_000)).toBeGreaterThan(0);
  });
});
