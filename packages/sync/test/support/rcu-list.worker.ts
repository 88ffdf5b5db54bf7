/* Walks a list that another thread changes, and counts elements that were not whole, and walks. */
import { parentPort, workerData } from "node:worker_threads";
import { RcuDomain, RcuList } from "../../src/index.ts";
import { LIST, markOf } from "./rcu-list.ts";

const words = new Int32Array(workerData as SharedArrayBuffer);
const rcu = new RcuDomain(words, LIST.domain);
const list = new RcuList(words, LIST.head, LIST.link);
let violations = 0;
let walks = 0;
parentPort?.postMessage("ready");
while (Atomics.load(words, LIST.stop) === 0) {
  rcu.readLock();
  list.walk((element) => {
    const isWhole = words[element] === markOf(element);
    if (!isWhole) violations++;
    return isWhole; // what is poisoned leads nowhere
  });
  rcu.readUnlock();
  walks++;
  if (violations > 0) Atomics.store(words, LIST.stop, 1);
}
rcu.close();
parentPort?.postMessage({ violations, walks });
