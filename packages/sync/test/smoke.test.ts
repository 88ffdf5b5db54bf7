import { expect, it } from "vitest";
import { RwSem, SpinLock } from "../src/index.ts";

it("a held spinlock refuses a second taker until it is released", () => {
  const lock = new SpinLock(new Int32Array(new SharedArrayBuffer(4096)), 0);
  expect(lock.tryLock()).toBe(true);
  expect(lock.tryLock()).toBe(false);
  lock.unlock();
  expect(lock.tryLock()).toBe(true);
});

it("an rwsem admits readers together and a writer alone", () => {
  const sem = new RwSem(new Int32Array(new SharedArrayBuffer(65536)), 0);
  expect(sem.tryDownRead()).toBe(true);
  expect(sem.tryDownRead()).toBe(true);
  expect(sem.tryDownWrite()).toBe(false);
  sem.upRead();
  sem.upRead();
  expect(sem.tryDownWrite()).toBe(true);
  expect(sem.tryDownRead()).toBe(false);
});
