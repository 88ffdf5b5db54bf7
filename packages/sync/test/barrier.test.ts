import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Barrier, type BarrierOutcome } from "../src/barrier.ts";
import { countNotifies } from "./support/notifies.ts";
import { settleUntil } from "./support/settle.ts";
import { runTeam, searchWithTeams, teamWords } from "./support/team.ts";
import { GENERATIONS, SUBJECT } from "./support/team-parts.ts";

const make = (parties: number) => new Barrier(new Int32Array(new SharedArrayBuffer(64)), 4, parties);

describe("Barrier", () => {
  it("lets everybody through with the last to arrive, again and again", async () => {
    const barrier = make(3);
    for (let generation = 0; generation < 3; generation++) {
      const first = barrier.waitAsync();
      const second = barrier.waitAsync();
      expect(String(barrier)).toBe(`Barrier(2 of 3 arrived, 2 asleep, generation ${generation})`);
      barrier.validate();
      expect(barrier.wait()).toBe("last");
      expect([await first, await second]).toEqual(["passed", "passed"]);
    }
  });

  it("takes an arrival back on a timeout, an abort, and where it cannot wait", async () => {
    const barrier = make(2);
    expect(barrier.wait({ timeoutMs: 1 })).toBe("timed-out");
    expect(() => barrier.wait({ timeoutMs: -1 })).toThrow(RangeError);
    await expect(barrier.waitAsync({ signal: AbortSignal.timeout(1) })).rejects.toMatchObject({
      code: "EINTR",
    });
    await expect(barrier.waitAsync({ signal: AbortSignal.abort("no") })).rejects.toMatchObject({
      code: "EINTR",
      cause: "no",
    });
    const local = new Barrier(new Int32Array(Barrier.WORDS), 0, 2);
    expect(() => local.wait()).toThrow(expect.objectContaining({ code: "EDEADLK" }));
    expect([barrier.arrived, local.arrived]).toEqual([0, 0]);
  });

  it("does not reject an aborted wait that everybody has arrived for", async () => {
    const barrier = make(2);
    const controller = new AbortController();
    const waiting = barrier.waitAsync({ signal: controller.signal });
    expect(barrier.wait()).toBe("last");
    controller.abort();
    expect(await waiting).toBe("passed");
  });

  it("notifies once per generation, and not if nobody sleeps", () => {
    expect(countNotifies(() => make(1).wait())).toBe(0);
    const barrier = make(2);
    void barrier.waitAsync();
    expect(countNotifies(() => barrier.wait())).toBe(1);
  });

  it("goes on over the wrap of its generation", async () => {
    const words = new Int32Array(Barrier.WORDS);
    words[1] = 0xfffff << 12;
    const barrier = new Barrier(words, 0, 2);
    const waiting = barrier.waitAsync();
    expect([barrier.wait(), await waiting, barrier.generation, barrier.arrived]).toEqual([
      "last",
      "passed",
      0,
      0,
    ]);
  });

  it("has the parties that its first constructor gave it", () => {
    const words = new Int32Array(Barrier.WORDS);
    expect(() => new Barrier(words, 0)).toThrow(expect.objectContaining({ code: "EINVAL" }));
    new Barrier(words, 0, 5);
    expect(new Barrier(words, 0).parties).toBe(5);
    expect(() => new Barrier(words, 0, 4)).toThrow("parties is 5 in the words, got 4");
    expect(() => new Barrier(words, 0, 4096)).toThrow("parties must be an integer in 1..4095, got 4096");
    words[1] = 5;
    expect(() => new Barrier(words, 0).validate()).toThrow("5 have arrived and wait, of 5");
  });

  it("passes and refuses as a counter would, whoever arrives and gives up", async () => {
    const actions = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(-1) }, fc.nat(3)), {
      maxLength: 25,
      size: "max",
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), actions, async (parties, script) => {
        const barrier = make(parties);
        const outcomes: BarrierOutcome[] = [];
        const expected: BarrierOutcome[] = [];
        let waiting: AbortController[] = [];
        let generation = 0;
        for (const who of script) {
          if (who === -1) {
            const controller = new AbortController();
            waiting.push(controller);
            const done = (outcome: BarrierOutcome) => outcomes.push(outcome);
            barrier.waitAsync({ signal: controller.signal }).then(done, () => {});
            if (waiting.length === parties) {
              expected.push("last", ...Array.from({ length: parties - 1 }, () => "passed" as const));
              waiting = [];
              generation++;
            }
          } else if (who < waiting.length) {
            waiting.splice(who, 1)[0].abort();
          }
          await settleUntil(() => outcomes.length >= expected.length && barrier.arrived === waiting.length);
          expect([...outcomes].sort()).toEqual([...expected].sort());
          expect([barrier.arrived, barrier.generation]).toEqual([waiting.length, generation]);
          barrier.validate();
        }
        for (const controller of waiting) controller.abort();
      }),
      { numRuns: 40 },
    );
  });

  it("lets no thread, patient or not, be a round ahead of the others", async () => {
    const words = teamWords();
    expect(await runTeam(words, ["meet", "meetAsync", "meetImpatiently", "meet"], 1500)).toEqual([
      0, 0, 0, 0,
    ]);
    expect(words[GENERATIONS]).toBe(1500);
    const barrier = new Barrier(words, SUBJECT);
    barrier.validate();
    expect(barrier.generation).toBe(3000);
  });

  it("threads that do not wait are caught by the same test", async () => {
    expect(
      await searchWithTeams(teamWords, ["meetNobody", "meetNobody"], "meetNobody", 3000),
    ).toBeGreaterThan(0);
  });
});
