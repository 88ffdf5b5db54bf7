import { afterAll, describe, expect, it } from "vitest";
import { findTest, readTests } from "../litmus/format.ts";
import { type LitmusResult, LitmusRunner, PLAIN_CONTRACT } from "../litmus/run.ts";

const runner = new LitmusRunner();
afterAll(() => runner.close());

/** The command runs a million; this many show a broken lock many times over. */
const ITERATIONS = 20_000;

/** How the outcomes of broken primitives are looked for: some are seen once in a million iterations. */
const SEARCH_STEP = 1_000_000;
const SEARCH_BUDGET = 100_000_000;

/**
 * Runs a test over broken primitives until its outcome is seen. Threads that share a core with others overlap
 * seldom, so how long that takes depends on the machine; a whole budget without it is a finding.
 */
async function searchWithBroken(name: string): Promise<LitmusResult> {
  const test = findTest(name);
  for (let spent = 0; ; spent += SEARCH_STEP) {
    const result = await runner.run(test, "atomics", SEARCH_STEP, true);
    if (result.targetCount > 0 || spent >= SEARCH_BUDGET) return result;
  }
}

describe("litmus tests on real threads", () => {
  it("there are 47, each with a verdict for JavaScript", () => {
    expect(readTests()).toHaveLength(47);
  });

  for (const test of readTests()) {
    it(`${test.name}: never seen with Atomics`, async () => {
      const result = await runner.run(test, "atomics", ITERATIONS);
      expect(result.outcomes.reduce((sum, { count }) => sum + count, 0)).toBe(result.iterations);
      expect(result.targetCount).toBe(0);
    });
  }

  for (const name of PLAIN_CONTRACT) {
    it(`${name}: never seen with plain payload either`, async () => {
      expect((await runner.run(findTest(name), "plain", ITERATIONS)).targetCount).toBe(0);
    });
  }

  for (const name of ["RM-broken", "RCU+sync+free", "RCU+sync+read"]) {
    it(`${name} is seen, and fails, with a lock that excludes nobody and grace periods that end at once`, async () => {
      const result = await searchWithBroken(name);
      expect(result.targetCount).toBeGreaterThan(0);
      expect(result.passed).toBe(false);
    });
  }
});
