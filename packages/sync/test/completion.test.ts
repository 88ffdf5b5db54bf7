import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Completion } from "../src/completion.ts";
import { countNotifies } from "./support/notifies.ts";
import { settle, settleUntil } from "./support/settle.ts";
import { runTeam, teamWords } from "./support/team.ts";
import { SUBJECT } from "./support/team-parts.ts";

const make = () => new Completion(new Int32Array(new SharedArrayBuffer(64)), 4);

describe("Completion", () => {
  it("lets one through per complete, everybody after completeAll, nobody after reinit", () => {
    const completion = make();
    expect(completion.tryWait()).toBe(false);
    completion.complete();
    completion.complete();
    expect(String(completion)).toBe("Completion(done 2, waiting: 0)");
    expect([completion.wait(), completion.tryWait(), completion.tryWait()]).toEqual([true, true, false]);
    completion.completeAll();
    completion.complete();
    expect([completion.wait(), completion.wait(), completion.isDone]).toEqual([true, true, true]);
    expect(String(completion)).toBe("Completion(done for all, waiting: 0)");
    completion.reinit();
    expect(completion.wait({ timeoutMs: 1 })).toBe(false);
    completion.validate();
  });

  it("notifies only if somebody waits", async () => {
    const completion = make();
    expect(countNotifies(() => completion.complete())).toBe(0);
    expect(countNotifies(() => completion.completeAll())).toBe(0);
    completion.reinit();
    const waiting = completion.waitAsync();
    expect(completion.waiterCount).toBe(1);
    expect(countNotifies(() => completion.complete())).toBe(1);
    expect(await waiting).toBe(true);
    expect(countNotifies(() => completion.complete())).toBe(0);
  });

  it("passes a completion on when the one it woke has been aborted", async () => {
    const completion = make();
    const controller = new AbortController();
    const first = completion.waitAsync({ signal: controller.signal });
    const second = completion.waitAsync();
    await settle();
    completion.complete();
    controller.abort("changed my mind"); // The first has been woken, but has not run yet.
    const [one] = await Promise.allSettled([first]);
    if (one.status === "fulfilled") completion.complete();
    expect(await second).toBe(true);
    expect(completion.waiterCount).toBe(0);
  });

  it("works between tasks of one thread on an ArrayBuffer, where blocking is a deadlock", async () => {
    const completion = new Completion(new Int32Array(3), 0);
    expect(() => completion.wait()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    const waiting = completion.waitAsync();
    expect(await completion.waitAsync({ timeoutMs: 1 })).toBe(false);
    completion.complete();
    expect(await waiting).toBe(true);
  });

  it("reports words that are no completion, and refuses words that end too early", () => {
    const words = new Int32Array(3).fill(-1);
    expect(() => new Completion(words, 0).validate()).toThrow("DONE at word 0 is -1");
    expect(() => new Completion(words, 1)).toThrow(RangeError);
  });

  it("lets through in order of arrival exactly as many as a queue and a counter would", async () => {
    const actions = fc.array(
      fc.constantFrom("wait", "complete", "tryWait", "completeAll", "reinit", "abort"),
      {
        maxLength: 25,
        size: "max",
      },
    );
    await fc.assert(
      fc.asyncProperty(actions, async (script) => {
        const completion = make();
        const through: number[] = [];
        const expected: number[] = [];
        let queue: { id: number; controller: AbortController }[] = [];
        let done = 0;
        for (const [id, action] of script.entries()) {
          if (action === "wait") {
            const controller = new AbortController();
            const enter = () => through.push(id);
            completion.waitAsync({ signal: controller.signal }).then(enter, () => {});
            if (done > 0) expected.push(id);
            else queue.push({ id, controller });
            if (done > 0) done--;
          } else if (action === "complete") {
            completion.complete();
            const first = queue.shift();
            if (first === undefined) done++;
            else expected.push(first.id);
          } else if (action === "completeAll") {
            completion.completeAll();
            expected.push(...queue.map((waiter) => waiter.id));
            queue = [];
            done = Number.POSITIVE_INFINITY;
          } else if (action === "reinit") {
            completion.reinit();
            done = 0;
          } else if (action === "tryWait") {
            expect(completion.tryWait()).toBe(done > 0);
            if (done > 0) done--;
          } else {
            // The last comer, so that the others keep their order.
            queue.pop()?.controller.abort();
          }
          await settleUntil(
            () => through.length >= expected.length && completion.waiterCount <= queue.length,
          );
          expect(through).toEqual(expected);
          expect([completion.isDone, completion.waiterCount]).toEqual([done > 0, queue.length]);
          completion.validate();
        }
        completion.completeAll();
        await settleUntil(() => completion.waiterCount === 0);
      }),
      { numRuns: 40 },
    );
  });

  it("loses no completion between threads that block, time out, await and abort", async () => {
    const words = teamWords();
    const team = [
      "complete",
      "awaitCompletion",
      "complete",
      "awaitCompletion",
      "complete",
      "awaitCompletionAsync",
    ];
    await runTeam(words, team as Parameters<typeof runTeam>[1], 100_000);
    const completion = new Completion(words, SUBJECT);
    expect(String(completion)).toBe("Completion(not done, waiting: 0)");
    completion.validate();
  });
});
