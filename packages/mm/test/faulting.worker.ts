/* One thread of the stress test: faults all over, or changes mappings all over, until its number of rounds is up. */
import { parentPort, workerData } from "node:worker_threads";
import { AddressSpace, type AddressSpaceHandle, MAP, PROT } from "../src/index.ts";

interface Task {
  readonly handle: AddressSpaceHandle;
  readonly role: "faults" | "maps";
  readonly seed: number;
  readonly rounds: number;
  readonly base: number;
  readonly pages: number;
  /** Word that is raised when the thread is ready, and then waited for. */
  readonly start: number;
  readonly threads: number;
}

const PAGE = 4096;
const task = workerData as Task;
const mm = AddressSpace.attach(task.handle);
let state = task.seed;

function draw(limit: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

function faultSomewhere(counts: Record<string, number>): void {
  const address = task.base + draw(task.pages) * PAGE;
  const { outcome } = mm.fault(address, draw(3) === 0 ? "read" : "write");
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}

function changeSomething(counts: Record<string, number>): void {
  const first = draw(task.pages);
  const length = (1 + draw(Math.min(8, task.pages - first))) * PAGE;
  const addr = task.base + first * PAGE;
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  const action = draw(6);
  const name = action < 3 ? "mmap" : action < 5 ? "munmap" : "mprotect";
  counts[name] = (counts[name] ?? 0) + 1;
  try {
    if (name === "mmap") mm.mmap({ addr, length, prot: PROT.READ | PROT.WRITE, flags });
    else if (name === "munmap") mm.munmap(addr, length);
    else mm.mprotect(addr, length, draw(2) === 0 ? PROT.READ : PROT.READ | PROT.WRITE);
  } catch (error) {
    // A hole in the range of an mprotect.
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOMEM") throw error;
  }
}

const words = mm.arena.i32;
Atomics.add(words, task.start, 1);
while (Atomics.load(words, task.start) < task.threads) Atomics.wait(words, task.start, 0, 1);
const counts: Record<string, number> = {};
for (let round = 0; round < task.rounds; round++) {
  if (task.role === "faults") faultSomewhere(counts);
  else changeSomething(counts);
}
mm.arena.rcu.barrier();
mm.arena.rcu.close();
parentPort?.postMessage({ counts, faults: mm.faultCounters });
