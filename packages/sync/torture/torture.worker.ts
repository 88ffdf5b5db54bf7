/* One lane: takes turns until it is told to stop, then reports. See run.ts. */
import { setImmediate as endOfTurn } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { barrier } from "../litmus/barrier.ts";
import { BrokenLock } from "../litmus/broken.ts";
import { type RcuDomain, SharedMemory, ThreadRegistry } from "../src/index.ts";
import { Actor, type Report } from "./actor.ts";
import { asyncLocks, asyncTurn } from "./async.ts";
import { attachLocks, lockTurn } from "./locks.ts";
import { RcuPart } from "./rcu.ts";
import { attachRobust, robustTurn } from "./robust.ts";
import type { Order } from "./run.ts";
import { DOMAIN_KINDS, HALT, REGISTRY, STALLER, STOP, turnsWord } from "./words.ts";

const { handle, id, index, workers, seed, broken, patienceMs } = workerData as Order;
const words = SharedMemory.attach(handle).words();
const registry = new ThreadRegistry(words, REGISTRY);
registry.join(id);
const actor = new Actor(words, index, seed);
const tasks = asyncLocks(words, broken !== "lock");
const robust = attachRobust(words, registry, () => actor.count("repairs after a death"));
const parts = DOMAIN_KINDS.map((kind) => new RcuPart(actor, kind, broken === "grace-period"));
// The same object as its part: who claims the agent's slot first gives it the name that reports must show.
const locks = attachLocks(words, parts[0].rcu as RcuDomain, broken === "lock" ? new BrokenLock() : undefined);

/** So often the thread returns to its event loop whatever it does: the end of a turn is a quiescent state. */
const TURNS_EACH = 32;

function turn(): void {
  const what = actor.roll(12);
  if (what < 4) parts[actor.roll(parts.length)].turn();
  else if (what < 6) robustTurn(actor, robust);
  else lockTurn(actor, locks);
}

function stall(): void {
  for (const part of parts) {
    part.stall(patienceMs);
    Atomics.add(words, turnsWord(index), 1);
  }
  Atomics.store(words, STALLER, 0);
}

barrier(words, workers);
for (let turns = 0; Atomics.load(words, STOP) === 0; turns++) {
  if (Atomics.load(words, HALT) === 1 || turns % TURNS_EACH === 0) await endOfTurn();
  Atomics.wait(words, HALT, 1);
  if (Atomics.load(words, STALLER) === index + 1) stall();
  turn();
  if (actor.oneIn(40)) await asyncTurn(actor, tasks);
  if (actor.oneIn(40)) await parts[actor.roll(parts.length)].turnAsync();
  Atomics.add(words, turnsWord(index), 1);
}
locks.perWorker.close();
for (const part of parts) part.finish();
registry.leave();
parentPort?.postMessage({ seen: actor.seen, faults: actor.faults } satisfies Report);
