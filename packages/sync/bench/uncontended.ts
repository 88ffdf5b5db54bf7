/*
 * What each operation costs when nobody else wants it, beside bare Atomics and beside npm packages. Each loop
 * is its own function, so that one case's types and inlining do not spoil the next.
 */
import { Mutex, RcuDomain, RwSem, SpinLock } from "@faultline/sync";
import { Mutex as AsyncMutex } from "async-mutex";
import { Mutex as NpmMutex, RwLock as NpmRwLock } from "multithreading";

/** A measured loop: how often it runs its operation, and the loop. */
export interface Case {
  readonly ops: number;
  readonly run: (ops: number) => void | Promise<void>;
}

const OPS = 200_000;
/** For what costs a promise per operation. */
const FEW = 10_000;

/** The cases over `words`, which must be zero and at least 4096. */
export function uncontendedCases(words: Int32Array): Readonly<Record<string, Case>> {
  const spin = new SpinLock(words, 64);
  const mutex = new Mutex(words, 256);
  const sem = new RwSem(words, 512);
  const rcu = new RcuDomain(words, 1024, { agentsMax: 4 });
  const qsbr = new RcuDomain(words, 1536, { agentsMax: 4, flavour: "qsbr" });
  const asyncMutex = new AsyncMutex();
  const npmMutex = new NpmMutex();
  const npmRwLock = new NpmRwLock();
  const loop = (run: (ops: number) => void): Case => ({ ops: OPS, run });
  const few = (run: (ops: number) => void | Promise<void>): Case => ({ ops: FEW, run });
  return {
    "compareExchange + store": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        Atomics.compareExchange(words, 0, 0, 1);
        Atomics.store(words, 0, 0);
      }
    }),
    "two Atomics.add": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        Atomics.add(words, 0, 1);
        Atomics.add(words, 0, -1);
      }
    }),
    "two Atomics.store": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        Atomics.store(words, 0, 1);
        Atomics.store(words, 0, 0);
      }
    }),
    "SpinLock lock + unlock": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        spin.lock();
        spin.unlock();
      }
    }),
    "Mutex lock + unlock": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        mutex.lock();
        mutex.unlock();
      }
    }),
    "RwSem downWrite + upWrite": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        sem.downWrite();
        sem.upWrite();
      }
    }),
    "RwSem downRead + upRead": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        sem.downRead();
        sem.upRead();
      }
    }),
    "RcuDomain mb read section": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        rcu.readLock();
        rcu.readUnlock();
      }
    }),
    "RcuDomain qsbr read section": loop((ops) => {
      for (let op = 0; op < ops; op++) {
        qsbr.readLock();
        qsbr.readUnlock();
      }
    }),
    "RcuDomain nested section": loop((ops) => {
      rcu.readLock();
      for (let op = 0; op < ops; op++) {
        rcu.readLock();
        rcu.readUnlock();
      }
      rcu.readUnlock();
    }),
    "RcuDomain synchronize, no readers": loop((ops) => {
      for (let op = 0; op < ops; op++) rcu.synchronize();
    }),
    "npm async-mutex": few(async (ops) => {
      for (let op = 0; op < ops; op++) (await asyncMutex.acquire())();
    }),
    "npm multithreading Mutex.lock": few(async (ops) => {
      for (let op = 0; op < ops; op++) (await npmMutex.lock()).dispose();
    }),
    "npm multithreading Mutex.blockingLock": few((ops) => {
      for (let op = 0; op < ops; op++) npmMutex.blockingLock().dispose();
    }),
    "npm multithreading RwLock.read": few(async (ops) => {
      for (let op = 0; op < ops; op++) (await npmRwLock.read()).dispose();
    }),
    "npm multithreading RwLock.write": few(async (ops) => {
      for (let op = 0; op < ops; op++) (await npmRwLock.write()).dispose();
    }),
  };
}
