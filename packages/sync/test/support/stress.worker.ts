/* One thread of a stress test: runs its part, then reports what it has seen. See stress.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { received } from "./memory.ts";
import type { StressOrder } from "./stress.ts";
import { parts } from "./stress-parts.ts";

const { part, posted, index, rounds } = workerData as StressOrder;
const words = received(posted);

// Everybody starts together: a part that runs before the others have started tests nothing.
Atomics.sub(words, 0, 1);
Atomics.notify(words, 0);
for (let left = Atomics.load(words, 0); left > 0; left = Atomics.load(words, 0)) Atomics.wait(words, 0, left);
parentPort?.postMessage(parts[part](words, index, rounds));
