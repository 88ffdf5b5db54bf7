/*
 * The …Async forms of the locks, in one thread and against threads that block. Every case runs three times:
 * asleep in Atomics.waitAsync, on the polling fallback, and on an ArrayBuffer, where no engine can wait.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Mutex, RwSem, SpinLock, SyncError } from "../src/index.ts";
import { Actors, Command, Status } from "./support/actors.ts";
import { sharedWords, wordsOn } from "./support/memory.ts";
import { spinlocksOver } from "./support/spinlocks.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const turns = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

/** One face for what the three locks have in common. */
interface Face {
  readonly what: string;
  lock(): void;
  lockAsync(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<boolean>;
  unlock(): void;
  validate(): void;
  words: Int32Array;
}

function faces(words: Int32Array): Face[] {
  const locks = { Mutex: new Mutex(words, 16), ...spinlocksOver(words, 16) };
  const exclusive = Object.entries(locks).map(([what, lock]) => ({
    what,
    lock: () => void lock.lock(),
    lockAsync: (options?: object) => lock.lockAsync(options),
    unlock: () => lock.unlock(),
    validate: () => lock.validate(),
    words,
  }));
  const sem = new RwSem(words, 80);
  const common = { lock: () => void sem.downWrite(), validate: () => sem.validate(), words };
  return [
    ...exclusive,
    {
      ...common,
      what: "RwSem for reading",
      lockAsync: (options) => sem.downReadAsync(options),
      unlock: () => (sem.isWriteLocked ? sem.upWrite() : sem.upRead()),
    },
    {
      ...common,
      what: "RwSem for writing",
      lockAsync: (options) => sem.downWriteAsync(options),
      unlock: () => sem.upWrite(),
    },
  ];
}

const grounds = [
  { name: "in Atomics.waitAsync", Buffer: SharedArrayBuffer, hasWaitAsync: true },
  { name: "polling, where Atomics.waitAsync is missing", Buffer: SharedArrayBuffer, hasWaitAsync: false },
  { name: "on an ArrayBuffer", Buffer: ArrayBuffer, hasWaitAsync: true },
];

for (const { name, Buffer, hasWaitAsync } of grounds) {
  describe(`waiting ${name}`, () => {
    const { waitAsync } = Atomics;
    beforeEach(() => {
      if (!hasWaitAsync) Object.assign(Atomics, { waitAsync: undefined });
    });
    afterEach(() => {
      Object.assign(Atomics, { waitAsync });
    });

    for (const [which, { what }] of faces(wordsOn(Buffer, 256)).entries()) {
      const face = () => faces(wordsOn(Buffer, 256))[which];

      it(`${what} is got at once when it is free, and leaves nothing behind`, async () => {
        const lock = face();
        expect(await lock.lockAsync()).toBe(true);
        lock.unlock();
        lock.validate();
        // Ticket numbers go on.
        if (what !== "TicketLock") expect(lock.words.every((word) => word === 0)).toBe(true);
      });

      it(`${what} is got when another task gives it back`, async () => {
        const lock = face();
        lock.lock();
        const got = lock.lockAsync();
        await turns();
        lock.unlock();
        expect(await got).toBe(true);
        lock.unlock();
        lock.validate();
      });

      it(`${what} answers false after the timeout, and is free again after its holder`, async () => {
        const lock = face();
        lock.lock();
        expect(await lock.lockAsync({ timeoutMs: 3 })).toBe(false);
        expect(await lock.lockAsync({ timeoutMs: 0 })).toBe(false);
        lock.validate();
        lock.unlock();
        expect(await lock.lockAsync({ timeoutMs: 0 })).toBe(true);
      });

      it(`${what} rejects with EINTR and the reason when it is aborted, and the next in the queue is served`, async () => {
        const lock = face();
        const controller = new AbortController();
        lock.lock();
        const first = lock.lockAsync({ signal: controller.signal });
        const second = lock.lockAsync();
        await turns();
        controller.abort("enough");
        await expect(first).rejects.toEqual(code("EINTR"));
        await expect(first).rejects.toHaveProperty("cause", "enough");
        lock.validate();
        lock.unlock();
        expect(await second).toBe(true);
        lock.unlock();
        lock.validate();
      });

      it(`${what} is not touched by a signal that is aborted already`, async () => {
        const lock = face();
        await expect(lock.lockAsync({ signal: AbortSignal.abort() })).rejects.toBeInstanceOf(SyncError);
        expect(lock.words.every((word) => word === 0)).toBe(true);
      });

      it(`${what} checks the timeout before it touches the lock`, async () => {
        const lock = face();
        await expect(lock.lockAsync({ timeoutMs: -1 })).rejects.toThrow("timeoutMs must be a number >= 0");
        expect(lock.words.every((word) => word === 0)).toBe(true);
      });

      it(`${what} lets go of the signal when the wait is over`, async () => {
        const lock = face();
        const { signal } = new AbortController();
        const added = vi.spyOn(signal, "addEventListener");
        const removed = vi.spyOn(signal, "removeEventListener");
        lock.lock();
        const got = lock.lockAsync({ signal });
        await turns();
        lock.unlock();
        await got;
        expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
      });
    }

    it("serves the tasks of one thread in the order in which they came", async () => {
      const mutex = new Mutex(wordsOn(Buffer, 256), 0);
      const order: number[] = [];
      mutex.lock();
      const tasks = [0, 1, 2, 3].map((task) =>
        mutex.withLockAsync(async () => {
          order.push(task);
          await turns();
          order.push(task);
        }),
      );
      mutex.unlock();
      await Promise.all(tasks);
      expect(order).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
      mutex.validate();
      expect(mutex.isLocked).toBe(false);
    });

    it("lets more tasks wait than the queue has slots, also when one of them gives up", async () => {
      const sem = new RwSem(wordsOn(Buffer, 256), 0);
      const controller = new AbortController();
      let inside = 0;
      await sem.downWriteAsync();
      const aborted = Array.from({ length: 18 }, () => sem.downReadAsync({ signal: controller.signal }));
      const tasks = Array.from({ length: 20 }, async () => {
        await sem.downWriteAsync();
        inside++;
        sem.upWrite();
      });
      await turns();
      controller.abort();
      for (const result of await Promise.allSettled(aborted)) expect(result.status).toBe("rejected");
      sem.upWrite();
      await Promise.all(tasks);
      expect(inside).toBe(20);
      sem.validate();
      expect(String(sem)).toBe("RwSem(free, waiting: nobody)");
    });

    it("clears HANDOFF and WAITERS with the last waiter that gives up", async () => {
      const words = wordsOn(Buffer, 256);
      for (const [index, lock] of [new Mutex(words, 0), new RwSem(words, 64)].entries()) {
        const controller = new AbortController();
        const take = () => (lock instanceof Mutex ? lock.tryLock() : lock.tryDownWrite());
        const give = () => (lock instanceof Mutex ? lock.unlock() : lock.upWrite());
        take();
        const { signal } = controller;
        const waiter = lock instanceof Mutex ? lock.lockAsync({ signal }) : lock.downWriteAsync({ signal });
        await turns();
        // What a first waiter that has been overtaken leaves: it is owed the lock.
        Atomics.or(words, index * 64, 4);
        controller.abort();
        await expect(waiter).rejects.toEqual(code("EINTR"));
        expect(words[index * 64]).toBe(1);
        give();
        expect(lock.isLocked).toBe(false);
        lock.validate();
      }
    });

    it("gives guards, and releases them", async () => {
      const words = wordsOn(Buffer, 256);
      const spin = new SpinLock(words, 0);
      const sem = new RwSem(words, 64);
      const guard = await spin.acquireAsync();
      await expect(spin.acquireAsync({ timeoutMs: 0 })).rejects.toEqual(code("ETIMEDOUT"));
      guard.release();
      expect(spin.isLocked).toBe(false);
      const writer = await sem.writeAsync();
      await expect(sem.readAsync({ timeoutMs: 0 })).rejects.toEqual(code("ETIMEDOUT"));
      writer.downgrade();
      const reader = await sem.readAsync();
      await expect(sem.writeAsync({ timeoutMs: 0 })).rejects.toEqual(code("ETIMEDOUT"));
      expect(sem.readerCount).toBe(2);
      writer.release();
      reader.release();
      const failing = spin.withLockAsync(() => Promise.reject(new Error("inside")));
      await expect(failing).rejects.toThrow("inside");
      expect(words.every((word) => word === 0)).toBe(true);
    });
  });
}

describe("async waiters among blocking threads", () => {
  let actors: Actors;
  afterEach(() => actors.stop());

  it("stand in the same queue", async () => {
    actors = await new Actors(2).ready();
    const { mutex } = actors;
    mutex.lock();
    actors.tell(0, Command.mutexLock);
    actors.untilMutexWaiters(1);
    const got = mutex.lockAsync();
    actors.untilMutexWaiters(2);
    actors.tell(1, Command.mutexLock);
    actors.untilMutexWaiters(3);
    mutex.unlock();
    actors.untilStatus(0, Status.Holding);
    actors.does(0, Command.mutexUnlock, Status.Idle);
    expect(await got).toBe(true);
    expect(actors.status(1)).toBe(Status.Busy);
    mutex.unlock();
    actors.untilStatus(1, Status.Holding);
    mutex.validate();
  });

  it("take no wake-up with them when they are aborted", async () => {
    actors = await new Actors(2).ready();
    const { spin, sem } = actors;
    const controller = new AbortController();
    spin.lock();
    const spinner = spin.lockAsync({ signal: controller.signal });
    await turns();
    actors.tell(0, Command.spinLock);
    sem.downRead();
    const writer = sem.downWriteAsync({ signal: controller.signal });
    await turns();
    actors.tell(1, Command.downRead);
    actors.untilWaiters("W R");
    controller.abort();
    await expect(spinner).rejects.toEqual(code("EINTR"));
    await expect(writer).rejects.toEqual(code("EINTR"));
    // The reader behind the writer is admitted although nobody has released anything.
    actors.untilStatus(1, Status.Holding);
    spin.unlock();
    actors.untilStatus(0, Status.Holding);
    sem.validate();
  });
});

describe("a thread that may not block", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.resetModules();
  });

  it("is told the name of the async form, and the lock stays as it was", async () => {
    // What the main thread of a browser does; the answer is remembered, so it must be a fresh module.
    vi.resetModules();
    vi.spyOn(Atomics, "wait").mockImplementation(() => {
      throw new TypeError("Atomics.wait cannot be called in this context");
    });
    const fresh = await import("../src/index.ts");
    const words = sharedWords(256);
    const spin = new fresh.SpinLock(words, 0);
    const mutex = new fresh.Mutex(words, 16);
    const sem = new fresh.RwSem(words, 80);
    spin.lock();
    mutex.lock();
    sem.downWrite();
    const before = words.slice();
    expect(() => spin.lock()).toThrow(code("EWOULDBLOCK"));
    expect(() => spin.lock()).toThrow("use SpinLock.lockAsync");
    expect(() => mutex.lock({ timeoutMs: 1 })).toThrow("use Mutex.lockAsync");
    expect(() => sem.downRead()).toThrow("use RwSem.downReadAsync");
    expect(() => sem.downWrite()).toThrow("use RwSem.downWriteAsync");
    const completion = new fresh.Completion(words, 160);
    const semaphore = new fresh.Semaphore(words, 176);
    expect(() => completion.wait()).toThrow("use Completion.waitAsync");
    expect(() => semaphore.down()).toThrow("use Semaphore.downAsync");
    expect(words).toEqual(before);
    const got = Promise.all([spin.lockAsync(), mutex.lockAsync(), sem.downReadAsync()]);
    spin.unlock();
    mutex.unlock();
    sem.upWrite();
    expect(await got).toEqual([true, true, true]);
  });
});
