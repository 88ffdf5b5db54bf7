/* The two agents of rcu.stress.test.ts. They answer with one message. */
import { parentPort, workerData } from "node:worker_threads";
import { SharedMapleTree } from "@faultline/maple-tree";
import { isStopped, read, write } from "../torture/parts.ts";
import { Signal, type Task } from "./self-describing.ts";

const task = workerData as Task;
const tree = SharedMapleTree.open(task.handle);
const { arena } = tree;

Atomics.add(arena.i32, task.signals + Signal.Ready, 1);
while (!isStopped(tree, task) && Atomics.load(arena.i32, task.signals + Signal.Ready) < 2) {
  // Both begin together.
}
const answer = task.kind === "write" ? write(tree, task) : read(tree, task);
arena.close();
parentPort?.postMessage(answer);
