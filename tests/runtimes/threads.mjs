// Two workers under one mutex and one rwsem, and a tree that they read without a lock, in both backends. Run by
// tarballs.mjs in each JavaScript runtime, from the packages as they are published.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Arena } from "@faultline/arena";
import { SharedMapleTree } from "@faultline/maple-tree";
import { Mutex, RcuDomain, RwSem, SharedMemory } from "@faultline/sync";

const ROUNDS = 20_000;
const [MUTEX, SEM, RCU, COUNTS] = [0, 64, 128, 1000];

function increment(words) {
  const mutex = new Mutex(words, MUTEX);
  const sem = new RwSem(words, SEM);
  for (let round = 0; round < ROUNDS; round++) {
    mutex.withLock(() => words[COUNTS]++);
    sem.downWrite();
    words[COUNTS + 1]++;
    sem.upWrite();
  }
  return mutex.backend;
}

async function race(memory) {
  const words = memory?.words() ?? new Int32Array(new SharedArrayBuffer(8192));
  const tree = SharedMapleTree.create(Arena.create({ shared: true, wasm: memory !== undefined }));
  for (let n = 0; n < 1000; n++) tree.storeRange(10 * n, 10 * n + 9, n + 1);
  const data = { memory: memory?.handle(), buffer: memory ? undefined : words.buffer, tree: tree.handle() };
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: data }));
  const answers = await Promise.all(
    workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
  const mutex = new Mutex(words, MUTEX);
  await mutex.withLockAsync(() => words[COUNTS]++);
  await new RcuDomain(words, RCU).synchronizeAsync();
  await Promise.all(workers.map((worker) => worker.terminate()));
  return [
    words[COUNTS] - 2 * ROUNDS,
    words[COUNTS + 1] - 2 * ROUNDS,
    ...answers,
    tree.validate().length,
  ].join(" ");
}

if (isMainThread) {
  console.log(await race(undefined));
  console.log(await race(SharedMemory.create({ bytes: 65_536 })));
} else {
  const { memory, buffer, tree: handle } = workerData;
  const tree = SharedMapleTree.open(handle);
  let sum = 0;
  for (let index = 0; index < 10_000; index += 100) sum += tree.load(index);
  parentPort.postMessage(
    `${increment(memory ? SharedMemory.attach(memory).words() : new Int32Array(buffer))} ${sum}`,
  );
}
