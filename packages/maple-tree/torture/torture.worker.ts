/* A thread that reads or writes until it is told to stop, or is terminated. See run.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { SharedMapleTree } from "@faultline/maple-tree";
import { ThreadRegistry } from "@faultline/sync";
import type { Task } from "../test/self-describing.ts";
import { read, write } from "./parts.ts";

/** What it is started with. */
export interface Order {
  readonly task: Task;
  /** Its id in the registry, which is at word 0 of the buffer. */
  readonly id: number;
  readonly registry: SharedArrayBuffer;
}

const { task, id, registry: buffer } = workerData as Order;
const registry = new ThreadRegistry(new Int32Array(buffer), 0);
registry.join(id);
const tree = SharedMapleTree.open(task.handle, registry);
const answer = task.kind === "write" ? write(tree, task) : read(tree, task);
tree.arena.close();
registry.leave();
parentPort?.postMessage(answer);
