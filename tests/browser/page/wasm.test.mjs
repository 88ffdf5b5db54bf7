// A SharedMemory between the main thread and Web Workers: the locks over it run WebAssembly on both sides.
import { Mutex, RcuDomain, RwSem, SharedMemory, SpinLock } from "@faultline/sync";
import { equal, startWorker, test } from "./harness.mjs";
import { Word } from "./shared.mjs";

const TIMES = 20_000;
const MAIN_TIMES = 200;

test("a page's main thread compiles the fast paths and uses them", async () => {
  const words = SharedMemory.create({ bytes: 65_536 }).words();
  const domain = new RcuDomain(words, Word.Rcu);
  const locks = [new SpinLock(words, 0), new Mutex(words, 0), new RwSem(words, 0), domain];
  equal(
    locks.map(({ backend }) => backend),
    ["wasm", "wasm", "wasm", "wasm"],
  );
  domain.read(() => equal(domain.isReading, true));
  domain.close();
});

test("a Mutex in a SharedMemory loses no increment of workers that block and a page that awaits", async () => {
  const memory = SharedMemory.create({ bytes: 65_536 });
  const words = memory.words();
  const argument = { handle: memory.handle(), times: TIMES };
  const ends = [1, 2].map(() => startWorker().call("countInMemory", argument));
  const mutex = new Mutex(words, Word.Lock);
  for (let time = 0; time < MAIN_TIMES; time++) await mutex.withLockAsync(() => void words[Word.Counter]++);
  equal(await Promise.all(ends), ["wasm", "wasm"], "the workers' backends");
  equal(words[Word.Counter], 2 * TIMES + MAIN_TIMES, "the counter");
  mutex.validate();
});
