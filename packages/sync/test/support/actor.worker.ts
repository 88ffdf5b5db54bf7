/* A thread that does one lock operation at a time, on command. See actors.ts. */
import { workerData } from "node:worker_threads";
import { Mutex, RwSem, SpinLock } from "../../src/index.ts";
import { COMMAND, type Command, LOCK, STATUS, Status } from "./actor-words.ts";
import { type PostedWords, received } from "./memory.ts";

const { posted, index } = workerData as { posted: PostedWords; index: number };
const words = received(posted);
const status = STATUS + index;
const command = COMMAND + index;

const spin = new SpinLock(words, LOCK.spin);
const mutex = new Mutex(words, LOCK.mutex);
const sem = new RwSem(words, LOCK.rwsem);
/** Long enough for a test to see the waiter in its queue, on a busy machine too. */
const late = { timeoutMs: 250 };

const run: Record<Command, () => boolean | undefined> = {
  1: () => spin.lock(),
  2: () => void spin.unlock(),
  3: () => mutex.lock(),
  4: () => void mutex.unlock(),
  5: () => sem.downRead(),
  6: () => void sem.upRead(),
  7: () => sem.downWrite(),
  8: () => void sem.upWrite(),
  9: () => {
    sem.downgradeWrite();
    return true;
  },
  10: () => spin.lock(late),
  11: () => mutex.lock(late),
  12: () => sem.downRead(late),
  13: () => sem.downWrite(late),
};

for (;;) {
  Atomics.wait(words, command, 0);
  const next = Atomics.exchange(words, command, 0) as Command | 99;
  if (next === 99) break;
  const result = run[next]();
  const outcome = result === undefined ? Status.Idle : result ? Status.Holding : Status.TimedOut;
  Atomics.store(words, status, outcome);
}
