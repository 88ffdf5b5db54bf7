// Locks between the main thread, which may not block, and Web Workers, which do.
import { SyncError } from "@faultline/sync";
import { equal, isPending, plant, startWorker, test, thrownBy, turns, until } from "./harness.mjs";
import { LOCKS, lockOf, newWords, signal, Word } from "./shared.mjs";

const TIMES = 50_000;
const MAIN_TIMES = 300;
const KINDS = [...LOCKS, "RwSem for reading"];

/** A lock that a worker holds, until `letGo()`. */
async function heldByWorker(kind) {
  const words = newWords();
  const holder = kind === "RwSem for reading" ? "RwSem for writing" : kind;
  const end = startWorker().call("hold", { words, kind: holder });
  await until(() => Atomics.load(words, Word.Held) === 1);
  const letGo = () => {
    signal(words, Word.Release);
    return end;
  };
  return { words, lock: lockOf(kind, words), letGo };
}

/** After all of it the lock is free, and its words say so. */
function checkFree(lock) {
  lock.validate();
  equal(lock.isLocked, false, "isLocked");
}

for (const kind of KINDS) {
  test(`${kind}: a free one can be taken on the main thread by the blocking form`, async () => {
    const lock = lockOf(kind, newWords());
    equal(lock.lock(), true, "result of lock");
    lock.unlock();
    checkFree(lock);
  });

  test(`${kind}: the blocking form refuses to wait on the main thread and names the async form`, async () => {
    const { words, lock, letGo } = await heldByWorker(kind);
    const before = [...words.subarray(0, Word.Rcu)];
    for (const options of [undefined, { timeoutMs: 5 }]) {
      const error = await thrownBy(() => lock.lock(options));
      equal([error instanceof SyncError, error.code], [true, "EWOULDBLOCK"]);
      equal(error.message.includes(lock.asyncForm), true, `"${error.message}" names ${lock.asyncForm}`);
    }
    equal([...words.subarray(0, Word.Rcu)], before, "the lock's words after the refusal");
    await letGo();
    checkFree(lock);
  });

  for (const hasWaitAsync of [true, false]) {
    const how = hasWaitAsync ? "in Atomics.waitAsync" : "polling, where Atomics.waitAsync is missing";
    const testWaiting = (name, run) =>
      test(`${kind}, ${how}: ${name}`, () => (hasWaitAsync ? run() : withoutWaitAsync(run)));

    testWaiting("the main thread gets it when the worker gives it back", async () => {
      const { words, lock, letGo } = await heldByWorker(kind);
      const got = lock.lockAsync();
      equal(await isPending(got), true, "waiting while the worker holds it");
      const end = letGo();
      equal(await got, true, "result");
      equal(Atomics.load(words, Word.Seen), 1, "what the worker stored before it unlocked");
      lock.unlock();
      await end;
      checkFree(lock);
    });

    testWaiting("the wait ends with false after its timeout, and leaves nothing behind", async () => {
      const { words, lock, letGo } = await heldByWorker(kind);
      equal(await lock.lockAsync({ timeoutMs: 20 }), false, "result");
      equal(Atomics.load(words, Word.Seen), 0, "what the worker stores before it unlocks");
      lock.validate();
      await letGo();
      checkFree(lock);
    });

    testWaiting("the wait ends with EINTR when its AbortSignal is aborted", async () => {
      const { lock, letGo } = await heldByWorker(kind);
      const controller = new AbortController();
      const got = lock.lockAsync({ signal: controller.signal });
      const next = lock.lockAsync();
      await turns();
      controller.abort("enough");
      const error = await thrownBy(() => got);
      equal([error instanceof SyncError, error.code, error.cause], [true, "EINTR", "enough"]);
      equal(await isPending(next), true, "the next one still waiting");
      const end = letGo();
      equal(await next, true, "result of the next one");
      lock.unlock();
      await end;
      checkFree(lock);
    });
  }
}

for (const kind of LOCKS) {
  const start = (words, workers) => {
    const isPlanted = plant === "no-lock";
    const task = { words, kind, times: TIMES, workers, isPlanted };
    return [startWorker(), startWorker()].map((worker) => worker.call("count", task));
  };

  test(`${kind}: two workers add to a plain counter, and nothing is lost`, async () => {
    const words = newWords();
    await Promise.all(start(words, 2));
    equal(words[Word.Counter], 2 * TIMES, "the counter");
    checkFree(lockOf(kind, words));
  });

  test(`${kind}: two workers and the main thread add to a plain counter, and nothing is lost`, async () => {
    const words = newWords();
    const lock = lockOf(kind, words);
    const ends = start(words, 2);
    await until(() => Atomics.load(words, Word.Ready) === 2);
    for (let time = 0; time < MAIN_TIMES; time++) {
      await lock.lockAsync();
      words[Word.Counter] += 1; // plain: the lock is what orders it
      lock.unlock();
    }
    await Promise.all(ends);
    equal(words[Word.Counter], 2 * TIMES + MAIN_TIMES, "the counter");
    checkFree(lock);
  });
}

test("RwSem: the main thread reads beside a worker that reads, and writes only after it", async () => {
  const words = newWords();
  const end = startWorker().call("hold", { words, kind: "RwSem for reading" });
  await until(() => Atomics.load(words, Word.Held) === 1);
  const [reader, writer] = ["RwSem for reading", "RwSem for writing"].map((kind) => lockOf(kind, words));
  equal(await reader.lockAsync(), true, "downReadAsync beside a reader");
  reader.unlock();
  const written = writer.lockAsync();
  equal(await isPending(written), true, "downWriteAsync waiting for the reader");
  signal(words, Word.Release);
  equal(await written, true, "downWriteAsync");
  writer.unlock();
  await end;
  checkFree(writer);
});

/** The engine is made one of those that have no Atomics.waitAsync, for as long as `run` runs. */
async function withoutWaitAsync(run) {
  const { waitAsync } = Atomics;
  Object.assign(Atomics, { waitAsync: undefined });
  try {
    await run();
  } finally {
    Object.assign(Atomics, { waitAsync });
  }
}
