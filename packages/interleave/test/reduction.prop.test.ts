import fc from "fast-check";
import { expect, it } from "vitest";
import { check, type Model } from "../src/index.ts";

/** An operation of a random program on word `at`. */
interface Instruction {
  readonly kind: "load" | "store" | "add" | "compareExchange" | "exchange" | "or" | "spin";
  readonly at: number;
  readonly value: number;
}

const instruction = fc.record({
  kind: fc.constantFrom("load", "store", "add", "compareExchange", "exchange", "or", "spin"),
  at: fc.integer({ min: 0, max: 1 }),
  value: fc.integer({ min: 0, max: 2 }),
}) as fc.Arbitrary<Instruction>;

const program = fc.oneof(
  fc.array(fc.array(instruction, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 2 }),
  fc.array(fc.array(instruction, { minLength: 1, maxLength: 2 }), { minLength: 3, maxLength: 3 }),
);

/** Does one operation on an array of numbers, as the naive model has it. */
function apply(words: number[], { kind, at, value }: Instruction): number {
  const old = words[at]!;
  if (kind === "store" || kind === "exchange") words[at] = value;
  if (kind === "add") words[at] = old + value;
  if (kind === "or") words[at] = old | value;
  if (kind === "compareExchange" && old === value) words[at] = value + 1;
  return kind === "store" ? value : old;
}

const TURNS = 3;

function run(words: Int32Array, { kind, at, value }: Instruction): number {
  if (kind === "spin") {
    // A bounded spin: it may give up, and then goes on.
    for (let turn = 0; turn < TURNS; turn++) if (Atomics.load(words, at) === value) return turn === 0 ? 1 : 2;
    return 0;
  }
  if (kind === "load") return Atomics.load(words, at);
  if (kind === "compareExchange") return Atomics.compareExchange(words, at, value, value + 1);
  return Atomics[kind](words, at, value);
}

/** Outcomes of every interleaving, by plain recursion. */
function naive(threads: readonly (readonly Instruction[])[]): Set<string> {
  const outcomes = new Set<string>();
  /** A spin's turns are tenths of a position. */
  const visit = (words: number[], positions: number[], results: number[][]): void => {
    let ended = true;
    threads.forEach((code, thread) => {
      const at = Math.floor(positions[thread]!);
      const turn = Math.round((positions[thread]! - at) * 10);
      const next = code[at];
      if (next === undefined) return;
      ended = false;
      const copy = [...words];
      const move = (to: number): number[] => positions.map((position, i) => (i === thread ? to : position));
      if (next.kind === "spin" && copy[next.at] !== next.value && turn < TURNS - 1) {
        visit(copy, move(at + (turn + 1) / 10), results);
        return;
      }
      const spun = copy[next.at] === next.value ? (turn === 0 ? 1 : 2) : 0;
      const result = next.kind === "spin" ? spun : apply(copy, next);
      visit(
        copy,
        move(at + 1),
        results.map((list, i) => (i === thread ? [...list, result] : list)),
      );
    });
    if (ended) outcomes.add(JSON.stringify([words, results]));
  };
  visit(
    [0, 0],
    threads.map(() => 0),
    threads.map(() => []),
  );
  return outcomes;
}

async function explored(
  threads: readonly (readonly Instruction[])[],
  reduction: boolean,
  freeReads: number,
): Promise<Set<string>> {
  const outcomes = new Set<string>();
  const model: Model<Int32Array> = {
    setup: () => new Int32Array(new SharedArrayBuffer(8)),
    threads: threads.map((code) => (words) => code.map((next) => run(words, next))),
    after: (words, results) => void outcomes.add(JSON.stringify([[...words], results])),
  };
  const report = await check(model, { reduction, freeReads });
  expect(report).toMatchObject({ ok: true, exhausted: true });
  return outcomes;
}

it("gives exactly the outcomes that a naive enumeration gives, with reduction and without", async () => {
  await fc.assert(
    fc.asyncProperty(program, async (threads) => {
      const expected = naive(threads);
      expect(await explored(threads, false, 99)).toEqual(expected);
      expect(await explored(threads, true, 99)).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

/** What the second thread writes is read inside the first one's spin: a sleeping spinner must wake for it. */
const SPIN_BETWEEN_LOOKS: Instruction[][] = [
  [
    { kind: "load", at: 1, value: 0 },
    { kind: "spin", at: 0, value: 1 },
    { kind: "load", at: 1, value: 0 },
  ],
  [
    { kind: "add", at: 1, value: 1 },
    { kind: "load", at: 0, value: 0 },
  ],
];

/** The spinner is parked where the other one goes first; what it does next is not to be skipped on that account. */
const SPIN_ENDS_BY_ANOTHER_WORD: Instruction[][] = [
  [
    { kind: "load", at: 1, value: 0 },
    { kind: "load", at: 0, value: 0 },
    { kind: "load", at: 1, value: 0 },
    { kind: "compareExchange", at: 0, value: 2 },
  ],
  [
    { kind: "store", at: 0, value: 1 },
    { kind: "load", at: 0, value: 0 },
    { kind: "compareExchange", at: 0, value: 1 },
  ],
];

it("leaves spins undisturbed by default, which invents no outcome", async () => {
  await fc.assert(
    fc.asyncProperty(program, async (threads) => {
      const expected = naive(threads);
      const full = await explored(threads, false, 0);
      expect([...full].filter((outcome) => !expected.has(outcome))).toEqual([]);
      expect(await explored(threads, true, 0)).toEqual(full);
    }),
    { numRuns: 200, examples: [[SPIN_BETWEEN_LOOKS], [SPIN_ENDS_BY_ANOTHER_WORD]] },
  );
});

/** Threads that also sleep and wake, whose outcomes only the search without reduction can tell. */
interface Sleeping {
  readonly kind: "wait" | "waitShort" | "notify";
  readonly at: number;
  readonly value: number;
}
type Blocking = Instruction | Sleeping;

const blocking = fc.oneof(
  instruction,
  fc.record({
    kind: fc.constantFrom("wait", "waitShort", "notify"),
    at: fc.integer({ min: 0, max: 1 }),
    value: fc.integer({ min: 0, max: 1 }),
  }),
) as fc.Arbitrary<Blocking>;

function runBlocking(words: Int32Array, next: Blocking): unknown {
  switch (next.kind) {
    case "wait":
      return Atomics.wait(words, next.at, next.value);
    case "waitShort":
      return Atomics.wait(words, next.at, next.value, 5);
    case "notify":
      return Atomics.notify(words, next.at, 1);
    default:
      return run(words, next);
  }
}

async function endings(
  threads: readonly (readonly Blocking[])[],
  reduction: boolean,
  options: { readonly kills: number; readonly freeReads: number },
): Promise<Set<string>> {
  const outcomes = new Set<string>();
  const model: Model<Int32Array> = {
    setup: () => new Int32Array(new SharedArrayBuffer(8)),
    threads: threads.map((code) => (words) => code.map((next) => runBlocking(words, next))),
    after: (words, results) => void outcomes.add(JSON.stringify([[...words], results])),
  };
  const report = await check(model, { ...options, reduction, timeouts: 1 });
  if (report.failure !== undefined) return new Set([report.failure.kind]);
  return outcomes;
}

const list = (maxLength: number): fc.Arbitrary<Blocking[]> => fc.array(blocking, { minLength: 1, maxLength });
const sleepingProgram: fc.Arbitrary<Blocking[][]> = fc.oneof(
  fc.tuple(list(3), list(3)),
  fc.tuple(list(2), list(2), list(2)),
);

/** Whether the third thread's timeout comes before its notify depends on whether the first one's came at all. */
const TIMEOUTS_SHARE_A_LIMIT: Blocking[][] = [
  [{ kind: "waitShort", at: 0, value: 0 }],
  [
    { kind: "exchange", at: 1, value: 1 },
    { kind: "notify", at: 1, value: 0 },
  ],
  [{ kind: "waitShort", at: 1, value: 0 }],
];

/** The first thread is parked at its second operation; that it may die there is not all that it may do. */
const PARKED_MAY_DIE: Blocking[][] = [
  [
    { kind: "load", at: 0, value: 0 },
    { kind: "add", at: 0, value: 0 },
  ],
  [{ kind: "add", at: 0, value: 1 }],
  [
    { kind: "load", at: 0, value: 0 },
    { kind: "waitShort", at: 0, value: 0 },
  ],
];

it.each([
  { kills: 0, freeReads: 2 },
  { kills: 1, freeReads: 2 },
  { kills: 0, freeReads: 0 },
  { kills: 1, freeReads: 0 },
])(
  "reduction changes no outcome of threads that sleep, wake and spin: $kills may die, $freeReads free reads",
  async (options) => {
    await fc.assert(
      fc.asyncProperty(sleepingProgram, async (threads) => {
        expect(await endings(threads, true, options)).toEqual(await endings(threads, false, options));
      }),
      { numRuns: 300, examples: [[TIMEOUTS_SHARE_A_LIMIT], [PARKED_MAY_DIE]] },
    );
  },
);
