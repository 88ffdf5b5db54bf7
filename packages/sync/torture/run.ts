/*
 * Tortures the locks and RCU with real threads for a while.
 *
 * The threads check each other's exclusion in words that do not depend on the lock (words.ts). Here is what
 * only an onlooker can see: a thread that makes no progress, a lock that is not free when all have left, a
 * count that does not add up.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Mutex, RcuDomain, RwSem, SpinLock } from "../src/index.ts";
import type { Tally } from "./actor.ts";
import {
  DOMAIN,
  FAULTS,
  HALT,
  MUTEX,
  RING_STATIONS,
  SEM,
  SPIN,
  STOP,
  type Station,
  turnsWord,
  WORDS,
  WORKERS_MAX,
} from "./words.ts";

/** What can be broken on purpose, to see that it is noticed. */
export type Broken = "lock" | "grace-period";

/** What to do. */
export interface TortureOptions {
  readonly seconds: number;
  /** Threads, `2..64`. */
  readonly workers: number;
  /** Seed of the dice; threads race, so the same seed does not repeat a run. */
  readonly seed: number;
  readonly broken?: Broken | undefined;
  /** Told about four times a second. */
  readonly onProgress?: (elapsedSeconds: number, turns: number) => void;
}

/** What a thread gets. */
export interface Order {
  readonly buffer: SharedArrayBuffer;
  readonly index: number;
  readonly workers: number;
  readonly seed: number;
  readonly broken: Broken | undefined;
}

/** What a thread, and the whole run, has seen. */
export interface Report {
  readonly seen: Tally;
  /** Broken promises; empty if all were kept. */
  readonly faults: Tally;
}

/** A thread that takes no turn for so long is stuck: the longest holds are a thousandth of it. */
const STUCK_MS = 30_000;
const TICK_MS = 250;
/** Every so many ticks all threads rest for one tick, then start together. */
const BURST_TICKS = 12;

/** Runs until the time is over or a promise was broken. */
export async function torture(options: TortureOptions): Promise<Report> {
  checkOptions(options);
  const words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  const threads = Array.from({ length: options.workers }, (_, index) => startThread(options, words, index));
  const reports = Promise.all(threads.map((thread) => once(thread, "message") as Promise<[Report]>));
  reports.catch(() => {}); // handled where it is awaited; a thread may throw before that
  try {
    const stuck = await watch(options, words, reports);
    if (stuck !== undefined) return { seen: {}, faults: { [stuck]: 1 } };
    const all = (await reports).map(([report]) => report);
    const seen = total(all.map((report) => report.seen));
    const faults = total(all.map((report) => report.faults));
    return { seen, faults: { ...faults, ...inspect(words, seen) } };
  } catch (error) {
    // A refusal where the caller is in the right, such as EPERM to a holder, is a broken promise as well.
    return { seen: {}, faults: { [`a thread threw ${error}`]: 1 } };
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

function checkOptions({ seconds, workers }: TortureOptions): void {
  if (!(seconds > 0)) throw new RangeError(`torture: seconds must be > 0, got ${seconds}`);
  if (!Number.isInteger(workers) || workers < 2 || workers > WORKERS_MAX) {
    throw new RangeError(`torture: workers must be an integer in 2..${WORKERS_MAX}, got ${workers}`);
  }
}

function startThread({ workers, seed, broken }: TortureOptions, words: Int32Array, index: number): Worker {
  const workerData: Order = { buffer: words.buffer as SharedArrayBuffer, index, workers, seed, broken };
  return new Worker(new URL("./torture.worker.ts", import.meta.url), { workerData });
}

/** Looks on until the threads have reported; returns what is wrong if one of them never will. */
async function watch(
  options: TortureOptions,
  words: Int32Array,
  reports: Promise<unknown>,
): Promise<string | undefined> {
  const start = performance.now();
  const lastMoved = new Array<number>(options.workers).fill(start);
  const turns = new Array<number>(options.workers).fill(0);
  let isDone = false;
  const done = reports.finally(() => {
    isDone = true;
  });
  for (let tick = 1; !isDone; tick++) {
    await Promise.race([done, sleep(TICK_MS)]);
    const now = performance.now();
    const isOver = now - start >= options.seconds * 1000 || Atomics.load(words, FAULTS) > 0;
    rest(words, !isOver && tick % BURST_TICKS === 0);
    if (isOver) Atomics.store(words, STOP, 1);
    for (let index = 0; index < options.workers; index++) {
      const count = Atomics.load(words, turnsWord(index));
      if (count !== turns[index]) lastMoved[index] = now;
      turns[index] = count;
    }
    options.onProgress?.(
      (now - start) / 1000,
      turns.reduce((sum, count) => sum + count, 0),
    );
    const stuck = lastMoved.findIndex((moved) => now - moved > STUCK_MS);
    if (stuck >= 0 && !isDone) return `thread ${stuck} is stuck after turn ${turns[stuck]}`;
  }
  return undefined;
}

function rest(words: Int32Array, isResting: boolean): void {
  Atomics.store(words, HALT, isResting ? 1 : 0);
  if (!isResting) Atomics.notify(words, HALT);
}

function total(tallies: readonly Tally[]): Tally {
  const sum: Tally = {};
  for (const tally of tallies) {
    for (const [name, count] of Object.entries(tally)) sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}

/** When all have left, everything must be free, valid, and counted. */
function inspect(words: Int32Array, seen: Tally): Tally {
  const faults: Tally = {};
  const check = (isKept: boolean, fault: string): void => {
    if (!isKept) faults[fault] = 1;
  };
  const written = (name: string, stations: readonly Station[]): void => {
    const counted = stations.reduce((sum, { after }) => sum + words[after], 0);
    const told = seen[`${name} written`] ?? 0;
    check(counted === told, `${name}: ${told} changes were made, ${counted} are left`);
  };
  written("SpinLock", [SPIN]);
  written("Mutex", [MUTEX]);
  written("RwSem", [SEM]);
  written("nested Mutex", RING_STATIONS);
  const mutexes = [MUTEX, ...RING_STATIONS].map(({ lock }) => new Mutex(words, lock));
  const domain = new RcuDomain(words, DOMAIN, { agentsMax: WORKERS_MAX });
  const spin = new SpinLock(words, SPIN.lock);
  const sem = new RwSem(words, SEM.lock);
  for (const lock of [spin, sem, ...mutexes]) check(!lock.isLocked, `${lock} is not free at the end`);
  for (const each of [spin, sem, domain, ...mutexes]) {
    try {
      each.validate();
    } catch (error) {
      check(false, String(error));
    }
  }
  return faults;
}
