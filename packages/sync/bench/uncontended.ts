/*
 * What each operation costs when nobody else wants it. Each loop is its own function, so that one case's types and
 * inlining do not spoil the next; each backend runs in a worker of its own, as a program uses one of them.
 */
import { Mutex, RcuDomain, RwSem, SeqLock, SpinLock } from "@faultline/sync";
import { Mutex as AsyncMutex } from "async-mutex";
import { Mutex as NpmMutex, RwLock as NpmRwLock } from "multithreading";
import type { Loop } from "./floor.ts";

/** Our primitives over `words`, which must be zero and at least 4096. */
export function lockLoops(words: Int32Array): Record<string, Loop> {
  const spin = new SpinLock(words, 64);
  const mutex = new Mutex(words, 256);
  const sem = new RwSem(words, 512);
  const seqlock = new SeqLock(words, 768);
  return {
    "SpinLock lock + unlock": (ops) => {
      for (let op = 0; op < ops; op++) {
        spin.lock();
        spin.unlock();
      }
    },
    "Mutex lock + unlock": (ops) => {
      for (let op = 0; op < ops; op++) {
        mutex.lock();
        mutex.unlock();
      }
    },
    "RwSem downWrite + upWrite": (ops) => {
      for (let op = 0; op < ops; op++) {
        sem.downWrite();
        sem.upWrite();
      }
    },
    "RwSem downRead + upRead": (ops) => {
      for (let op = 0; op < ops; op++) {
        sem.downRead();
        sem.upRead();
      }
    },
    "SeqLock read": (ops) => {
      for (let op = 0; op < ops; op++)
        if (seqlock.readRetry(seqlock.readBegin())) throw new Error("nobody writes");
    },
  };
}

/** Read sections and grace periods over the same words. */
export function rcuLoops(words: Int32Array): Record<string, Loop> {
  const rcu = new RcuDomain(words, 1024, { agentsMax: 4 });
  const qsbr = new RcuDomain(words, 1536, { agentsMax: 4, flavour: "qsbr" });
  return {
    "RcuDomain mb read section": (ops) => {
      for (let op = 0; op < ops; op++) {
        rcu.readLock();
        rcu.readUnlock();
      }
    },
    "RcuDomain qsbr read section": (ops) => {
      for (let op = 0; op < ops; op++) {
        qsbr.readLock();
        qsbr.readUnlock();
      }
    },
    "RcuDomain nested section": (ops) => {
      rcu.readLock();
      for (let op = 0; op < ops; op++) {
        rcu.readLock();
        rcu.readUnlock();
      }
      rcu.readUnlock();
    },
    "RcuDomain synchronize, no readers": (ops) => {
      for (let op = 0; op < ops; op++) rcu.synchronize();
    },
  };
}

/** What others offer. */
export function npmLoops(): Record<string, Loop> {
  const asyncMutex = new AsyncMutex();
  const npmMutex = new NpmMutex();
  const npmRwLock = new NpmRwLock();
  return {
    "npm async-mutex": async (ops) => {
      for (let op = 0; op < ops; op++) (await asyncMutex.acquire())();
    },
    "npm multithreading Mutex.lock": async (ops) => {
      for (let op = 0; op < ops; op++) (await npmMutex.lock()).dispose();
    },
    "npm multithreading Mutex.blockingLock": (ops) => {
      for (let op = 0; op < ops; op++) npmMutex.blockingLock().dispose();
    },
    "npm multithreading RwLock.read": async (ops) => {
      for (let op = 0; op < ops; op++) (await npmRwLock.read()).dispose();
    },
    "npm multithreading RwLock.write": async (ops) => {
      for (let op = 0; op < ops; op++) (await npmRwLock.write()).dispose();
    },
  };
}
