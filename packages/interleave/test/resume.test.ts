import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CheckOptions, check, type Model, type Report } from "../src/index.ts";

type Kind = "load" | "add" | "exchange" | "read" | "write" | "wait" | "nap" | "notify";
const KINDS: readonly Kind[] = ["load", "add", "exchange", "read", "write", "wait", "nap", "notify"];

function run(w: Int32Array, kind: Kind, at: number): unknown {
  switch (kind) {
    case "read":
      return w[at];
    case "write":
      w[at] = 2;
      return 2;
    case "wait":
      return Atomics.wait(w, at, 0, 5);
    case "nap":
      return Atomics.waitAsync(w, at, 0, 5).value;
    case "load":
      return Atomics.load(w, at);
    case "notify":
      return Atomics.notify(w, at);
    default:
      return Atomics[kind](w, at, 1);
  }
}

/** A model that records what came of its executions. */
function recorded(
  threads: readonly (readonly (readonly [Kind, number])[])[],
  big: boolean,
): { readonly model: Model<Int32Array>; readonly seen: Set<string> } {
  const seen = new Set<string>();
  const model: Model<Int32Array> = {
    setup: () => new Int32Array(new SharedArrayBuffer(8)),
    threads: threads.map((code) => {
      const plain = (w: Int32Array): unknown[] => code.map(([kind, at]) => run(w, kind, at));
      const isAsync = code.some(([kind]) => kind === "nap");
      return isAsync ? async (w) => Promise.all(plain(w)) : plain;
    }),
    after: (w, results) => void seen.add(JSON.stringify([big ? 1 : 0, [...w], results])),
  };
  return { model, seen };
}

const COUNTS = ["executions", "pruned", "points"] as const;

/** Runs in parts of at most `size` executions. Each part gets what the one before has saved, as text. */
async function inParts(model: Model<Int32Array>, options: CheckOptions, size: number): Promise<Report[]> {
  const reports: Report[] = [];
  let resume: string | undefined;
  do {
    const more = resume === undefined ? {} : { resume };
    const report: Report = await check(model, { ...options, ...more, resumable: true, maxExecutions: size });
    reports.push(report);
    resume = report.frontier;
  } while (resume !== undefined);
  return reports;
}

const code = (maxLength: number): fc.Arbitrary<[Kind, number][]> =>
  fc.array(fc.tuple(fc.constantFrom(...KINDS), fc.integer({ min: 0, max: 1 })), { minLength: 1, maxLength });
const program = fc.oneof(fc.tuple(code(3), code(3)), fc.tuple(code(2), code(2), code(1)));
const settings: fc.Arbitrary<CheckOptions> = fc.constantFrom(
  {},
  { reduction: false },
  { bound: 1 },
  { kills: 1 },
  { stale: true },
  { fairness: 2 },
  { shard: { index: 1, count: 2 } },
);

it("the parts of an exploration add up to the whole", async () => {
  let stops = 0;
  await fc.assert(
    fc.asyncProperty(program, settings, fc.integer({ min: 1, max: 9 }), async (threads, given, size) => {
      const options = { ...given, races: false };
      const whole = recorded(threads, false);
      const one = await check(whole.model, options);
      const parted = recorded(threads, false);
      const parts = await inParts(parted.model, options, size);
      stops += parts.length - 1;
      const last = parts[parts.length - 1]!;
      expect(parted.seen).toEqual(whole.seen);
      expect(last.failure).toEqual(one.failure);
      if (given.stale !== true) {
        for (const name of COUNTS) {
          expect(parts.reduce((sum, report) => sum + report[name], 0)).toBe(one[name]);
        }
      }
      expect([last.exhausted, last.limits, last.longest]).toEqual([one.exhausted, one.limits, one.longest]);
      for (const part of parts.slice(0, -1)) expect(part.limits).toContain(`${size} executions`);
    }),
    { numRuns: 250 },
  );
  expect(stops).toBeGreaterThan(200);
});

const lost: Model<Int32Array> = {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [0, 1, 2].map(() => (w) => {
    for (let i = 0; i < 2; i++) Atomics.store(w, 0, Atomics.load(w, 0) + 1);
  }),
};

describe("an exploration that is stopped", () => {
  it.each(["random", "pct"] as const)("by chance goes on with the next schedule (%s)", async (strategy) => {
    const outcomes: string[][] = [[], []];
    const noting = (list: string[]): Model<Int32Array> => ({
      ...lost,
      after: (w) => void list.push(String(w[0])),
    });
    await check(noting(outcomes[0]!), { strategy, seed: 4, maxExecutions: 60 });
    let resume: string | undefined;
    for (let part = 0; part < 3; part++) {
      const more = resume === undefined ? {} : { resume };
      const model = noting(outcomes[1]!);
      const options = { strategy, seed: 4, maxExecutions: 20, resumable: true, ...more };
      resume = (await check(model, options)).frontier;
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
  });

  it("by a signal says so", async () => {
    const stop = new AbortController();
    stop.abort();
    const report = await check(lost, { signal: stop.signal, resumable: true });
    expect(report).toMatchObject({ ok: true, exhausted: false, executions: 0, limits: ["an interruption"] });
    const rest = await check(lost, { resume: report.frontier! });
    expect(rest).toMatchObject({ exhausted: true, executions: (await check(lost)).executions });
  });

  it("by a signal that comes while it runs stops within about a second", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 10);
    const endless: Model<Int32Array> = {
      ...lost,
      threads: [...lost.threads, ...lost.threads, ...lost.threads],
    };
    const report = await check(endless, { signal: stop.signal, maxExecutions: 1e9 });
    expect(report.limits).toEqual(["an interruption"]);
  });

  it("remembers that it must know where operations stand", async () => {
    const model = new URL("./models/annotated.model.ts", import.meta.url);
    const parts = await inParts(model as unknown as Model<Int32Array>, { reduction: false }, 7);
    expect(parts.map(({ executions }) => executions)).toEqual([7, 7, 6]);
    expect(parts[2]!.exhausted).toBe(true);
  });

  it.each([
    [{ resume: "{" }, /not a saved exploration/],
    [{ resume: '{"format":"interleave frontier 0"}' }, /of the format "interleave frontier 1"/],
    [{ bound: 1 }, /saved with bound undefined, now it is 1/],
    [{ kills: 1 }, /saved with kills undefined/],
    [{ replay: "0" }, /resume or replay/],
  ])("is not resumed as what it was not: %j", async (options, message) => {
    const { frontier } = await check(lost, { maxExecutions: 3, resumable: true });
    const error = await check(lost, { resume: frontier!, ...options }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "EINVAL", message: expect.stringMatching(message) });
    const fewer = check({ ...lost, threads: lost.threads.slice(1) }, { resume: frontier! });
    await expect(fewer).rejects.toMatchObject({ code: "EINVAL", message: /saved with 3 threads/ });
  });
});
