/* A reader or a writer of the shared tree, told to run for a while again and again. */
import { parentPort, workerData } from "node:worker_threads";
import { SharedMapleTree, type SharedMapleTreeHandle } from "@faultline/maple-tree";
import { layoutOf, lookupAddresses, Random } from "./layout.ts";

/** What a worker is started with. */
export interface ReaderData {
  readonly handle: SharedMapleTreeHandle;
  readonly n: number;
  readonly seed: number;
  /** Word 0 is 1 while the clock runs. */
  readonly signal: SharedArrayBuffer;
}

/** What it is told: to read, or to write at full speed or in bursts. */
export type ReaderPart = "read" | "write" | "write in bursts";

/** What it answers: operations done in so many ms. */
export interface ReaderAnswer {
  readonly ops: number;
  readonly ms: number;
}

const { handle, n, seed, signal } = workerData as ReaderData;
const running = new Int32Array(signal);
const tree = SharedMapleTree.open(handle);
const layout = layoutOf(n);
const addresses = lookupAddresses(layout, 100_000);
const BATCH = 500;
const BURST = 10;
const PAUSE_MS = 1;

let at = (seed * 31_337) % addresses.length;
let sink = 0;

function read(): number {
  for (let i = 0; i < BATCH; i++) {
    sink += tree.load(addresses[at]);
    if (++at === addresses.length) at = 0;
  }
  return BATCH;
}

const random = new Random(seed + 1);

/** Takes away a range and puts it back. */
function write(): number {
  for (let i = 0; i < BURST; i += 2) {
    const which = random.below(n);
    tree.erase(layout.start[which]);
    tree.storeRange(layout.start[which], layout.end[which] - 1, which + 1);
  }
  return BURST;
}

function run(part: ReaderPart): ReaderAnswer {
  Atomics.wait(running, 0, 0);
  const start = performance.now();
  let ops = 0;
  while (Atomics.load(running, 0) === 1) {
    ops += part === "read" ? read() : write();
    if (part === "write in bursts") Atomics.wait(running, 0, 1, PAUSE_MS);
  }
  return { ops, ms: performance.now() - start };
}

parentPort?.on("message", (part: ReaderPart) => {
  const answer = run(part);
  if (sink < 0) throw new Error("entries are positive");
  parentPort?.postMessage(answer);
});
parentPort?.postMessage("ready");
