/*
 * Which spinlock is the default: what each kind costs alone, and per critical section with more and more
 * threads, in one run. Alone, as a multiple of a bare compareExchange and store.
 *
 *   pnpm --filter @faultline/sync exec tsx --conditions=@faultline/source bench/spinlocks.ts [--json]
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type ExclusiveLock, McsLock, Mutex, QSpinLock, TestAndSetLock, TicketLock } from "@faultline/sync";

const WORD = 64;
const COUNTER = 32;
const OPS = 300_000;
const ROUNDS = 3;

const kinds: Record<string, (words: Int32Array) => ExclusiveLock> = {
  TestAndSetLock: (words) => new TestAndSetLock(words, WORD),
  TicketLock: (words) => new TicketLock(words, WORD),
  McsLock: (words) => new McsLock(words, WORD),
  "QSpinLock, no nodes": (words) => new QSpinLock(words, WORD),
  QSpinLock: (words) => new QSpinLock(words, WORD, { nodes: WORD + 16, nodesMax: 16 }),
  Mutex: (words) => new Mutex(words, WORD),
};

interface Order {
  readonly kind: string;
  readonly buffer: SharedArrayBuffer;
  readonly sections: number;
}

/** When a thread was at work, on the clock that all threads share. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** One kind in a thread of its own: the loop sees one class, as a program's would. */
function run({ kind, buffer, sections }: Order): Span {
  const words = new Int32Array(buffer);
  const loop = kind === "bare" ? bare(words) : pairs(words, kinds[kind](words));
  loop(20_000);
  Atomics.sub(words, 0, 1);
  while (Atomics.load(words, 0) > 0); // everybody starts together
  const from = performance.now();
  loop(sections);
  return { from: performance.timeOrigin + from, to: performance.timeOrigin + performance.now() };
}

function bare(words: Int32Array): (ops: number) => void {
  return (ops) => {
    for (let op = 0; op < ops; op++) {
      Atomics.compareExchange(words, WORD, 0, 1);
      words[COUNTER]++;
      Atomics.store(words, WORD, 0);
    }
  };
}

function pairs(words: Int32Array, lock: ExclusiveLock): (ops: number) => void {
  return (ops) => {
    for (let op = 0; op < ops; op++) {
      lock.lock();
      words[COUNTER]++;
      lock.unlock();
    }
  };
}

/** The best of several runs: everything that disturbs a measurement makes it slower. */
async function measure(kind: string, threads: number, sections: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) best = Math.min(best, await once(kind, threads, sections));
  return best;
}

/** From the first begin to the last end: on few cores the threads may not overlap all the time. */
async function once(kind: string, threads: number, sections: number): Promise<number> {
  const buffer = new SharedArrayBuffer(4096);
  new Int32Array(buffer)[0] = threads;
  const order: Order = { kind, buffer, sections };
  const times = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: order });
    return new Promise<Span>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  });
  const spans = await Promise.all(times);
  const wall = Math.max(...spans.map(({ to }) => to)) - Math.min(...spans.map(({ from }) => from));
  return (wall * 1e6) / (sections * threads);
}

async function main(): Promise<void> {
  const alone = await measure("bare", 1, OPS);
  const rows = [{ kind: "compareExchange + store", alone, ratio: 1, two: 0, four: 0 }];
  for (const kind of Object.keys(kinds)) {
    const ns = await measure(kind, 1, OPS);
    const two = await measure(kind, 2, OPS / 3);
    const four = await measure(kind, 4, OPS / 6);
    rows.push({ kind, alone: ns, ratio: ns / alone, two, four });
  }
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ benchmark: "sync/spinlocks", node: process.versions.node, rows }, null, 2));
    return;
  }
  console.log("ns per critical section        alone   x bare   2 threads   4 threads");
  for (const { kind, alone: ns, ratio, two, four } of rows) {
    const cells = [ns.toFixed(1).padStart(8), ratio.toFixed(2).padStart(9), two.toFixed(0).padStart(12)];
    console.log(`${kind.padEnd(28)}${cells.join("")}${four.toFixed(0).padStart(12)}`);
  }
}

if (isMainThread) await main();
else parentPort?.postMessage(run(workerData as Order));
