import fc from "fast-check";
import { expect, it } from "vitest";
import { check, type Model } from "../src/index.ts";

/** An operation of a random program; those that sleep do so by `wait`, or by `waitAsync` in an async thread. */
interface Instruction {
  readonly kind: "load" | "add" | "exchange" | "sleep" | "sleepShort" | "notify";
  readonly at: number;
  readonly value: number;
}

const instruction: fc.Arbitrary<Instruction> = fc.record({
  kind: fc.constantFrom("load", "add", "exchange", "sleep", "sleepShort", "notify"),
  at: fc.integer({ min: 0, max: 1 }),
  value: fc.integer({ min: 0, max: 1 }),
});
const code = (maxLength: number): fc.Arbitrary<Instruction[]> =>
  fc.array(instruction, { minLength: 1, maxLength });
const program = fc.oneof(fc.tuple(code(3), code(3)), fc.tuple(code(2), code(2), code(2)));

function apply(w: Int32Array, { kind, at, value }: Instruction): number {
  if (kind === "load") return Atomics.load(w, at);
  if (kind === "notify") return Atomics.notify(w, at, 1);
  return kind === "add" ? Atomics.add(w, at, value) : Atomics.exchange(w, at, value);
}

const timeoutOf = ({ kind }: Instruction): number => (kind === "sleepShort" ? 5 : Number.POSITIVE_INFINITY);
const sleeps = ({ kind }: Instruction): boolean => kind === "sleep" || kind === "sleepShort";

function blocking(w: Int32Array, list: readonly Instruction[]): unknown[] {
  return list.map((next) =>
    sleeps(next) ? Atomics.wait(w, next.at, next.value, timeoutOf(next)) : apply(w, next),
  );
}

async function unblocking(w: Int32Array, list: readonly Instruction[]): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const next of list) {
    if (!sleeps(next)) results.push(apply(w, next));
    else results.push(await Atomics.waitAsync(w, next.at, next.value, timeoutOf(next)).value);
  }
  return results;
}

type Run = (w: Int32Array, list: readonly Instruction[]) => unknown;

async function endings(
  threads: readonly (readonly Instruction[])[],
  run: Run,
  options: { readonly reduction: boolean; readonly timeouts: number; readonly kills?: number },
): Promise<Set<string>> {
  const seen = new Set<string>();
  const model: Model<Int32Array> = {
    setup: () => new Int32Array(new SharedArrayBuffer(8)),
    threads: threads.map((list) => (w) => run(w, list)),
    after: (w, results) => void seen.add(JSON.stringify([[...w], results])),
  };
  const { failure } = await check(model, options);
  return failure === undefined ? seen : new Set([failure.kind]);
}

it.each([0, 1, 2])(
  "threads that sleep by waitAsync end as threads that block do, with %i timeouts",
  async (timeouts) => {
    await fc.assert(
      fc.asyncProperty(program, async (threads) => {
        const expected = await endings(threads, blocking, { reduction: false, timeouts });
        expect(await endings(threads, blocking, { reduction: true, timeouts })).toEqual(expected);
        expect(await endings(threads, unblocking, { reduction: true, timeouts })).toEqual(expected);
        expect(await endings(threads, unblocking, { reduction: false, timeouts })).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  },
);

/** Two tasks of the first thread; the others are threads of one. */
async function tasks(w: Int32Array, list: readonly Instruction[]): Promise<unknown[]> {
  const middle = list.length >> 1;
  const both = [unblocking(w, list.slice(0, middle)), unblocking(w, list.slice(middle))];
  return await Promise.all(both);
}

/** The third thread may die while one of its tasks sleeps and the other is about to do something. */
const DIES_AWAKE_AND_ASLEEP: [Instruction[], Instruction[], Instruction[]] = [
  [{ kind: "load", at: 0, value: 0 }],
  [{ kind: "notify", at: 0, value: 0 }],
  [
    { kind: "sleepShort", at: 0, value: 0 },
    { kind: "exchange", at: 1, value: 1 },
  ],
];

it.each([0, 1])("reduction changes no outcome of threads with two tasks, %i of them dying", async (kills) => {
  await fc.assert(
    fc.asyncProperty(program, async (threads) => {
      const expected = await endings(threads, tasks, { reduction: false, timeouts: 1, kills });
      expect(await endings(threads, tasks, { reduction: true, timeouts: 1, kills })).toEqual(expected);
    }),
    { numRuns: 200, examples: [[DIES_AWAKE_AND_ASLEEP]] },
  );
});
