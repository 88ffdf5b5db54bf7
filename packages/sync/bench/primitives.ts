/*
 * What the primitives without a table of their own cost when nobody else wants them: nanoseconds per pair of
 * operations on a SharedArrayBuffer, and as a multiple of one raw Atomics.compareExchange in the same run.
 *
 *   tsx --conditions=@faultline/source bench/primitives.ts
 */
import {
  Barrier,
  Completion,
  PerWorkerRwSem,
  RcuDomain,
  RefCount,
  RwSem,
  Semaphore,
  SeqLatch,
  SeqLock,
  WaitQueueHead,
} from "@faultline/sync";

const ROUNDS = 9;
const OPS = 200_000;
const RAW = "Atomics.compareExchange";

const words = new Int32Array(new SharedArrayBuffer(16_384));
const count = new RefCount(words, 16);
count.set(1);
const lock = new SeqLock(words, 32);
const latch = new SeqLatch(words, 64, 4);
const into = new Int32Array(4);
const completion = new Completion(words, 80);
const barrier = new Barrier(words, 96, 1);
const queue = new WaitQueueHead(words, 112);
const semaphore = new Semaphore(words, 128);
semaphore.up(4);
const sem = new RwSem(words, 192);
const rcu = new RcuDomain(words, 1024, { agentsMax: 4 });
const perWorker = new PerWorkerRwSem(words, 512, rcu, { workersMax: 4 });
let sink = 0;

/** Each loop is its own function, so that one case's types and inlining do not spoil the next. */
const cases: Record<string, (ops: number) => void> = {
  [RAW]: (ops) => {
    for (let op = 0; op < ops; op++) Atomics.compareExchange(words, 0, 0, 0);
  },
  "RefCount incNotZero + decAndTest": (ops) => {
    for (let op = 0; op < ops; op++) if (count.incNotZero()) count.decAndTest();
  },
  "SeqLock readBegin + readRetry": (ops) => {
    for (let op = 0; op < ops; op++) if (lock.readRetry(lock.readBegin())) sink++;
  },
  "SeqLock writeLock + writeUnlock": (ops) => {
    for (let op = 0; op < ops; op++) {
      lock.writeLock();
      lock.writeUnlock();
    }
  },
  "SeqLatch read of 4 words": (ops) => {
    for (let op = 0; op < ops; op++) sink += latch.read(into)[0];
  },
  "Completion complete + wait": (ops) => {
    for (let op = 0; op < ops; op++) {
      completion.complete();
      completion.wait();
    }
  },
  "Barrier of one party": (ops) => {
    for (let op = 0; op < ops; op++) barrier.wait();
  },
  "WaitQueueHead wake, nobody waits": (ops) => {
    for (let op = 0; op < ops; op++) queue.wake();
  },
  "Semaphore down + up": (ops) => {
    for (let op = 0; op < ops; op++) {
      semaphore.down();
      semaphore.up();
    }
  },
  "RwSem downRead + upRead": (ops) => {
    for (let op = 0; op < ops; op++) {
      sem.downRead();
      sem.upRead();
    }
  },
  "PerWorkerRwSem downRead + upRead": (ops) => {
    for (let op = 0; op < ops; op++) {
      perWorker.downRead();
      perWorker.upRead();
    }
  },
  "PerWorkerRwSem downWrite + upWrite": (ops) => {
    for (let op = 0; op < ops; op++) {
      perWorker.downWrite();
      perWorker.upWrite();
    }
  },
};

function bestOf(run: (ops: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run(OPS);
    best = Math.min(best, ((performance.now() - start) * 1e6) / OPS);
  }
  return best;
}

const raw = bestOf(cases[RAW]);
for (const [name, run] of Object.entries(cases)) {
  const ns = bestOf(run);
  console.log(`${name.padEnd(36)} ${ns.toFixed(1).padStart(8)} ns ${(ns / raw).toFixed(1).padStart(6)} x`);
}
if (sink !== 0) console.log(`unexpected: ${sink}`);
