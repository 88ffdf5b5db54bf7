/* A thread that joins as a Web Worker would, and ends as it is told. See threads.web.test.ts. */
import { workerData } from "node:worker_threads";
import { joinWebAgent, RcuDomain, ThreadRegistry, type WebAgentSeat } from "../../src/index.ts";

const { words, seat, act } = workerData as { words: Int32Array; seat: WebAgentSeat; act: string };
const registry = new ThreadRegistry(words, 0);
await joinWebAgent(registry, seat);
const rcu = new RcuDomain(words, 512);

if (act === "leave") {
  rcu.read(() => {});
  rcu.close();
  registry.leave();
  process.exit(0);
}
rcu.readLock();
if (act === "end") process.exit(0);
if (act === "throw") throw new Error("in the section");
if (act === "sleep") Atomics.wait(words, 2047, 0);
if (act === "beat") setInterval(() => {}, 1_000);
if (act === "spin") for (;;);
