/*
 * One of the threads of a contended case. Words 0 and 16 are the start gate, word 32 the counter under the
 * lock, word 48 whose turn it is; locks and the RCU domain follow from word 64 on.
 */
import { parentPort } from "node:worker_threads";
import { Mutex, RcuDomain, RwSem, SpinLock } from "@faultline/sync";
import { Mutex as NpmMutex } from "multithreading";
import { barrier } from "../litmus/barrier.ts";
import type { TeamOrder } from "./team.ts";

const COUNTER = 32;
const TURN = 48;
const ASLEEP = 49;
const LOCK = 64;
const RING = [512, 1024, 1536] as const;
const DOMAIN = 2048;

type Part = (words: Int32Array, index: number, ops: number, lockBuffer: SharedArrayBuffer) => void;

/** Critical sections until the counter says that it is enough, so that nobody is left to run alone. */
function count(words: Int32Array, ops: number, lock: () => void, unlock: () => void): void {
  for (let seen = 0; seen < ops; ) {
    lock();
    seen = ++words[COUNTER]; // plain: under the lock
    unlock();
  }
}

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

const parts: Readonly<Record<string, Part>> = {
  "Mutex, 2 workers": (words, _, ops) => {
    const mutex = new Mutex(words, LOCK);
    count(
      words,
      ops,
      () => mutex.lock(),
      () => mutex.unlock(),
    );
  },
  "SpinLock, 2 workers": (words, _, ops) => {
    const spin = new SpinLock(words, LOCK);
    count(
      words,
      ops,
      () => spin.lock(),
      () => spin.unlock(),
    );
  },
  "npm multithreading Mutex, 2 workers": (words, _, ops, lockBuffer) => {
    const mutex = new NpmMutex(undefined, lockBuffer);
    for (let seen = 0; seen < ops; ) {
      const guard = mutex.blockingLock();
      seen = ++words[COUNTER];
      guard.dispose();
    }
  },
  "RcuDomain mb read section": (words, _, ops) => {
    const rcu = new RcuDomain(words, DOMAIN, { agentsMax: 4 });
    for (let op = 0; op < ops; op++) {
      rcu.readLock();
      rcu.readUnlock();
    }
    rcu.close();
  },
  "RwSem downRead + upRead": (words, _, ops) => {
    const sem = new RwSem(words, LOCK);
    for (let op = 0; op < ops; op++) {
      sem.downRead();
      sem.upRead();
    }
  },
  "Atomics.wait/notify round trip": (words, index, ops) => {
    for (let op = 0; op < ops; op++) {
      while (Atomics.load(words, TURN) !== index) Atomics.wait(words, TURN, 1 - index);
      Atomics.store(words, TURN, 1 - index);
      Atomics.notify(words, TURN, 1);
    }
  },
  "Atomics.wait/notify round trip, waiter asleep": (words, index, ops) => {
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
  "Mutex round trip": (words, index, ops) => handOverHand(words, index, ops, () => {}),
  "Mutex round trip, waiter asleep": (words, index, ops) => {
    handOverHand(words, index, ops, (held, isLast) => {
      // Until the other thread has given up spinning; at the very end it may not come any more.
      while (!isLast && !held.isContended);
      letFallAsleep(words);
    });
  },
};

parentPort?.on("message", ({ part, buffer, lockBuffer, index, threadCount, ops }: TeamOrder) => {
  const words = new Int32Array(buffer);
  barrier(words, threadCount);
  const start = performance.now();
  parts[part](words, index, ops, lockBuffer);
  barrier(words, threadCount);
  parentPort?.postMessage(performance.now() - start);
});
