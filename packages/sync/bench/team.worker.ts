/*
 * One of the threads of a contended case. Words 0 and 16 are the start gate, word 32 the counter under the
 * lock, word 48 whose turn it is; locks and the RCU domain follow from word 64 on.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Mutex, RcuDomain, RwSem, SeqLock, SharedMemory, SpinLock } from "@faultline/sync";
import { Mutex as NpmMutex } from "multithreading";
import { barrier } from "../litmus/barrier.ts";
import type { PartName, TeamMemories, TeamOrder } from "./team-order.ts";

const COUNTER = 32;
const TURN = 48;
const ASLEEP = 49;
const LOCK = 64;
const RING = [512, 1024, 1536] as const;
const DOMAIN = 2048;

type Part = (words: Int32Array, index: number, ops: number, lockBuffer: SharedArrayBuffer) => void;

/** A microsecond or so: who has said that it is about to sleep then does. */
function letFallAsleep(words: Int32Array): void {
  for (let look = 0; look < 200; look++) Atomics.load(words, 0);
}

/*
 * Hand over hand along a ring of three: each thread holds one lock and waits for the one in front of it,
 * which the other holds. So each step is one wait that only the other's unlock ends, and nobody can take
 * back what it has just released.
 */
function handOverHand(
  words: Int32Array,
  index: number,
  ops: number,
  beforeUnlock: (held: Mutex, isLast: boolean) => void,
): void {
  const ring = RING.map((word) => new Mutex(words, word));
  let at = index;
  ring[at].lock();
  barrier(words, 2);
  for (let op = 0; op < ops; op++) {
    const next = (at + 1) % 3;
    ring[next].lock();
    beforeUnlock(ring[at], op >= ops - 2);
    ring[at].unlock();
    at = next;
  }
  ring[at].unlock();
}

/** A lock of two words and nothing else, which burns its core: what exclusion by Atomics costs. */
function bareSpin(words: Int32Array): () => void {
  return () => {
    while (Atomics.compareExchange(words, LOCK, 0, 1) !== 0) while (Atomics.load(words, LOCK) !== 0);
  };
}

/** The mutex of three states that sleeps at once, without a queue: as little as a lock that sleeps can do. */
function bareSleep(words: Int32Array): { lock: () => void; unlock: () => void } {
  return {
    lock: () => {
      if (Atomics.compareExchange(words, LOCK, 0, 1) === 0) return;
      while (Atomics.exchange(words, LOCK, 2) !== 0) Atomics.wait(words, LOCK, 2);
    },
    unlock: () => {
      if (Atomics.exchange(words, LOCK, 0) === 2) Atomics.notify(words, LOCK, 1);
    },
  };
}

function sections(words: Int32Array, ops: number, flavour: "mb" | "qsbr"): void {
  const rcu = new RcuDomain(words, DOMAIN, { agentsMax: 4, flavour });
  for (let op = 0; op < ops; op++) {
    rcu.readLock();
    rcu.readUnlock();
  }
  rcu.close();
}

const parts: Readonly<Record<PartName, Part>> = {
  Mutex: (words, _, ops) => {
    const mutex = new Mutex(words, LOCK);
    for (let seen = 0; seen < ops; ) {
      mutex.lock();
      seen = ++words[COUNTER]; // plain: under the lock
      mutex.unlock();
    }
  },
  SpinLock: (words, _, ops) => {
    const spin = new SpinLock(words, LOCK);
    for (let seen = 0; seen < ops; ) {
      spin.lock();
      seen = ++words[COUNTER];
      spin.unlock();
    }
  },
  spin: (words, _, ops) => {
    const lock = bareSpin(words);
    for (let seen = 0; seen < ops; ) {
      lock();
      seen = ++words[COUNTER];
      Atomics.store(words, LOCK, 0);
    }
  },
  sleep: (words, _, ops) => {
    const { lock, unlock } = bareSleep(words);
    for (let seen = 0; seen < ops; ) {
      lock();
      seen = ++words[COUNTER];
      unlock();
    }
  },
  npm: (words, _, ops, lockBuffer) => {
    const mutex = new NpmMutex(undefined, lockBuffer);
    for (let seen = 0; seen < ops; ) {
      const guard = mutex.blockingLock();
      seen = ++words[COUNTER];
      guard.dispose();
    }
  },
  mb: (words, _, ops) => sections(words, ops, "mb"),
  qsbr: (words, _, ops) => sections(words, ops, "qsbr"),
  seqlock: (words, _, ops) => {
    const lock = new SeqLock(words, LOCK);
    for (let op = 0; op < ops; op++) if (lock.readRetry(lock.readBegin())) throw new Error("nobody writes");
  },
  read: (words, _, ops) => {
    const sem = new RwSem(words, LOCK);
    for (let op = 0; op < ops; op++) {
      sem.downRead();
      sem.upRead();
    }
  },
  turns: (words, index, ops) => {
    for (let op = 0; op < ops; op++) {
      while (Atomics.load(words, TURN) !== index) Atomics.wait(words, TURN, 1 - index);
      Atomics.store(words, TURN, 1 - index);
      Atomics.notify(words, TURN, 1);
    }
  },
  "turns asleep": (words, index, ops) => {
    for (let op = 0; op < ops; op++) {
      while (Atomics.load(words, TURN) !== index) {
        Atomics.store(words, ASLEEP, 1);
        Atomics.wait(words, TURN, 1 - index);
      }
      while (op < ops - 2 && op > 0 && Atomics.load(words, ASLEEP) === 0);
      letFallAsleep(words);
      Atomics.store(words, ASLEEP, 0);
      Atomics.store(words, TURN, 1 - index);
      Atomics.notify(words, TURN, 1);
    }
  },
  hands: (words, index, ops) => handOverHand(words, index, ops, () => {}),
  "hands asleep": (words, index, ops) => {
    handOverHand(words, index, ops, (held, isLast) => {
      // Until the other thread has given up spinning; at the very end it may not come any more.
      while (!isLast && !held.isContended);
      letFallAsleep(words);
    });
  },
} satisfies Readonly<Record<string, Part>>;

const memories = workerData as TeamMemories;
// Attached once: each clone of a memory has functions of its own, and a call site is fast with one of them.
const wordsOf = {
  js: SharedMemory.attach(memories.js).words(),
  wasm: SharedMemory.attach(memories.wasm).words(),
};

parentPort?.on("message", ({ part, backend, lockBuffer, index, threadCount, ops }: TeamOrder) => {
  const words = wordsOf[backend];
  const run = parts[part];
  barrier(words, threadCount);
  const start = performance.now();
  run(words, index, ops, lockBuffer);
  barrier(words, threadCount);
  parentPort?.postMessage(performance.now() - start);
});
