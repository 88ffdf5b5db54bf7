// Waiting for a condition, and data that is read while it changes: WaitQueueHead, Completion, SeqLatch, PerWorkerRwSem.
import type { Model } from "@faultline/interleave";
import { Completion } from "@faultline/sync/completion";
import { PerWorkerRwSem } from "@faultline/sync/per-worker-rwsem";
import { RcuDomain } from "@faultline/sync/rcu";
import { SeqLatch } from "@faultline/sync/seqlatch";
import { WaitQueueHead } from "@faultline/sync/wait-queue-head";
import { ALL, expectWord, increment, type ModelPair, zeroed } from "./support.ts";

const ITEMS = WaitQueueHead.WORDS;

type QueueClass = new (words: Int32Array, word: number) => WaitQueueHead;

/** Takes an item if there is one, whoever else takes one at the same time. */
function take(words: Int32Array): boolean {
  for (;;) {
    const items = Atomics.load(words, ITEMS);
    if (items === 0) return false;
    if (Atomics.compareExchange(words, ITEMS, items, items - 1) === items) return true;
  }
}

/** Two wait exclusively for an item each; both are put down, with a wake-up each. */
function items(Kind: QueueClass): Model<Int32Array> {
  const consumer = (words: Int32Array): boolean =>
    new Kind(words, 0).waitFor(() => take(words), { exclusive: true });
  return {
    setup: () => zeroed(ITEMS + 1),
    threads: [
      consumer,
      consumer,
      (words) => {
        const queue = new Kind(words, 0);
        for (let item = 0; item < 2; item++) {
          Atomics.add(words, ITEMS, 1);
          queue.wake();
        }
      },
    ],
    after: (words) => {
      new Kind(words, 0).validate();
      expectWord(words, ITEMS, 0, "items left");
    },
  };
}

/** Everybody who waits for a condition comes through once it holds. */
function broadcast(Kind: QueueClass): Model<Int32Array> {
  const waiter = (words: Int32Array): boolean =>
    new Kind(words, 0).waitFor(() => Atomics.load(words, ITEMS) === 1);
  return {
    setup: () => zeroed(ITEMS + 1),
    threads: [
      waiter,
      (words) => {
        Atomics.store(words, ITEMS, 1);
        new Kind(words, 0).wake();
      },
      waiter,
    ],
    after: (words) => new Kind(words, 0).validate(),
  };
}

/** Wakes nobody. */
class Silent extends WaitQueueHead {
  override wake(): void {}
}

type CompletionClass = new (words: Int32Array, word: number) => Completion;

/** A completion that comes while the waiter gives up is had by it, or is still there. */
function completionOrTimeout(Kind: CompletionClass): Model<Int32Array> {
  return {
    setup: () => zeroed(Completion.WORDS),
    threads: [(words) => new Kind(words, 0).wait({ timeoutMs: 5 }), (words) => new Kind(words, 0).complete()],
    after: (words, [isGot]) => {
      const completion = new Completion(words, 0);
      completion.validate();
      if (completion.isDone === (isGot === true)) {
        throw new Error(`lost or doubled: ${completion}, wait() said ${isGot}`);
      }
    },
  };
}

/** Takes a wake-up for a timeout. */
class DropsIt extends Completion {
  override wait(options?: { readonly timeoutMs?: number }): boolean {
    if (this.tryWait()) return true;
    super.wait(options);
    return false;
  }
}

const LENGTH = 2;

/** Two writes and a reader, which gets the words of one of them. */
function latch(read: (latch: SeqLatch, words: Int32Array) => readonly number[]): Model<Int32Array> {
  return {
    setup: () => zeroed(SeqLatch.words(LENGTH)),
    threads: [
      (words) => {
        const own = new SeqLatch(words, 0, LENGTH);
        own.write([1, 1]);
        own.write([2, 2]);
      },
      (words) => {
        const [left, right] = read(new SeqLatch(words, 0, LENGTH), words);
        if (left !== right) throw new Error(`halves of two writes: ${left} and ${right}`);
      },
    ],
    after: (words, results) => {
      if (results[0] !== undefined) new SeqLatch(words, 0, LENGTH).validate();
    },
  };
}

/** Reads the copy that it has been told, and does not ask again. */
function readOnce(own: SeqLatch, words: Int32Array): readonly number[] {
  const copy = 1 + (own.sequence & 1) * LENGTH;
  return [Atomics.load(words, copy), Atomics.load(words, copy + 1)];
}

const WORKERS_MAX = 2;
const RCU = PerWorkerRwSem.words(WORKERS_MAX);
const LEFT = RCU + RcuDomain.words(WORKERS_MAX);
const RIGHT = LEFT + 1;

type Opened = (words: Int32Array, use: (sem: PerWorkerRwSem) => void) => void;

/** As an agent of its own, as in rcu.model.ts. */
const open: Opened = (words, use) => {
  const rcu = new RcuDomain(new Int32Array(words.length), RCU, { agentsMax: WORKERS_MAX });
  rcu.rebind(words);
  use(new PerWorkerRwSem(words, 0, rcu));
};

const readBoth: Opened = (words, enter) =>
  open(words, (sem) => {
    enter(sem);
    if (words[LEFT] !== words[RIGHT]) throw new Error("the reader sees half a write");
    sem.upRead();
  });

const writeBoth: Opened = (words, enter) =>
  open(words, (sem) => {
    enter(sem);
    increment(words, LEFT);
    increment(words, RIGHT);
    sem.upWrite();
  });

/** Blocks new readers and does not wait for those inside. */
function blocksOnly(words: Int32Array): void {
  Atomics.store(words, 1, 2);
  Atomics.store(words, 2, 1);
}

function perWorker(...threads: Model<Int32Array>["threads"]): Model<Int32Array> {
  return {
    setup: () => {
      const words = zeroed(RIGHT + 1);
      words[RCU] = WORKERS_MAX;
      new PerWorkerRwSem(words, 0, new RcuDomain(words, RCU), { workersMax: WORKERS_MAX });
      return words;
    },
    threads,
    after: (words) => expectWord(words, RIGHT, words[LEFT] as number, "the second half"),
  };
}

const reads = (words: Int32Array): void => readBoth(words, (sem) => sem.downRead());
const writes = (words: Int32Array): void => writeBoth(words, (sem) => sem.downWrite());
const writesAtOnce = (words: Int32Array): void => writeBoth(words, () => blocksOnly(words));

export const pairs: readonly ModelPair[] = [
  {
    name: "WaitQueueHead wakes an exclusive waiter for each item",
    sound: items(WaitQueueHead),
    broken: items(Silent),
    finds: /nobody wakes/,
    limits: { bound: 2, full: ALL },
  },
  {
    name: "WaitQueueHead wakes everybody when the condition holds",
    sound: broadcast(WaitQueueHead),
    broken: broadcast(Silent),
    finds: /nobody wakes/,
  },
  {
    name: "Completion, with a thread that gives up",
    sound: completionOrTimeout(Completion),
    broken: completionOrTimeout(DropsIt),
    finds: /lost or doubled/,
  },
  {
    name: "SeqLatch never shows half a write",
    sound: latch((own) => [...own.read()]),
    broken: latch(readOnce),
    finds: /halves of two writes/,
  },
  {
    name: "SeqLatch, a writer that dies holds up no reader",
    sound: latch((own) => [...own.read()]),
    broken: latch((own, words) => {
      while ((own.sequence & 1) !== 0);
      return readOnce(own, words);
    }),
    finds: /spun on|halves of two writes/,
    options: { kills: 1, killable: [0] },
  },
  {
    name: "PerWorkerRwSem keeps a reader from a writer",
    sound: perWorker(reads, writes),
    broken: perWorker(reads, writesAtOnce),
    finds: /nothing that orders them|half a write/,
    limits: { bound: 2 },
  },
  {
    name: "PerWorkerRwSem keeps a writer from a writer",
    sound: perWorker(writes, writes),
    broken: perWorker(writes, writesAtOnce),
    finds: /nothing that orders them|half a write|EPERM/,
  },
];
