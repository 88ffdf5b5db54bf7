/*
 * The termination sweep: threads that work under every kind of lock are ended at random points, and others take
 * their places. Nobody may hang, every death must be reported, what the locks guard must be repaired, or the
 * lock must refuse everybody.
 *
 * Half of the deaths come from outside, by terminate(), after a random time; half from inside, at a random
 * Atomics operation (fuse.ts). What a lock does between two accesses to its words is hit by the second kind.
 *
 * After each death nobody begins a turn until everybody who lives has ended his: a lock that is only saved by the
 * next one to come by is caught as a hang.
 *
 * Every second station of a kind is under `registry.protect`; the others must recover with nothing but those who
 * wait there.
 */
import { once } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { spawnAgent, type ThreadRegistry } from "../src/index.ts";
import { type Choice, kindsOf, type SweptLock } from "./kinds.ts";
import { Dice, Turns } from "./turns.ts";
import {
  type Count,
  FAULT_NAMES,
  FAULTS,
  HALT,
  KindWords,
  kindWord,
  RESTING,
  registryOf,
  STATIONS,
  STOP,
  sweepWords,
  turnsWord,
  WORKERS_MAX,
} from "./words.ts";

/** What to do. */
export interface SweepOptions extends Choice {
  readonly deaths: number;
  /** Threads at the same time, `2..32`. */
  readonly workers: number;
  /** Seed of the dice; threads race, so the same seed does not repeat a sweep. */
  readonly seed: number;
  /** A lane that takes no turn for so long hangs; default 30 s. */
  readonly patienceMs?: number;
  readonly onProgress?: (deaths: number) => void;
}

/** What a worker gets. */
export interface Order {
  readonly buffer: SharedArrayBuffer;
  readonly id: number;
  readonly lane: number;
  readonly seed: number;
  readonly choice: Choice;
  readonly fuse:
    | { readonly unlitTurns: number; readonly length: number; readonly isAfter: boolean }
    | undefined;
}

/** What has been seen of one kind of lock. */
export type KindReport = Record<Count, number> & {
  readonly name: string;
  /** Deaths between the two changes of what the lock guards, or just before or after. */
  readonly "died inside": number;
  /** Deaths that left the dead one's id in the lock's words: as owner, in the queue, with a permit. */
  readonly "left traces": number;
};

/** What the whole sweep has seen. */
export interface SweepReport {
  readonly deaths: number;
  readonly reported: number;
  /** Longest time, in ms, that a living lane went without a turn. */
  readonly longestStallMs: number;
  readonly kinds: readonly KindReport[];
  /** Broken promises; empty if all were kept. */
  readonly faults: readonly string[];
}

const PATIENCE_MS = 30_000;
const TICK_MS = 20;
const FUSE_MAX_BITS = 12;
const LIFE_MAX_MS = 60;
/** How long a worker waits for the others to be there; starting one takes much longer than it lives. */
const COMPANY_MS = 300;
/** Turns before a fuse is lit, for the same reason. */
const UNLIT_TURNS_MAX = 100;

/** Runs until so many have died or a promise was broken. */
export async function sweep(options: SweepOptions): Promise<SweepReport> {
  checkOptions(options);
  return await new Sweep(options).run();
}

function checkOptions({ deaths, workers }: SweepOptions): void {
  if (!Number.isInteger(deaths) || deaths < 1) {
    throw new RangeError(`sweep: deaths must be an integer >= 1, got ${deaths}`);
  }
  if (!Number.isInteger(workers) || workers < 2 || workers > WORKERS_MAX) {
    throw new RangeError(`sweep: workers must be an integer in 2..${WORKERS_MAX}, got ${workers}`);
  }
}

class Sweep {
  readonly #options: SweepOptions;
  readonly #kinds: ReturnType<typeof kindsOf>;
  readonly #words: Int32Array;
  readonly #registry: ThreadRegistry;
  readonly #areas: readonly KindWords[];
  readonly #dice: Dice;
  readonly #diedInside: number[];
  readonly #leftTraces: number[];
  readonly #faults = new Set<string>();
  /** Those that run; after a hang they must be ended. */
  readonly #workers = new Set<Worker>();
  /** When the living have got over the deaths so far. */
  #settled: Promise<void> = Promise.resolve();
  #deaths = 0;
  #reported = 0;
  #longestStallMs = 0;
  /** When each lane last took a turn; `undefined` while it has no worker that should. */
  readonly #moved = new Map<number, { turns: number; at: number }>();

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#kinds = kindsOf(options);
    this.#words = new Int32Array(new SharedArrayBuffer(4 * sweepWords(this.#kinds.length)));
    this.#registry = registryOf(this.#words);
    this.#areas = this.#kinds.map((_, index) => new KindWords(this.#words, index));
    this.#diedInside = this.#kinds.map(() => 0);
    this.#leftTraces = this.#kinds.map(() => 0);
    this.#dice = new Dice(options.seed);
    this.#watchDeaths();
  }

  async run(): Promise<SweepReport> {
    try {
      return await this.#sweep();
    } finally {
      await Promise.all([...this.#workers].map((worker) => worker.terminate()));
    }
  }

  async #sweep(): Promise<SweepReport> {
    const lanes = Array.from({ length: this.#options.workers }, (_, lane) => this.#runLane(lane));
    const watch = this.#watchForHangs();
    await Promise.race([Promise.all(lanes), watch]);
    Atomics.store(this.#words, STOP, 1);
    await watch;
    if (this.#faults.size === 0) await this.#inspect();
    const kinds = this.#kinds.map(({ name }, index) => ({
      name,
      "died inside": this.#diedInside[index],
      "left traces": this.#leftTraces[index],
      ...this.#areas[index].tally(),
    }));
    this.#collectFaults();
    return {
      deaths: this.#deaths,
      reported: this.#reported,
      longestStallMs: Math.round(this.#longestStallMs),
      kinds,
      faults: [...this.#faults],
    };
  }

  get #isOver(): boolean {
    return this.#deaths >= this.#options.deaths || this.#faults.size > 0;
  }

  /** Counts what the dead one leaves behind, then lets the locks of every second station know. */
  #watchDeaths(): void {
    this.#registry.onDeath(({ id }) => {
      this.#reported++;
      for (const [index, area] of this.#areas.entries()) {
        const { generation } = area;
        for (let each = Math.max(0, generation - 1); each <= generation; each++) {
          if (Atomics.load(this.#words, area.station(each).inside) === id) this.#diedInside[index]++;
          if (area.hasTraces(each, id)) this.#leftTraces[index]++;
          if (each % 2 === 1 && this.#options.broken !== "deaf") this.#attach(index, each).agentDied(id);
        }
      }
    });
  }

  #attach(index: number, generation: number): SweptLock {
    const { lock } = this.#areas[index].station(generation);
    return this.#kinds[index].attach(this.#words, lock, { agents: this.#registry, repair: () => {} });
  }

  /** One worker after the other, until enough have died. */
  async #runLane(lane: number): Promise<void> {
    while (!this.#isOver) {
      if (lane >= this.#lanesInUse) await sleep(TICK_MS);
      else await this.#liveAndDie(lane);
    }
  }

  async #liveAndDie(lane: number): Promise<void> {
    const dice = this.#dice;
    const isFused = dice.roll(2) === 0;
    const length = 1 + dice.roll(1 << (4 + dice.roll(FUSE_MAX_BITS - 3)));
    const fuse = isFused
      ? { unlitTurns: dice.roll(UNLIT_TURNS_MAX), length, isAfter: dice.roll(2) === 0 }
      : undefined;
    const { worker, ended } = spawnAgent(this.#registry, (id) => this.#start(id, lane, fuse));
    worker.on("error", (error) => this.#expect(false, `a worker threw ${error}`));
    await Promise.race([once(worker, "message"), ended]);
    this.#moved.set(lane, { turns: Atomics.load(this.#words, turnsWord(lane)), at: performance.now() });
    await Promise.race([ended, isFused ? sleep(PATIENCE_MS, undefined, { ref: false }) : this.#lifetime()]);
    this.#moved.delete(lane);
    await worker.terminate();
    this.#workers.delete(worker);
    this.#expect(await ended, "a death that was not reported");
    this.#deaths++;
    this.#options.onProgress?.(this.#deaths);
    this.#settled = this.#settled.then(() => this.#settle());
    await this.#settled;
  }

  /** A random time from when there is company; who is at rest when it is over gets another one. */
  async #lifetime(): Promise<void> {
    for (
      let waitedMs = 0;
      waitedMs < COMPANY_MS && this.#moved.size < this.#lanesInUse;
      waitedMs += TICK_MS
    ) {
      await sleep(TICK_MS);
    }
    do await sleep(this.#dice.roll(LIFE_MAX_MS));
    while (Atomics.load(this.#words, HALT) === 1);
  }

  /** Half of the time only two live: what one leaves behind, the other has to get over alone. */
  get #lanesInUse(): number {
    return this.#deaths % 50 < 25 ? this.#options.workers : 2;
  }

  /** Nobody begins a turn until all who live have ended theirs, without the help of anybody new. */
  async #settle(): Promise<void> {
    Atomics.store(this.#words, HALT, 1);
    const isAtRest = (lane: number): boolean => Atomics.load(this.#words, kindWord(lane)) === RESTING;
    while (this.#faults.size === 0 && ![...this.#moved.keys()].every(isAtRest)) await sleep(1);
    Atomics.store(this.#words, HALT, 0);
    Atomics.notify(this.#words, HALT);
  }

  #start(id: number, lane: number, fuse: Order["fuse"]): Worker {
    const workerData: Order = {
      buffer: this.#words.buffer as SharedArrayBuffer,
      id,
      lane,
      seed: this.#dice.roll(0x7fffffff),
      choice: { lock: this.#options.lock, broken: this.#options.broken },
      fuse,
    };
    // Where Node runs TypeScript by itself, a loader would only make each of a thousand starts slower.
    const execArgv = process.features.typescript ? { execArgv: [] } : {};
    const worker = new Worker(new URL("./sweep.worker.ts", import.meta.url), { workerData, ...execArgv });
    this.#workers.add(worker);
    return worker;
  }

  async #watchForHangs(): Promise<void> {
    while (!this.#isOver) {
      await sleep(TICK_MS);
      this.#collectFaults();
      const now = performance.now();
      for (const [lane, moved] of this.#moved) {
        const turns = Atomics.load(this.#words, turnsWord(lane));
        const isAtRest = Atomics.load(this.#words, kindWord(lane)) === RESTING;
        const stallMs = isAtRest ? 0 : now - moved.at;
        if (turns !== moved.turns || isAtRest) this.#moved.set(lane, { turns, at: now });
        this.#longestStallMs = Math.max(this.#longestStallMs, stallMs);
        if (stallMs > (this.#options.patienceMs ?? PATIENCE_MS))
          this.#expect(false, this.#describeHang(lane));
      }
    }
  }

  #describeHang(lane: number): string {
    const index = Atomics.load(this.#words, kindWord(lane));
    const lock = this.#attach(index, this.#areas[index].generation);
    return `lane ${lane} hangs in ${lock}`;
  }

  #collectFaults(): void {
    for (const [index, name] of FAULT_NAMES.entries()) {
      if (Atomics.load(this.#words, FAULTS + index) > 0) this.#faults.add(name);
    }
  }

  /** When all are dead: each lock can be taken, is valid, and has told of whoever died inside. */
  async #inspect(): Promise<void> {
    this.#registry.join();
    for (const [index, kind] of this.#kinds.entries()) {
      const area = this.#areas[index];
      const turns = new Turns(this.#words, index, kind, this.#registry, this.#dice);
      const generation = Math.min(area.generation, STATIONS - 1);
      turns.lock.validate();
      for (let turn = 0; turn < 20 && area.generation === generation; turn++) await turns.turn();
      turns.lock.validate();
      const told = area.tally().told;
      const held = this.#diedInside[index];
      this.#expect(told >= held, `${kind.name}: ${held} died inside, ${told} were told`);
    }
    this.#expect(this.#reported === this.#deaths, `${this.#deaths} died, ${this.#reported} were reported`);
    this.#registry.leave();
    this.#registry.validate();
  }

  #expect(isKept: boolean, fault: string): void {
    if (!isKept) this.#faults.add(fault);
  }
}
