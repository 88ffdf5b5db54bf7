// Grace periods between the main thread and the read sections of Web Workers.
import { RcuDomain } from "@faultline/sync";
import { equal, isPending, startWorker, test, thrownBy, until } from "./harness.mjs";
import { newWords, signal, Word } from "./shared.mjs";

/** A worker in a read section, until `leave()`. */
async function readingWorker() {
  const words = newWords();
  const domain = new RcuDomain(words, Word.Rcu);
  const end = startWorker().call("readSection", { words });
  await until(() => Atomics.load(words, Word.Held) === 1);
  const leave = () => {
    signal(words, Word.Release);
    return end;
  };
  return { words, domain, leave };
}

async function waitsForTheWorker() {
  const { words, domain, leave } = await readingWorker();
  const order = [];
  domain.call(() => order.push("callback"));
  const isOver = domain.synchronizeAsync().then(() => order.push("over"));
  equal(await isPending(isOver), true, "waiting for the worker's read section");
  equal(order, [], "what has run inside the grace period");
  const end = leave();
  await isOver;
  equal(Atomics.load(words, Word.Seen), 1, "what the worker stored before it left its section");
  equal(order, ["callback", "over"]);
  await end;
  domain.validate();
  domain.close();
}

test("RCU: synchronizeAsync on the main thread waits for a worker's read section", waitsForTheWorker);

test("RCU, polling: synchronizeAsync on the main thread waits for a worker's read section", async () => {
  const { waitAsync } = Atomics;
  Object.assign(Atomics, { waitAsync: undefined });
  try {
    await waitsForTheWorker();
  } finally {
    Object.assign(Atomics, { waitAsync });
  }
});

test("RCU: the blocking forms refuse to wait on the main thread, and return where nobody reads", async () => {
  const { domain, leave } = await readingWorker();
  const refused = [() => domain.synchronize(), () => domain.waitCookie(domain.cookie())];
  for (const wait of refused) {
    const error = await thrownBy(wait);
    equal([error.code, /use synchronizeAsync/.test(error.message)], ["EWOULDBLOCK", true]);
  }
  equal(domain.poll(domain.cookie()), false, "poll beside the worker's section");
  await leave();
  domain.synchronize();
  equal(domain.poll(domain.cookie()), true, "poll with nobody reading");
  domain.validate();
  domain.close();
});

test("RCU: a worker's synchronize waits for the main thread's read section", async () => {
  const words = newWords();
  const domain = new RcuDomain(words, Word.Rcu);
  domain.readLock();
  const seen = startWorker().call("synchronize", { words });
  await until(() => Atomics.load(words, Word.Ready) === 1);
  equal(await isPending(seen), true, "the worker's wait for the main thread");
  Atomics.store(words, Word.Seen, 1);
  domain.readUnlock();
  equal(await seen, 1, "what the worker has seen after its grace period");
  domain.close();
});
