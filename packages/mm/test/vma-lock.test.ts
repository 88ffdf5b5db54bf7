import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { VmaLock } from "../src/index.ts";

describe("the lock of a VMA", () => {
  test("lets many readers in, and no reader past a writer", () => {
    const words = new Int32Array(4);
    const lock = new VmaLock(words, 1);
    expect(lock.tryRead()).toBe(true);
    expect(lock.tryRead()).toBe(true);
    expect(lock).toMatchObject({ readers: 2, hasWriter: false });
    expect(lock.tryWrite()).toBe(false);
    lock.unlockRead();
    lock.unlockRead();
    lock.write();
    expect(lock.tryRead()).toBe(false);
    lock.unlockWrite();
    expect([...words]).toEqual([0, 0, 0, 0]);
  });

  test("over an ArrayBuffer a wait that could never end is refused, and the lock is as before", () => {
    const lock = new VmaLock(new Int32Array(1), 0);
    lock.tryRead();
    expect(() => lock.write()).toThrow("EDEADLK");
    expect(lock).toMatchObject({ readers: 1, hasWriter: false });
    lock.unlockRead();
    lock.write();
    expect(() => lock.read()).toThrow("EDEADLK");
    expect(() => lock.write()).toThrow("EDEADLK");
  });

  test("a release by somebody who cannot hold it is refused", () => {
    const lock = new VmaLock(new Int32Array(1), 0);
    expect(() => lock.unlockRead()).toThrow("EPERM");
    expect(() => lock.unlockWrite()).toThrow("EPERM");
    expect(lock.readers).toBe(0);
  });

  test("a writer waits for the readers of other threads, and each side sees the other's writes", async () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    const worker = new Worker(new URL("./vma-lock.worker.ts", import.meta.url), {
      workerData: { words },
      execArgv: ["--conditions=@faultline/source"],
    });
    const lock = new VmaLock(words, 0);
    const ended = new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    while (Atomics.load(words, 1) === 0) Atomics.wait(words, 1, 0, 1);
    for (let round = 0; round < 20_000; round++) {
      lock.write();
      // Two plain stores that a reader must never see apart.
      words[2]! += 1;
      words[3]! += 1;
      lock.unlockWrite();
    }
    Atomics.store(words, 4, 1);
    expect(await ended).toEqual({ torn: 0 });
    expect(words[0]).toBe(0);
  });
});
