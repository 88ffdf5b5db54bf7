/* Cases that need several threads: the same part in one or two workers that stay between rounds. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type Backend, SharedMemory } from "@faultline/sync";
import type { PartName, TeamMemories, TeamOrder } from "./team-order.ts";

/** A part, in how many threads, how often. `ops` is per thread, or in all where a lock counts. */
interface TeamCase {
  readonly part: PartName;
  readonly threadCount: number;
  readonly ops: number;
}

const READS = 200_000;
const SECTIONS = 100_000;
const TRIPS = 1_000;
/** Here a thread spins while the other wakes up: short rounds, so that some are free of other processes. */
const FEW_TRIPS = 100;

/** Contended cases by name; those that are measured with both backends carry that in a round's figures. */
const cases: Readonly<Record<string, TeamCase & { readonly backends: readonly Backend[] }>> = {
  "Mutex, 2 workers": { part: "Mutex", threadCount: 2, ops: SECTIONS, backends: ["js", "wasm"] },
  "SpinLock, 2 workers": { part: "SpinLock", threadCount: 2, ops: SECTIONS, backends: ["js", "wasm"] },
  "Mutex, 1 worker": { part: "Mutex", threadCount: 1, ops: SECTIONS, backends: ["js", "wasm"] },
  "bare lock that spins, 2 workers": { part: "spin", threadCount: 2, ops: SECTIONS, backends: ["js"] },
  "bare lock that sleeps, 2 workers": { part: "sleep", threadCount: 2, ops: SECTIONS, backends: ["js"] },
  "npm multithreading Mutex, 2 workers": { part: "npm", threadCount: 2, ops: 5_000, backends: ["js"] },
  "RcuDomain mb read section, 1 worker": { part: "mb", threadCount: 1, ops: READS, backends: ["js", "wasm"] },
  "RcuDomain mb read section, 2 workers": {
    part: "mb",
    threadCount: 2,
    ops: READS,
    backends: ["js", "wasm"],
  },
  "RcuDomain qsbr read section, 1 worker": { part: "qsbr", threadCount: 1, ops: READS, backends: ["js"] },
  "RcuDomain qsbr read section, 2 workers": { part: "qsbr", threadCount: 2, ops: READS, backends: ["js"] },
  "SeqLock read, 1 worker": { part: "seqlock", threadCount: 1, ops: READS, backends: ["js"] },
  "SeqLock read, 2 workers": { part: "seqlock", threadCount: 2, ops: READS, backends: ["js"] },
  "RwSem read, 1 worker": { part: "read", threadCount: 1, ops: READS, backends: ["js", "wasm"] },
  "RwSem read, 2 workers": { part: "read", threadCount: 2, ops: READS, backends: ["js", "wasm"] },
  "Atomics.wait/notify round trip": { part: "turns", threadCount: 2, ops: TRIPS, backends: ["js"] },
  "Atomics.wait/notify round trip, waiter asleep": {
    part: "turns asleep",
    threadCount: 2,
    ops: FEW_TRIPS,
    backends: ["js"],
  },
  "Mutex round trip": { part: "hands", threadCount: 2, ops: TRIPS, backends: ["js", "wasm"] },
  "Mutex round trip, waiter asleep": {
    part: "hands asleep",
    threadCount: 2,
    ops: FEW_TRIPS,
    backends: ["js", "wasm"],
  },
};

/** A case that takes longer hangs. */
const LIMIT_MS = 60_000;

/** Two workers. */
export class Team {
  readonly #memories: Readonly<Record<Backend, SharedMemory>> = {
    js: SharedMemory.attach({ memory: new SharedArrayBuffer(1 << 16) }),
    wasm: SharedMemory.create({ bytes: 1 << 16 }),
  };
  readonly #workers: readonly Worker[];

  constructor() {
    const workerData: TeamMemories = { js: this.#memories.js.handle(), wasm: this.#memories.wasm.handle() };
    const url = new URL("./team.worker.ts", import.meta.url);
    this.#workers = [0, 1].map(() => new Worker(url, { workerData }));
  }

  /** Measures every case once, and tells `note` the nanoseconds per operation. */
  async round(note: (name: string, backend: Backend, ns: number) => void): Promise<void> {
    for (const [name, each] of Object.entries(cases)) {
      for (const backend of each.backends) note(name, backend, await this.#measure(each, backend));
    }
  }

  async #measure({ part, threadCount, ops }: TeamCase, backend: Backend): Promise<number> {
    this.#memories[backend].words().fill(0);
    const lockBuffer = new SharedArrayBuffer(4);
    const times = this.#workers.slice(0, threadCount).map(async (worker, index) => {
      worker.postMessage({ part, backend, lockBuffer, index, threadCount, ops } satisfies TeamOrder);
      const [ms] = (await once(worker, "message", { signal: AbortSignal.timeout(LIMIT_MS) })) as [number];
      return ms;
    });
    return (Math.max(...(await Promise.all(times))) * 1e6) / ops;
  }

  /** Ends the workers. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
