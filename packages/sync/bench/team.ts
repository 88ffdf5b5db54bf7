/* Cases that need several threads: the same part in one or two workers that stay between rounds. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** What a worker is asked to do. */
export interface TeamOrder {
  readonly part: string;
  readonly buffer: SharedArrayBuffer;
  /** For locks that insist on a buffer of their own. */
  readonly lockBuffer: SharedArrayBuffer;
  readonly index: number;
  readonly threadCount: number;
  readonly ops: number;
}

/** A part, in how many threads, how often. `ops` is per thread, or in all where a lock counts. */
interface TeamCase {
  readonly part: string;
  readonly threadCount: number;
  readonly ops: number;
}

const READS = 200_000;
const SECTIONS = 200_000;
const TRIPS = 2_000;
/** Here a thread spins while the other wakes up: short rounds, so that some are free of other processes. */
const FEW_TRIPS = 100;

/** Contended cases by name. */
export const teamCases: Readonly<Record<string, TeamCase>> = {
  "Mutex, 2 workers": { part: "Mutex, 2 workers", threadCount: 2, ops: SECTIONS },
  "SpinLock, 2 workers": { part: "SpinLock, 2 workers", threadCount: 2, ops: SECTIONS },
  "npm multithreading Mutex, 2 workers": {
    part: "npm multithreading Mutex, 2 workers",
    threadCount: 2,
    ops: 5_000,
  },
  "RcuDomain mb read section, 1 worker": { part: "RcuDomain mb read section", threadCount: 1, ops: READS },
  "RcuDomain mb read section, 2 workers": { part: "RcuDomain mb read section", threadCount: 2, ops: READS },
  "RwSem read, 1 worker": { part: "RwSem downRead + upRead", threadCount: 1, ops: READS },
  "RwSem read, 2 workers": { part: "RwSem downRead + upRead", threadCount: 2, ops: READS },
  "Atomics.wait/notify round trip": { part: "Atomics.wait/notify round trip", threadCount: 2, ops: TRIPS },
  "Mutex round trip, waiter asleep": {
    part: "Mutex round trip, waiter asleep",
    threadCount: 2,
    ops: FEW_TRIPS,
  },
  "Atomics.wait/notify round trip, waiter asleep": {
    part: "Atomics.wait/notify round trip, waiter asleep",
    threadCount: 2,
    ops: FEW_TRIPS,
  },
  "Mutex round trip": { part: "Mutex round trip", threadCount: 2, ops: TRIPS },
};

/** A case that takes longer hangs. */
const LIMIT_MS = 60_000;

/** Two workers. */
export class Team {
  readonly #workers: readonly Worker[] = [0, 1].map(
    () => new Worker(new URL("./team.worker.ts", import.meta.url)),
  );

  /** Nanoseconds per operation of one case, measured once on fresh words. */
  async measure({ part, threadCount, ops }: TeamCase): Promise<number> {
    const buffer = new SharedArrayBuffer(4096 * 4);
    const lockBuffer = new SharedArrayBuffer(4);
    const times = this.#workers.slice(0, threadCount).map(async (worker, index) => {
      const order: TeamOrder = { part, buffer, lockBuffer, index, threadCount, ops };
      worker.postMessage(order);
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
