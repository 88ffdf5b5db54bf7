/* A thread that ends as it is told, with a lock held. */
import { parentPort, workerData } from "node:worker_threads";
import { enableLockDebug, lockClass } from "../../src/debug/index.ts";
import { Mutex } from "../../src/index.ts";

const { words, end } = workerData as { words: Int32Array; end: string };
enableLockDebug({ onReport: ({ message }) => parentPort?.postMessage(message) });
lockClass(new Mutex(words, 0), "kept").lock();
new Mutex(words, 64).withLock(() => {});
if (end === "exit") process.exit(0);
if (end === "throw") throw new Error("on purpose");
