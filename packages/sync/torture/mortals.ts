/*
 * Bursts of threads that start, read, and end: in good order, by an exception, by process.exit, or terminated at any
 * instruction. Whatever they were in the middle of, nobody may wait for them afterwards.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { spawnAgent, type ThreadRegistry } from "../src/index.ts";
import { Actor, type Report, type Tally } from "./actor.ts";
import { WORKERS_MAX } from "./words.ts";

/** How a mortal ends. */
const ENDS = ["leave", "throw", "exit", "terminate", "terminate"] as const;
type End = (typeof ENDS)[number];

/** What a mortal gets. */
export interface MortalOrder {
  readonly buffer: SharedArrayBuffer;
  readonly id: number;
  /** Of its dice and its name; above those of the lanes. */
  readonly index: number;
  readonly seed: number;
  readonly end: End;
  /** Turns it takes, unless it is terminated. */
  readonly turns: number;
}

const BURST_MAX = 4;
/** Longest time a mortal that is terminated has to work, in milliseconds. */
const LIFE_MS = 60;

/** Starts mortals until `isOver`, one burst after the other, and counts what became of them. */
export class Mortals {
  readonly seen: Tally = {};
  readonly faults: Tally = {};
  readonly #registry: ThreadRegistry;
  readonly #dice: Actor;
  readonly #words: Int32Array;
  readonly #seed: number;
  readonly #alive: Set<Worker> = new Set();
  #started = 0;

  constructor(words: Int32Array, registry: ThreadRegistry, seed: number) {
    this.#words = words;
    this.#registry = registry;
    this.#seed = seed;
    this.#dice = new Actor(words, WORKERS_MAX, seed);
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const burst = Array.from({ length: 1 + this.#dice.roll(BURST_MAX) }, () => this.#oneLife());
      await Promise.all(burst);
      this.#add({ "bursts of mortals": 1 });
      await sleep(this.#dice.roll(100));
    }
  }

  /** Ends all that are left, such as those that wait for ever. */
  async stop(): Promise<void> {
    await Promise.all([...this.#alive].map((worker) => worker.terminate()));
  }

  async #oneLife(): Promise<void> {
    const end = ENDS[this.#dice.roll(ENDS.length)];
    const index = WORKERS_MAX + this.#started++;
    const turns = this.#dice.roll(300);
    const order = { buffer: this.#words.buffer as SharedArrayBuffer, index, seed: this.#seed, end, turns };
    const { worker, ended } = spawnAgent(this.#registry, (id) => {
      const workerData: MortalOrder = { ...order, id };
      return new Worker(new URL("./mortal.worker.ts", import.meta.url), { workerData });
    });
    this.#alive.add(worker);
    const errors: unknown[] = [];
    worker.on("error", (error) => errors.push(error));
    worker.on("message", (report: Report) => this.#hear(report));
    if (end === "terminate") {
      await new Promise((resolve) => worker.once("online", resolve));
      await sleep(this.#dice.roll(LIFE_MS));
      await worker.terminate();
    }
    const wasDeath = await ended;
    this.#alive.delete(worker);
    this.#judge(end, wasDeath, errors);
  }

  #judge(end: End, wasDeath: boolean, errors: readonly unknown[]): void {
    this.#add({ [`mortals: ${end}`]: 1, "deaths reported": wasDeath ? 1 : 0 });
    const isExpected = wasDeath === (end !== "leave");
    if (!isExpected) this.#fault(`a mortal that should ${end} ${wasDeath ? "died" : "left"}`);
    const strange = errors.find((error) => !String(error).includes("a mortal ends"));
    if (strange !== undefined) this.#fault(`a mortal threw ${strange}`);
  }

  #hear({ seen, faults }: Report): void {
    this.#add({ "repairs after a death": seen["repairs after a death"] ?? 0 });
    for (const fault of Object.keys(faults)) this.#fault(fault);
  }

  #add(counts: Tally): void {
    for (const [name, count] of Object.entries(counts)) this.seen[name] = (this.seen[name] ?? 0) + count;
  }

  #fault(name: string): void {
    this.faults[name] = (this.faults[name] ?? 0) + 1;
  }
}
