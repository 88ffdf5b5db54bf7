/*
 * What each primitive costs when nobody else wants it: nanoseconds per acquire-and-release pair on a
 * SharedArrayBuffer, and as a multiple of one raw Atomics.compareExchange measured in the same run.
 *
 *   pnpm --filter @faultline/sync bench            table
 *   pnpm --filter @faultline/sync bench --json     one JSON object
 */
import { Mutex, RcuDomain, RwSem, SpinLock } from "@faultline/sync";

const ROUNDS = 9;
const OPS = 400_000;

const words = new Int32Array(new SharedArrayBuffer(8192));
const spin = new SpinLock(words, 16);
const mutex = new Mutex(words, 64);
const sem = new RwSem(words, 128);
const rcu = new RcuDomain(words, 256, { agentsMax: 4 });
const qsbr = new RcuDomain(words, 512, { agentsMax: 4, flavour: "qsbr" });

/** Each loop is its own function, so that one case's types and inlining do not spoil the next. */
const cases: Record<string, (ops: number) => void> = {
  "Atomics.compareExchange": (ops) => {
    for (let op = 0; op < ops; op++) Atomics.compareExchange(words, 0, 0, 0);
  },
  "SpinLock lock + unlock": (ops) => {
    for (let op = 0; op < ops; op++) {
      spin.lock();
      spin.unlock();
    }
  },
  "Mutex lock + unlock": (ops) => {
    for (let op = 0; op < ops; op++) {
      mutex.lock();
      mutex.unlock();
    }
  },
  "RwSem downRead + upRead": (ops) => {
    for (let op = 0; op < ops; op++) {
      sem.downRead();
      sem.upRead();
    }
  },
  "RwSem downWrite + upWrite": (ops) => {
    for (let op = 0; op < ops; op++) {
      sem.downWrite();
      sem.upWrite();
    }
  },
  "RcuDomain readLock + readUnlock": (ops) => {
    for (let op = 0; op < ops; op++) {
      rcu.readLock();
      rcu.readUnlock();
    }
  },
  "RcuDomain qsbr readLock + readUnlock": (ops) => {
    for (let op = 0; op < ops; op++) {
      qsbr.readLock();
      qsbr.readUnlock();
    }
  },
  "RcuDomain qsbr, quiescentState each": (ops) => {
    for (let op = 0; op < ops; op++) {
      qsbr.readLock();
      qsbr.readUnlock();
      qsbr.quiescentState();
    }
  },
  "RcuDomain nested section": (ops) => {
    rcu.readLock();
    for (let op = 0; op < ops; op++) {
      rcu.readLock();
      rcu.readUnlock();
    }
    rcu.readUnlock();
  },
  "RcuDomain cookie + poll": (ops) => {
    for (let op = 0; op < ops; op++) rcu.poll(rcu.cookie());
  },
  "RcuDomain synchronize": (ops) => {
    for (let op = 0; op < ops; op++) rcu.synchronize();
  },
};

/** The best of several rounds: everything that disturbs a measurement makes it slower. */
function nsPerOp(run: (ops: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run(OPS);
    best = Math.min(best, ((performance.now() - start) * 1e6) / OPS);
  }
  return best;
}

const results = Object.entries(cases).map(([name, run]) => ({ name, ns: nsPerOp(run) }));
const raw = results[0].ns;
const report = results.map(({ name, ns }) => ({
  name,
  nsPerOp: Number(ns.toFixed(1)),
  ratioToCas: Number((ns / raw).toFixed(2)),
}));

if (process.argv.includes("--json")) {
  const { node, v8 } = process.versions;
  console.log(JSON.stringify({ benchmark: "sync/uncontended", node, v8, results: report }, null, 2));
} else {
  console.log(`${"operation".padEnd(38)}${"ns/op".padStart(8)}${"x CAS".padStart(8)}`);
  for (const { name, nsPerOp: ns, ratioToCas } of report) {
    console.log(`${name.padEnd(38)}${ns.toFixed(1).padStart(8)}${ratioToCas.toFixed(2).padStart(8)}`);
  }
}
