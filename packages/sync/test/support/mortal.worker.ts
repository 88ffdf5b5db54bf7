/* A thread that ends as it is told, most of them inside a read section. See threads.test.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { RcuDomain, SrcuDomain, ThreadRegistry } from "../../src/index.ts";
import { PLAN } from "./mortal.ts";

const { buffer, id, end } = workerData as { buffer: SharedArrayBuffer; id: number; end: string };
const words = new Int32Array(buffer);
const registry = new ThreadRegistry(words, PLAN.registry);
registry.join(id);

if (end === "leave") {
  new RcuDomain(words, PLAN.mb).read(() => {});
  registry.leave();
} else {
  new RcuDomain(words, PLAN.mb).readLock();
  new RcuDomain(words, PLAN.qsbr, { flavour: "qsbr" }).readLock();
  const srcu = new SrcuDomain(words, PLAN.srcu);
  srcu.readLock();
  srcu.readLock();
  parentPort?.postMessage("reading");
  if (end === "throw") throw new Error("in the section");
  if (end === "sleep") Atomics.wait(words, PLAN.nap, 0);
  if (end === "spin") for (;;);
}
