/* A thread that works under locks with the checks on, and sends what they have seen. */
import { parentPort, workerData } from "node:worker_threads";
import { assertNoLocksHeld, enableLockDebug, lockClass } from "../../src/debug/index.ts";
import { Mutex, RwSem, SpinLock } from "../../src/index.ts";
import { COUNTERS, DEBUG_LOCK } from "./debug-words.ts";

const { words, rounds } = workerData as { words: Int32Array; rounds: number };
const debug = enableLockDebug();
const mutex = lockClass(new Mutex(words, DEBUG_LOCK.mutex), "mutex");
const sem = lockClass(new RwSem(words, DEBUG_LOCK.rwsem), "sem");
const spin = lockClass(new SpinLock(words, DEBUG_LOCK.spin), "spin");

/** Plain on purpose: only the lock makes it come out right. */
const count = (counter: number): number => words[COUNTERS + counter]++;

for (let round = 0; round < rounds; round++) {
  mutex.withLock(() => {
    count(0);
    spin.withLock(() => count(1));
  });
  using guard = sem.write();
  count(2);
  guard.downgrade();
  spin.withLock(() => count(1));
}
assertNoLocksHeld("end of worker");
debug.stat.validate();
parentPort?.postMessage({ stat: debug.stat.toJSON(), edges: debug.graph.toJSON() });
