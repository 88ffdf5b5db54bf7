/*
 * Allocates, frees and defers until it is terminated, as an agent of the test's registry.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@faultline/arena";
import { ThreadRegistry } from "@faultline/sync";

const { handle, registry, id } = workerData as { handle: ArenaHandle; registry: Int32Array; id: number };
const agents = new ThreadRegistry(registry, 0);
agents.join(id);
const arena = Arena.attach(handle, agents);
const cache = arena.cache({ name: "node", objectWords: 64, alignWords: 64 });
const mine: number[] = [];
parentPort?.postMessage("running");
for (let i = 0; ; i++) {
  if (mine.length < 150) {
    if (i % 50 === 0) cache.reserve(i % 80);
    mine.push(cache.alloc());
    continue;
  }
  for (const word of mine.splice(0, 1 + (i % 149))) {
    if ((word + i) % 3 === 0) cache.freeDeferred(word);
    else cache.free(word);
  }
}
