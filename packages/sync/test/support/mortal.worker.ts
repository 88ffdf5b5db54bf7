/* A thread that ends as it is told, most of them inside a read section. See threads.test.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { RcuDomain, SrcuDomain, ThreadRegistry } from "../../src/index.ts";
import { PLAN } from "./mortal.ts";

const { buffer, id, end } = workerData as { buffer: SharedArrayBuffer; id: number; end: string };
const words = new Int32Array(buffer);
const registry = new ThreadRegistry(words, PLAN.registry);
registry.join(id);

/** Reads and writes without pause, so that its end can come at any instruction. */
function workForever(): never {
  const mb = new RcuDomain(words, PLAN.mb);
  const qsbr = new RcuDomain(words, PLAN.qsbr, { flavour: "qsbr" });
  const srcu = new SrcuDomain(words, PLAN.srcu);
  parentPort?.postMessage("reading");
  for (let round = 0; ; round++) {
    mb.read(() => qsbr.read(() => {}));
    const index = srcu.readLock();
    if (round % 3 === 0) for (const rcu of [mb, srcu]) rcu.poll(rcu.cookie());
    srcu.readUnlock(index);
    qsbr.quiescentState();
    if (round % 5 === 0) for (const rcu of [mb, qsbr, srcu]) rcu.synchronize();
  }
}

if (end === "leave") {
  new RcuDomain(words, PLAN.mb).read(() => {});
  registry.leave();
} else if (end === "work") {
  workForever();
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
