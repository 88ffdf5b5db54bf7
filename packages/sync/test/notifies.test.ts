/* A notify without a waiter costs ten times what the lock does: nothing may notify when nobody waits. */
import { describe, expect, it } from "vitest";
import {
  Completion,
  Mutex,
  PerWorkerRwSem,
  RcuDomain,
  RefCount,
  RwSem,
  Semaphore,
  SeqLatch,
  SeqLock,
  SrcuDomain,
  WaitQueueHead,
} from "../src/index.ts";
import { sharedWords, useBackend } from "./support/memory.ts";
import { countNotifies } from "./support/notifies.ts";
import { SPINLOCK_NAMES, spinlocksOver } from "./support/spinlocks.ts";

const LENGTH = 4096;

/** What each primitive does all day when nobody is in its way. */
function routines(words: Int32Array): Record<string, () => void> {
  const mutex = new Mutex(words, 16);
  const sem = new RwSem(words, 80);
  const seqlock = new SeqLock(words, 160);
  const latch = new SeqLatch(words, 192, 2);
  const semaphore = new Semaphore(words, 256);
  const completion = new Completion(words, 336);
  const queue = new WaitQueueHead(words, 352);
  const count = new RefCount(words, 448);
  const mb = new RcuDomain(words, 512, { agentsMax: 2 });
  const qsbr = new RcuDomain(words, 640, { agentsMax: 2, flavour: "qsbr" });
  const srcu = new SrcuDomain(words, 768, { agentsMax: 2 });
  const perWorker = new PerWorkerRwSem(words, 1024, mb, { workersMax: 2 });
  const spinlocks = SPINLOCK_NAMES.map((name, index) => {
    const lock = spinlocksOver(words, 2048 + 64 * index)[name];
    const routine = (): void => {
      lock.withLock(() => {});
      lock.tryLock();
      lock.unlock();
    };
    return [name, routine];
  });
  return {
    ...Object.fromEntries(spinlocks),
    Mutex: () => mutex.withLock(() => {}),
    "RwSem for reading": () => sem.read().release(),
    "RwSem for writing": () => {
      const guard = sem.write();
      guard.downgrade();
      guard.release();
    },
    "PerWorkerRwSem for reading": () => perWorker.read().release(),
    "PerWorkerRwSem for writing": () => perWorker.write().release(),
    SeqLock: () => {
      seqlock.write(() => {});
      seqlock.read(() => {});
      seqlock.readExcl().release();
    },
    SeqLatch: () => {
      latch.write([1, 2]);
      latch.read();
    },
    RefCount: () => {
      count.set(1);
      count.inc();
      count.decAndTest();
      count.decAndTest();
    },
    Semaphore: () => {
      semaphore.up(2);
      semaphore.down();
      semaphore.down();
    },
    Completion: () => {
      completion.complete();
      completion.wait();
      completion.completeAll();
      completion.reinit();
    },
    WaitQueueHead: () => queue.wakeAll(),
    "RcuDomain mb": () => {
      mb.read(() => mb.read(() => {}));
      mb.synchronize();
      mb.call(() => {});
      mb.barrier();
    },
    "RcuDomain qsbr": () => {
      qsbr.read(() => {});
      qsbr.quiescentState();
      qsbr.synchronize();
    },
    "SrcuDomain, a section": () => srcu.readUnlock(srcu.readLock()),
  };
}

for (const backend of ["js", "wasm"] as const) {
  describe(`on the ${backend} backend, when nobody waits`, () => {
    useBackend(backend);
    for (const [name, routine] of Object.entries(routines(sharedWords(LENGTH)))) {
      it(`${name} notifies nobody`, () => {
        expect(countNotifies(() => [1, 2, 3].forEach(routine))).toBe(0);
      });
    }
  });
}
