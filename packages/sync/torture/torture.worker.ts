/* One torturing thread: takes turns until it is told to stop, then reports. See run.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { barrier } from "../litmus/barrier.ts";
import { BrokenLock } from "../litmus/broken.ts";
import { RcuDomain } from "../src/index.ts";
import { Actor } from "./actor.ts";
import { attachLocks, lockTurn } from "./locks.ts";
import { RcuPart } from "./rcu.ts";
import type { Order, Report } from "./run.ts";
import { DOMAIN, HALT, STOP, turnsWord, WORKERS_MAX } from "./words.ts";

const { buffer, index, workers, seed, broken } = workerData as Order;
const words = new Int32Array(buffer);
const actor = new Actor(words, index, seed);
const locks = attachLocks(words, broken === "lock" ? new BrokenLock() : undefined);
const rcu = new RcuDomain(words, DOMAIN, { agentsMax: WORKERS_MAX });
const part = new RcuPart(actor, rcu, broken === "grace-period");

barrier(words, workers);
while (Atomics.load(words, STOP) === 0) {
  Atomics.wait(words, HALT, 1);
  if (actor.oneIn(3)) part.turn();
  else lockTurn(actor, locks);
  Atomics.add(words, turnsWord(index), 1);
}
part.finish();
rcu.close();
parentPort?.postMessage({ seen: actor.seen, faults: actor.faults } satisfies Report);
