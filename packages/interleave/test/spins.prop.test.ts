import fc from "fast-check";
import { expect, it } from "vitest";
import { check, type Model } from "../src/index.ts";

/** Spins without bound: two locks, and waiting for a thread of lower number, so that every execution ends. */
interface Instruction {
  readonly kind: "section" | "sectionCas" | "trylock" | "load" | "add" | "await" | "awaitEither";
  readonly at: number;
  readonly value: number;
}

const instruction: fc.Arbitrary<Instruction> = fc.record({
  kind: fc.constantFrom("section", "sectionCas", "trylock", "load", "add", "await", "awaitEither"),
  at: fc.integer({ min: 0, max: 1 }),
  value: fc.integer({ min: 0, max: 2 }),
});
const list = (maxLength: number): fc.Arbitrary<Instruction[]> =>
  fc.array(instruction, { minLength: 1, maxLength });
const program = fc.oneof(fc.tuple(list(2), list(2)), fc.tuple(list(1), list(1), list(1)));

const LOCK = 2;
const ENDED = 4;

function run(w: Int32Array, me: number, { kind, at, value }: Instruction): unknown {
  const lock = LOCK + at;
  const other = ENDED + (me > 0 ? value % me : 0);
  switch (kind) {
    case "section": {
      while (Atomics.exchange(w, lock, 1) === 1);
      const before = Atomics.add(w, value % 2, 1);
      Atomics.store(w, lock, 0);
      return before;
    }
    case "sectionCas": {
      while (Atomics.compareExchange(w, lock, 0, 1) !== 0);
      const before = Atomics.load(w, value % 2);
      Atomics.store(w, value % 2, before + 1);
      Atomics.store(w, lock, 0);
      return before;
    }
    case "trylock":
      if (Atomics.exchange(w, lock, 1) === 1) return "busy";
      Atomics.store(w, lock, 0);
      return "got";
    case "await":
      while (me > 0 && Atomics.load(w, other) === 0);
      return Atomics.load(w, at);
    case "awaitEither":
      while (me > 0 && Atomics.load(w, other) === 0 && Atomics.load(w, at) === 0);
      return Atomics.load(w, at);
    default:
      return kind === "load" ? Atomics.load(w, at) : Atomics.add(w, at, value);
  }
}

async function endings(
  threads: readonly (readonly Instruction[])[],
  options: { readonly reduction: boolean; readonly freeReads: number; readonly spinLimit: number },
): Promise<Set<string>> {
  const outcomes = new Set<string>();
  const model: Model<Int32Array> = {
    setup: () => new Int32Array(new SharedArrayBuffer(32)),
    threads: threads.map((code, me) => (w) => {
      const results = code.map((next) => run(w, me, next));
      Atomics.store(w, ENDED + me, 1);
      return results;
    }),
    after: (w, results) => void outcomes.add(JSON.stringify([[...w], results])),
  };
  expect(await check(model, options)).toMatchObject({ ok: true, exhausted: true });
  return outcomes;
}

it("reduction changes no outcome of spins that end only by others' writes", async () => {
  await fc.assert(
    fc.asyncProperty(program, async (threads) => {
      const full = await endings(threads, { reduction: false, freeReads: 0, spinLimit: 10 });
      expect(await endings(threads, { reduction: true, freeReads: 0, spinLimit: 10 })).toEqual(full);
    }),
    { numRuns: 150 },
  );
});
