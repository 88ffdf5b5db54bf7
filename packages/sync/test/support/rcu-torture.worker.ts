/* One reader of the RCU torture. See rcu-torture.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { readUntilStopped, type TortureOrder } from "./rcu-torture.ts";

let state = 0x2545f491;
/** xorshift: a seed of its own makes every run of a reader the same, the interleaving aside. */
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

parentPort?.postMessage("ready");
parentPort?.postMessage(readUntilStopped(workerData as TortureOrder, random));
