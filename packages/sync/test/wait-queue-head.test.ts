import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WaitQueueHead } from "../src/wait-queue-head.ts";
import { countNotifies } from "./support/notifies.ts";
import { settle, settleUntil } from "./support/settle.ts";
import { runTeam, teamWords } from "./support/team.ts";
import { SUBJECT, THINGS } from "./support/team-parts.ts";

const make = () => new WaitQueueHead(new Int32Array(new SharedArrayBuffer(64)), 4);

describe("WaitQueueHead", () => {
  it("does not wait if the condition holds, nor longer than it was told", async () => {
    const queue = make();
    expect(queue.waitFor(() => true)).toBe(true);
    expect(queue.waitFor(() => false, { timeoutMs: 1 })).toBe(false);
    expect(await queue.waitForAsync(() => true)).toBe(true);
    expect(await queue.waitForAsync(async () => false, { timeoutMs: 1, exclusive: true })).toBe(false);
    const signal = AbortSignal.timeout(1);
    await expect(queue.waitForAsync(() => false, { signal })).rejects.toMatchObject({ code: "EINTR" });
    expect(String(queue)).toBe("WaitQueueHead(waiting: 0, exclusive: 0)");
    queue.validate();
  });

  it("tests a condition once more after the timeout", () => {
    const queue = make();
    let tests = 0;
    expect(queue.waitFor(() => ++tests === 3, { timeoutMs: 0.1 })).toBe(true);
  });

  it("notifies only those who wait", async () => {
    const queue = make();
    expect(countNotifies(() => queue.wake())).toBe(0);
    expect(countNotifies(() => queue.wakeAll())).toBe(0);
    let isOpen = false;
    const waiting = queue.waitForAsync(() => isOpen);
    isOpen = true;
    expect(countNotifies(() => queue.wake())).toBe(1);
    expect(await waiting).toBe(true);
    expect(countNotifies(() => queue.wakeAll())).toBe(0);
  });

  it("passes the wake-up on when a condition throws", async () => {
    const queue = make();
    let state = 0;
    const fail = () => {
      if (state === 1) throw new Error("my own trouble");
      return false;
    };
    const first = queue.waitForAsync(fail, { exclusive: true });
    const second = queue.waitForAsync(() => state === 1, { exclusive: true });
    await settle();
    state = 1;
    queue.wake(1);
    await expect(first).rejects.toThrow("my own trouble");
    expect(await second).toBe(true);
  });

  it("throws EDEADLK instead of waiting for itself on an ArrayBuffer, where tasks still can wait", async () => {
    const queue = new WaitQueueHead(new Int32Array(WaitQueueHead.WORDS), 0);
    expect(() => queue.waitFor(() => false)).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    let isOpen = false;
    const waiting = queue.waitForAsync(() => isOpen, { exclusive: true });
    isOpen = true;
    queue.wake();
    expect(await waiting).toBe(true);
  });

  it("names the argument that is out of range, and words that are no queue", () => {
    expect(() => make().wake(-1)).toThrow("count must be an integer in 0..2147483647, got -1");
    const words = new Int32Array(WaitQueueHead.WORDS).fill(-5);
    expect(() => new WaitQueueHead(words, 0).validate()).toThrow("SLEEPERS at word 1 is -5");
    expect(() => new WaitQueueHead(words, 1)).toThrow(RangeError);
  });

  it("tests the conditions that two lists would have tested, in their order", async () => {
    const actions = fc.array(
      fc.oneof(
        fc.constantFrom("wait", "waitExclusive", "waitExclusive", "give", "wakeAll"),
        fc.integer({ min: 0, max: 3 }),
      ),
      { maxLength: 25, size: "max" },
    );
    await fc.assert(
      fc.asyncProperty(actions, async (script) => {
        const queue = make();
        const log: string[] = [];
        const expected: string[] = [];
        let shared: number[] = [];
        const exclusive: number[] = [];
        let tokens = 0;
        const take = () => tokens > 0 && tokens-- > 0;
        let modelTokens = 0;
        // What a test of waiter `id` finds, and where that leaves it.
        const test = (id: number, stays: number[]) => {
          expected.push(`${id} ${modelTokens > 0}`);
          if (modelTokens > 0) modelTokens--;
          else stays.push(id);
        };
        const woken = (count: number) => {
          const [all, some] = [shared, exclusive.splice(0, count)];
          shared = [];
          for (const id of all) test(id, shared);
          for (const id of some) test(id, exclusive);
        };
        for (const [id, action] of script.entries()) {
          if (action === "give") {
            tokens++;
            modelTokens++;
          } else if (action === "wakeAll" || typeof action === "number") {
            if (typeof action === "number") queue.wake(action);
            else queue.wakeAll();
            woken(typeof action === "number" ? action : exclusive.length);
          } else {
            const condition = () => {
              const result = take();
              log.push(`${id} ${result}`);
              return result;
            };
            void queue.waitForAsync(condition, { exclusive: action === "waitExclusive" });
            test(id, action === "wait" ? shared : exclusive);
          }
          await settleUntil(() => log.length >= expected.length);
          expect(log).toEqual(expected);
          expect(queue.waiterCount).toBe(shared.length + exclusive.length);
          queue.validate();
        }
        tokens = Number.POSITIVE_INFINITY;
        queue.wakeAll();
        await settleUntil(() => queue.waiterCount === 0);
      }),
      { numRuns: 40 },
    );
  });

  it("loses no wake-up between threads that block, time out and await", async () => {
    const words = teamWords();
    const team = ["put", "take", "put", "take", "putAsync", "takeAsync"] as const;
    await runTeam(words, team, 3000);
    expect(words[THINGS]).toBe(0);
    for (const word of [SUBJECT, SUBJECT + 16]) {
      const queue = new WaitQueueHead(words, word);
      queue.validate();
      expect(queue.waiterCount).toBe(0);
    }
  });
});
