/*
 * Real threads under remote control: each actor runs one lock operation per command and reports how it
 * ended. The driver waits for a state to be reached, never for time to pass, so a test is as fast as the
 * machine and fails only when a state is not reached within LIMIT_MS.
 */
import { Worker } from "node:worker_threads";
import { Mutex, RwSem, type RwSemPolicy, SpinLock } from "../../src/index.ts";
import { ACTOR_WORDS, COMMAND, type Command, LOCK, STATUS, Status } from "./actor-words.ts";
import { posted, sharedWords } from "./memory.ts";

export { Command, Status } from "./actor-words.ts";

/** A state that is not reached by then never will be; generous because the machine may be busy. */
const LIMIT_MS = 15_000;
const nap = new Int32Array(new SharedArrayBuffer(4));

/** Waits until `condition` holds; throws with `describe()` if it does not come true. */
export function until(condition: () => boolean, describe: () => string): void {
  const end = performance.now() + LIMIT_MS;
  for (let look = 0; !condition(); look++) {
    if (performance.now() > end) throw new Error(`not reached in ${LIMIT_MS} ms: ${describe()}`);
    if (look > 50) Atomics.wait(nap, 0, 0, 0.2);
  }
}

export class Actors {
  readonly words: Int32Array<SharedArrayBuffer> = sharedWords(ACTOR_WORDS);
  readonly spin: SpinLock = new SpinLock(this.words, LOCK.spin);
  readonly mutex: Mutex = new Mutex(this.words, LOCK.mutex);
  readonly sem: RwSem;
  readonly #workers: Worker[] = [];

  /** @param policy - of the rwsem; the threads find it in the lock's words */
  constructor(count: number, policy: RwSemPolicy = "linux") {
    this.sem = new RwSem(this.words, LOCK.rwsem, { policy });
    for (let index = 0; index < count; index++) {
      const workerData = { posted: posted(this.words), index };
      this.#workers.push(new Worker(new URL("./actor.worker.ts", import.meta.url), { workerData }));
    }
  }

  /** Resolves when all threads run. */
  async ready(): Promise<this> {
    await Promise.all(this.#workers.map((worker) => new Promise((online) => worker.once("online", online))));
    return this;
  }

  status(actor: number): Status {
    return Atomics.load(this.words, STATUS + actor) as Status;
  }

  /** Lets an actor begin an operation, and returns at once. */
  tell(actor: number, command: Command): void {
    Atomics.store(this.words, STATUS + actor, Status.Busy);
    Atomics.store(this.words, COMMAND + actor, command);
    Atomics.notify(this.words, COMMAND + actor);
  }

  untilStatus(actor: number, status: Status): void {
    until(
      () => this.status(actor) === status,
      () =>
        `actor ${actor} has status ${this.status(actor)}, expected ${status}; ${this.sem} ${this.mutex} ${this.spin}`,
    );
  }

  /** Lets an actor do something that must not wait. */
  does(actor: number, command: Command, status: Status): void {
    this.tell(actor, command);
    this.untilStatus(actor, status);
  }

  /** Waits until the rwsem's queue is `waiters`, as in `"W R"`, and its count says whether it is empty. */
  untilWaiters(waiters: string): void {
    until(
      () => this.sem.waiters === waiters && this.sem.isContended === (waiters !== ""),
      () => `${this.sem}, expected waiting: ${waiters}`,
    );
  }

  /** Waits until `count` threads wait for the mutex. */
  untilMutexWaiters(count: number): void {
    until(
      () => this.mutex.waiterCount === count,
      () => `${this.mutex}, expected ${count} waiting`,
    );
  }

  /** Forgets every lock state; the actors must be idle. */
  reset(): void {
    this.words.fill(0, 0, COMMAND);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
