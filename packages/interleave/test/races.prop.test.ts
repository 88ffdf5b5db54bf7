import fc from "fast-check";
import { expect, it } from "vitest";
import { check, type Model } from "../src/index.ts";

/** Plain data words 0 and 1, and flags 2 and 3 that may order them. */
interface Instruction {
  readonly kind: "read" | "write" | "load" | "store" | "readIfSet" | "add";
  readonly at: number;
}

const instruction: fc.Arbitrary<Instruction> = fc.record({
  kind: fc.constantFrom("read", "write", "load", "store", "readIfSet", "add"),
  at: fc.integer({ min: 0, max: 1 }),
});

function run(words: Int32Array, { kind, at }: Instruction): unknown {
  switch (kind) {
    case "read":
      return words[at];
    case "write":
      words[at] = 1;
      return undefined;
    case "load":
      return Atomics.load(words, 2 + at);
    case "store":
      return Atomics.store(words, 2 + at, 1);
    case "add":
      return Atomics.add(words, 2 + at, 1);
    default:
      return Atomics.load(words, 2 + at) === 0 ? undefined : words[at];
  }
}

async function verdict(threads: readonly (readonly Instruction[])[], reduction: boolean): Promise<string> {
  const model: Model<Int32Array> = {
    setup: () => new Int32Array(new SharedArrayBuffer(16)),
    threads: threads.map((code) => (words) => code.map((next) => run(words, next))),
  };
  const { failure, exhausted } = await check(model, { reduction });
  return failure?.kind ?? `exhausted: ${exhausted}`;
}

it("reduction finds a race exactly when running every order finds one", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(instruction, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 3 }),
      async (threads) => {
        const full = await verdict(threads, false);
        seen.add(full);
        expect(await verdict(threads, true)).toBe(full);
      },
    ),
    { numRuns: 300 },
  );
  expect(seen).toEqual(new Set(["race", "exhausted: true"]));
});
