/*
 * Tortures the locks and RCU with real threads for a while.
 *
 * Lanes live as long as the run and check each other's exclusion in words that do not depend on the lock
 * (words.ts). Mortals die all the time (mortals.ts). Here, and in stalls.ts, is what only an onlooker can see: a
 * thread that makes no progress, a grace period that does not end, a lock that is not free when all have left,
 * a count that does not add up.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import {
  type Backend,
  Mutex,
  RwSem,
  Semaphore,
  SharedMemory,
  type SharedMemoryHandle,
  SpinLock,
  spawnAgent,
  ThreadRegistry,
} from "../src/index.ts";
import type { Report, Tally } from "./actor.ts";
import { attachExtras } from "./locks.ts";
import { Mortals } from "./mortals.ts";
import { openDomain } from "./rcu.ts";
import { attachRobust } from "./robust.ts";
import { StallWatch } from "./stalls.ts";
import {
  AGENTS_MAX,
  DOMAIN_KINDS,
  extraStation,
  FAULTS,
  HALT,
  MUTEX,
  PER_WORKER,
  REGISTRY,
  RING_STATIONS,
  SEM,
  SPIN,
  STOP,
  type Station,
  turnsWord,
  WORDS,
  WORKERS_MAX,
} from "./words.ts";

/**
 * What can be broken on purpose, to see that it is noticed: a lock that excludes nobody, grace periods that end at
 * once, deaths that the domains are not told of, stall reports that get lost.
 */
export const BROKEN = ["lock", "grace-period", "death", "stall"] as const;
export type Broken = (typeof BROKEN)[number];

/** What to do. */
export interface TortureOptions {
  readonly seconds: number;
  /** Threads that live as long as the run, `2..64`; others come and go beside them. */
  readonly workers: number;
  /** Seed of the dice; threads race, so the same seed does not repeat a run. */
  readonly seed: number;
  readonly broken?: Broken | undefined;
  /**
   * What runs the fast paths of the lanes, default `js`. Those that are terminated use JavaScript in any case: with
   * `wasm` both backends are at work on the same words.
   */
  readonly backend?: Backend | undefined;
  /** Who makes no progress for so long is stuck; default 30 s, a thousand times the longest hold. */
  readonly stuckMs?: number;
  /** Told about four times a second. */
  readonly onProgress?: (elapsedSeconds: number, turns: number) => void;
}

/** What a lane gets. */
export interface Order {
  readonly handle: SharedMemoryHandle;
  readonly id: number;
  readonly index: number;
  readonly workers: number;
  readonly seed: number;
  readonly broken: Broken | undefined;
  /** How long its reader that stalls waits for somebody to complain. */
  readonly patienceMs: number;
}

const STUCK_MS = 30_000;
const TICK_MS = 250;
/** Every so many ticks all threads rest for one tick, then start together. */
const BURST_TICKS = 12;
/** Every so many ticks a lane stalls in its read sections; the first time early, so that short runs have one. */
const STALL_TICKS = 40;
const FIRST_STALL_TICK = 3;

/** Runs until the time is over or a promise was broken. */
export async function torture(options: TortureOptions): Promise<Report> {
  checkOptions(options);
  return await new Run(options).run();
}

function checkOptions({ seconds, workers }: TortureOptions): void {
  if (!(seconds > 0)) throw new RangeError(`torture: seconds must be > 0, got ${seconds}`);
  if (!Number.isInteger(workers) || workers < 2 || workers > WORKERS_MAX) {
    throw new RangeError(`torture: workers must be an integer in 2..${WORKERS_MAX}, got ${workers}`);
  }
}

function memoryFor(backend: Backend): SharedMemory {
  const bytes = WORDS * Int32Array.BYTES_PER_ELEMENT;
  if (backend === "wasm") return SharedMemory.create({ bytes });
  return SharedMemory.attach({ memory: new SharedArrayBuffer(bytes) });
}

class Run {
  readonly #options: TortureOptions;
  readonly #stuckMs: number;
  readonly #memory: SharedMemory;
  readonly #words: Int32Array;
  readonly #registry: ThreadRegistry;
  readonly #mortals: Mortals;
  readonly #stalls: StallWatch;

  constructor(options: TortureOptions) {
    this.#options = options;
    this.#stuckMs = options.stuckMs ?? STUCK_MS;
    this.#memory = memoryFor(options.backend ?? "js");
    this.#words = this.#memory.words();
    this.#registry = new ThreadRegistry(this.#words, REGISTRY, AGENTS_MAX);
    this.#mortals = new Mortals(this.#words, this.#registry, options.seed);
    this.#stalls = new StallWatch(this.#words, this.#stuckMs, options.broken === "stall");
  }

  async run(): Promise<Report> {
    this.#prepare();
    const lanes = Array.from({ length: this.#options.workers }, (_, index) => this.#startLane(index));
    const reports = Promise.all(lanes.map((lane) => once(lane, "message") as Promise<[Report]>));
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    reports.then(done, done); // a rejection is handled where it is awaited; a lane may throw before that
    const isOver = (): boolean => Atomics.load(this.#words, STOP) === 1;
    // A lane that stalls when the time is over still has to be reported, so the onlooker stays to the end.
    const onlookers = Promise.all([this.#mortals.run(isOver), this.#stalls.run(() => isDone)]);
    onlookers.catch(() => {});
    try {
      const stuck = await this.#watch(reports);
      if (stuck !== undefined) {
        return { seen: {}, faults: { [stuck]: 1, ...this.#mortals.faults, ...this.#stalls.faults } };
      }
      await onlookers;
      return this.#sum((await reports).map(([report]) => report));
    } catch (error) {
      // A refusal where the caller is in the right, such as EPERM to a holder, is a broken promise as well.
      return { seen: {}, faults: { [`a thread threw ${error}`]: 1 } };
    } finally {
      done();
      Atomics.store(this.#words, STOP, 1);
      await Promise.all([this.#mortals.stop(), ...lanes.map((lane) => lane.terminate())]);
    }
  }

  /** The semaphore gets its permit; robust locks and domains are told of deaths. */
  #prepare(): void {
    new Semaphore(this.#words, extraStation("Semaphore").lock).up();
    const robust = attachRobust(this.#words, this.#registry);
    this.#registry.protect(robust.spin, robust.mutex);
    if (this.#options.broken === "death") return;
    this.#registry.protect(...DOMAIN_KINDS.map((kind) => openDomain(this.#words, kind, WORKERS_MAX - 2)));
  }

  #startLane(index: number): Worker {
    const { workers, seed, broken } = this.#options;
    const handle = this.#memory.handle();
    const patienceMs = this.#stuckMs / 3; // in all domains together less than what counts as stuck
    return spawnAgent(this.#registry, (id) => {
      const workerData: Order = { handle, id, index, workers, seed, broken, patienceMs };
      return new Worker(new URL("./torture.worker.ts", import.meta.url), { workerData });
    }).worker;
  }

  /** Looks on until the lanes have reported; returns what is wrong if one of them never will. */
  async #watch(reports: Promise<unknown>): Promise<string | undefined> {
    const { seconds, workers, onProgress } = this.#options;
    let start = performance.now();
    const lastMoved = new Array<number>(workers).fill(start);
    const turns = new Array<number>(workers).fill(0);
    let isDone = false;
    const done = reports.finally(() => {
      isDone = true;
    });
    for (let tick = 1; !isDone; tick++) {
      await Promise.race([done, sleep(TICK_MS)]);
      const now = performance.now();
      if (turns.includes(0)) {
        start = now; // the time counts from when all of them work
        tick = 1;
      }
      this.#steer(tick, now - start >= seconds * 1000);
      for (let index = 0; index < workers; index++) {
        const count = Atomics.load(this.#words, turnsWord(index));
        if (count !== turns[index]) lastMoved[index] = now;
        turns[index] = count;
      }
      onProgress?.(
        (now - start) / 1000,
        turns.reduce((sum, count) => sum + count, 0),
      );
      const stuck = lastMoved.findIndex(
        (moved, lane) => now - moved > (turns[lane] === 0 ? STUCK_MS : this.#stuckMs),
      );
      if (stuck >= 0 && !isDone) return `thread ${stuck} is stuck after turn ${turns[stuck]}`;
      const [endless] = Object.keys(this.#stalls.faults); // everybody will wait for it sooner or later
      if (endless !== undefined) return endless;
    }
    return undefined;
  }

  /** Ends the run, lets everybody rest, or has a lane stall. */
  #steer(tick: number, isTimeOver: boolean): void {
    const words = this.#words;
    const faults = Object.keys({ ...this.#mortals.faults, ...this.#stalls.faults }).length;
    const isOver = isTimeOver || faults > 0 || Atomics.load(words, FAULTS) > 0;
    rest(words, !isOver && tick % BURST_TICKS === 0);
    if (isOver) Atomics.store(words, STOP, 1);
    else if (tick % STALL_TICKS === FIRST_STALL_TICK) {
      this.#stalls.ask(Math.floor(tick / STALL_TICKS) % this.#options.workers);
    }
  }

  #sum(reports: readonly Report[]): Report {
    const seen = total([...reports.map((report) => report.seen), this.#mortals.seen, this.#stalls.seen]);
    const faults = [...reports.map((report) => report.faults), this.#mortals.faults, this.#stalls.faults];
    return { seen, faults: { ...total(faults), ...inspect(this.#words, this.#registry, seen) } };
  }
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
function inspect(words: Int32Array, registry: ThreadRegistry, seen: Tally): Tally {
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
  written("PerWorkerRwSem", [PER_WORKER]);
  const extras = attachExtras(words);
  for (const { name, at, isFree } of extras) {
    written(name, [at]);
    check(isFree(), `${name} is not free at the end`);
  }
  const mutexes = [MUTEX, ...RING_STATIONS].map(({ lock }) => new Mutex(words, lock));
  const robust = attachRobust(words, registry);
  const locks = [new SpinLock(words, SPIN.lock), new RwSem(words, SEM.lock), ...mutexes];
  const all = [...locks, robust.spin, robust.mutex];
  for (const lock of all) check(!lock.isLocked, `${lock} is not free at the end`);
  const domains = DOMAIN_KINDS.map((kind) => openDomain(words, kind, WORKERS_MAX - 2));
  for (const each of [...all, ...extras, ...domains, registry]) {
    try {
      each.validate();
    } catch (error) {
      check(false, String(error));
    }
  }
  return faults;
}
