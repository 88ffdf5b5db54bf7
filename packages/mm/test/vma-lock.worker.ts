/* Reads under the lock until told to stop; counts how often the two words differ. */
import { parentPort, workerData } from "node:worker_threads";
import { VmaLock } from "../src/index.ts";

const { words } = workerData as { words: Int32Array };
const lock = new VmaLock(words, 0);
let torn = 0;
Atomics.store(words, 1, 1);
while (Atomics.load(words, 4) === 0) {
  if (!lock.tryRead()) continue;
  if (words[2] !== words[3]) torn++;
  lock.unlockRead();
}
parentPort?.postMessage({ torn });
