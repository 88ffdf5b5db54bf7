/* A thread that measures the uncontended cases of one backend, a round of all of them on each message. */
import { parentPort, workerData } from "node:worker_threads";
import { type Backend, SharedMemory } from "@faultline/sync";
import { bareAtomics, bareWasm, type Loop } from "./floor.ts";
import { lockLoops, npmLoops, rcuLoops } from "./uncontended.ts";

/** For what allocates: long enough that collecting the garbage is part of the price. */
const ALLOCATING = { ops: 5_000, slices: 2 };
/** Slices of a fraction of a millisecond: some of them are undisturbed on a busy machine too. */
const PLAIN = { ops: 10_000, slices: 12 };

type Loops = Readonly<Record<string, Loop>>;

async function loopsOf(backend: Backend): Promise<Loops> {
  if (backend === "wasm") {
    const memory = SharedMemory.create({ bytes: 1 << 16 });
    const words = memory.words();
    return { ...(await bareWasm(memory)), ...lockLoops(words), ...rcuLoops(words) };
  }
  const words = new Int32Array(new SharedArrayBuffer(1 << 16));
  return { ...bareAtomics(words), ...npmLoops(), ...lockLoops(words), ...rcuLoops(words) };
}

/** The fastest slice, in nanoseconds per operation. */
async function measure(name: string, loop: Loop): Promise<number> {
  const { ops, slices } = name.startsWith("npm ") ? ALLOCATING : PLAIN;
  let best = Number.POSITIVE_INFINITY;
  for (let slice = 0; slice < slices; slice++) {
    const start = performance.now();
    await loop(ops);
    best = Math.min(best, ((performance.now() - start) * 1e6) / ops);
  }
  return best;
}

let loops: Promise<Loops> | undefined;

// Before anything is awaited: a worker without a listener may end while it waits.
parentPort?.on("message", async () => {
  loops ??= loopsOf((workerData as { backend: Backend }).backend);
  const figures: Record<string, number> = {};
  for (const [name, loop] of Object.entries(await loops)) figures[name] = await measure(name, loop);
  parentPort?.postMessage(figures);
});
