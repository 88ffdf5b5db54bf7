import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Arena } from "@faultline/arena";
import { type Geometry, KERNEL_GEOMETRY, SharedMapleTree, TEACHING_GEOMETRY } from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";
import { type Answer, BLOCK, CLOCK, mapPinned, Signal, type Task } from "./self-describing.ts";

const SECONDS = Number(process.env["FAULTLINE_STRESS_SECONDS"] ?? 10);
const SEED = Number(process.env["FAULTLINE_STRESS_SEED"] ?? 20221124);

interface Outcome {
  readonly tree: SharedMapleTree;
  readonly writer: Answer;
  readonly reader: Answer;
}

/** A tree with its pinned blocks, and the words for signals. */
function newTree(geometry: Geometry): [tree: SharedMapleTree, signals: number] {
  const arena = Arena.create({ bytes: 1 << 16, bytesMax: 1 << 26, shared: true, debug: true });
  const tree = SharedMapleTree.create(arena, { geometry, gaps: true });
  mapPinned(tree);
  const signals = arena.allocWords(Signal.WORDS);
  arena.i32[signals + Signal.Clock] = 1;
  return [tree, signals];
}

interface Agent {
  readonly worker: Worker;
  readonly answer: Promise<Answer>;
}

function start(task: Task): Agent {
  const worker = new Worker(new URL("./stress.worker.ts", import.meta.url), {
    workerData: task,
    execArgv: ["--conditions=@faultline/source"],
  });
  return { worker, answer: once(worker, "message").then(([answer]) => answer as Answer) };
}

/** Resolves after so many seconds, when somebody has answered, or when the reader has been in one look-up for 2 s. */
async function wait(
  seconds: number,
  reads: () => number,
  answers: readonly Promise<Answer>[],
): Promise<void> {
  let over = false;
  for (const answer of answers) {
    void answer.finally(() => {
      over = true;
    });
  }
  let seen = 0;
  let still = 0;
  for (let waited = 0; waited < seconds * 20 && !over && still < 40; waited++) {
    await sleep(50);
    const now = reads();
    still = now !== 0 && now === seen ? still + 1 : 0;
    seen = now;
  }
}

/** One writer and one reader for so many seconds, or until the reader has seen something wrong. */
async function run(geometry: Geometry, seconds: number, noGracePeriod: boolean): Promise<Outcome> {
  const [tree, signals] = newTree(geometry);
  const { i32 } = tree.arena;
  const handle = tree.handle();
  const writer = start({ kind: "write", handle, signals, seed: SEED, noGracePeriod });
  const reader = start({ kind: "read", handle, signals, seed: SEED + 1, noGracePeriod });
  await wait(seconds, () => Atomics.load(i32, signals + Signal.Reads), [writer.answer, reader.answer]);
  Atomics.store(i32, signals + Signal.Stop, 1);
  // A reader that has followed freed memory into a circle answers nothing.
  const lost: Answer = { operations: Atomics.load(i32, signals + Signal.Reads), wrong: ["never came back"] };
  const answer = await Promise.race([
    reader.answer,
    sleep(noGracePeriod ? 3_000 : 60_000, lost, { ref: false }),
  ]);
  await reader.worker.terminate();
  return { tree, writer: await writer.answer, reader: answer };
}

describe(`one writer and one reader on a shared tree, seed ${SEED}`, () => {
  for (const [name, geometry] of [
    ["kernel", KERNEL_GEOMETRY],
    ["teaching", TEACHING_GEOMETRY],
  ] as const) {
    it(`never gives a wrong answer (${name} geometry)`, { timeout: SECONDS * 1000 + 120_000 }, async () => {
      const { tree, writer, reader } = await run(geometry, SECONDS, false);
      expect(reader.wrong).toEqual([]);
      expect(writer.wrong).toEqual([]);
      expect(writer.operations).toBeGreaterThan(0);
      expect(reader.operations).toBeGreaterThan(0);
      tree.assertValid();
      for (let first = 0; first < CLOCK; first += 4 * BLOCK) {
        expect([...tree.ranges(first, first + BLOCK - 1)].every((r) => r.entry !== 0)).toBe(true);
      }
      // With nobody reading, all that was replaced comes back.
      tree.arena.rcu.synchronize();
      tree.core.cache.reclaim();
      expect(tree.core.cache.stats()).toMatchObject({ live: tree.nodeCount, deferred: 0 });
      tree.arena.validate();
    });
  }

  it("gives wrong answers once the grace period is taken away", async () => {
    // It ends with the first few of them; the limit is for a reader that sees none.
    const { reader, writer } = await run(KERNEL_GEOMETRY, 60, true);
    expect(reader.wrong.length, `${reader.operations} reads, ${writer.operations} writes`).toBeGreaterThan(0);
  });
});
