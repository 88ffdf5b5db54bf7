/*
 * Look-ups in one and in two workers of one shared tree, alone and beside a writer. A third thread that never
 * sleeps would take a third of two cores from the readers, whatever the tree does: beside two readers the writer
 * works in bursts of ten stores every millisecond, beside one reader without a pause.
 */
import { once } from "node:events";
import { cpus } from "node:os";
import { Worker } from "node:worker_threads";
import { Arena } from "@faultline/arena";
import { SharedMapleTree } from "@faultline/maple-tree";
import type { Figure } from "./contest.ts";
import { SharedRanges } from "./contestants/faultline-shared.ts";
import { ENTRANTS } from "./contestants.ts";
import type { ReaderAnswer, ReaderData, ReaderPart } from "./readers.worker.ts";
import { inputsOf, insertRandom } from "./workloads.ts";

/** Names of the cases, as workloads. */
export const READERS = "readers";
const RUN_MS = 300;

const CASES: readonly { readonly name: string; readonly parts: readonly ReaderPart[] }[] = [
  { name: "readers 1 worker", parts: ["read"] },
  { name: "readers 2 workers", parts: ["read", "read"] },
  { name: "readers 2 workers, bursts of writes", parts: ["read", "read", "write in bursts"] },
  { name: "readers 1 worker, steady writes", parts: ["read", "write"] },
];

/** Time per look-up over all readers of each case: half of one reader's if two do twice as much. */
export async function readers(
  n: number,
  rounds: number,
  progress: (text: string) => void,
): Promise<Figure[]> {
  if (cpus().length < 2) return [];
  const entrant = ENTRANTS.find(({ role, mode }) => role === "ours" && mode === "shared")!;
  const tree = SharedMapleTree.create(Arena.create({ shared: true, bytesMax: 2 ** 30, wasm: true }));
  insertRandom(new SharedRanges(tree), inputsOf(n, 1));
  const signal = new SharedArrayBuffer(4);
  const workers = [0, 1, 2].map((seed) => {
    const data: ReaderData = { handle: tree.handle(), n, seed, signal };
    return new Worker(new URL("./readers.worker.ts", import.meta.url), { workerData: data });
  });
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const samples = new Map<string, number[]>(CASES.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const { name, parts } of CASES) {
      progress(`n ${n}, round ${round}/${rounds}, ${name}`);
      samples.get(name)!.push(await runOnce(workers, parts, new Int32Array(signal)));
    }
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  return [...samples].map(([workload, list]) => {
    const sorted = list.toSorted((a, b) => a - b);
    return { workload, n, entrant, nsPerOp: sorted[0], medianNsPerOp: sorted[sorted.length >> 1] };
  });
}

async function runOnce(
  workers: readonly Worker[],
  parts: readonly ReaderPart[],
  running: Int32Array,
): Promise<number> {
  const answers = parts.map(async (part, i) => {
    workers[i].postMessage(part);
    const [answer] = (await once(workers[i], "message")) as [ReaderAnswer];
    return part === "read" ? answer.ops / answer.ms : 0;
  });
  Atomics.store(running, 0, 1);
  Atomics.notify(running, 0);
  await new Promise((resolve) => setTimeout(resolve, RUN_MS));
  Atomics.store(running, 0, 0);
  Atomics.notify(running, 0);
  const perMs = (await Promise.all(answers)).reduce((a, b) => a + b);
  return 1e6 / perMs;
}
