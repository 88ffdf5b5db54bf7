/* One thread of a team: does its part, then reports what it has seen. See team.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { received } from "./memory.ts";
import type { TeamOrder } from "./team.ts";
import { parts } from "./team-parts.ts";

const { part, posted, index, size, rounds } = workerData as TeamOrder;
const words = received(posted);

// Everybody starts together: a part that runs before the others have started tests nothing.
Atomics.sub(words, 0, 1);
Atomics.notify(words, 0);
for (let left = Atomics.load(words, 0); left > 0; left = Atomics.load(words, 0)) Atomics.wait(words, 0, left);
parentPort?.postMessage(await parts[part]({ words, index, size, rounds }));
