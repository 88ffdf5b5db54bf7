/*
 * Steps per second when real workers hand over a baton, on the model of adders with random schedules: what the
 * checker would cost if it did not execute threads again.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type BatonOrder, WORD } from "./baton.worker.ts";

/** What two workers did per second. */
export interface Handed {
  readonly steps: number;
  readonly switches: number;
}

/** Two workers that wait for rounds. */
export class Baton {
  readonly #words: Int32Array = new Int32Array(new SharedArrayBuffer(64));
  readonly #workers: readonly Worker[];

  constructor() {
    this.#workers = [0, 1].map((index) => {
      const order: BatonOrder = { words: this.#words, index };
      return new Worker(new URL("./baton.worker.ts", import.meta.url), { workerData: order });
    });
  }

  /** Executions of two threads of so many steps; returns steps and switches per second. */
  measure(steps: number, executions: number): Handed {
    const words = this.#words;
    words[WORD.switches] = 0;
    const start = performance.now();
    for (let i = 0; i < executions; i++) {
      words.fill(0, WORD.ended, WORD.ended + 2);
      words[WORD.baton] = 0;
      words[WORD.random] = i + 1;
      this.#round(steps);
      for (let ready = 0; ready < 2; ready = Atomics.load(words, WORD.ready)) {
        Atomics.wait(words, WORD.ready, ready);
      }
    }
    const seconds = (performance.now() - start) / 1000;
    return { steps: (2 * steps * executions) / seconds, switches: words[WORD.switches]! / seconds };
  }

  #round(steps: number): void {
    const words = this.#words;
    words[WORD.steps] = steps;
    Atomics.store(words, WORD.ready, 0);
    Atomics.add(words, WORD.gate, 1);
    Atomics.notify(words, WORD.gate);
  }

  /** Ends the workers. */
  async close(): Promise<void> {
    const ended = this.#workers.map((worker) => once(worker, "exit"));
    this.#round(0);
    await Promise.all(ended);
  }
}
