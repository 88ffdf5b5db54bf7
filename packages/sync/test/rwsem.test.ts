import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RwSem } from "../src/index.ts";
import { WaitQueue } from "../src/wait-queue.ts";
import { LOCK } from "./support/actor-words.ts";
import { Actors, Command, Status, until } from "./support/actors.ts";
import { sharedWords, wordsOn } from "./support/memory.ts";

const code = (name: string) => expect.objectContaining({ code: name });

describe("RwSem in one thread", () => {
  for (const Buffer of [ArrayBuffer, SharedArrayBuffer]) {
    it(`admits many readers or one writer on a zeroed ${Buffer.name}`, () => {
      const sem = new RwSem(wordsOn(Buffer, 256), 32);
      expect(sem.isLocked).toBe(false);
      sem.downRead();
      expect(sem.tryDownRead()).toBe(true);
      expect(sem.readerCount).toBe(2);
      expect(sem.isWriteLocked).toBe(false);
      expect(sem.tryDownWrite()).toBe(false);
      sem.upRead();
      sem.upRead();
      sem.downWrite();
      expect(sem.isWriteLocked).toBe(true);
      expect(sem.tryDownRead()).toBe(false);
      expect(sem.readerCount).toBe(0);
      sem.downgradeWrite();
      expect(String(sem)).toBe("RwSem(1 reading, waiting: nobody)");
      expect(sem.tryDownRead()).toBe(true);
      sem.upRead();
      sem.upRead();
      expect(sem.isLocked).toBe(false);
      sem.validate();
    });
  }

  it("throws EDEADLK on an ArrayBuffer and stays as it was", () => {
    const sem = new RwSem(new Int32Array(RwSem.WORDS), 0);
    sem.downRead();
    expect(() => sem.downWrite()).toThrow(code("EDEADLK"));
    expect(String(sem)).toBe("RwSem(1 reading, waiting: nobody)");
    sem.upRead();
    sem.downWrite();
    expect(() => sem.downRead({ timeoutMs: 1 })).toThrow(code("EDEADLK"));
    expect(String(sem)).toBe("RwSem(write-locked, waiting: nobody)");
    sem.upWrite();
    sem.validate();
  });

  it("throws EPERM for a release without a hold and stays as it was", () => {
    const words = new Int32Array(RwSem.WORDS);
    const sem = new RwSem(words, 0);
    expect(() => sem.upRead()).toThrow(code("EPERM"));
    expect(() => sem.upWrite()).toThrow(code("EPERM"));
    expect(() => sem.downgradeWrite()).toThrow(code("EPERM"));
    sem.downRead();
    expect(() => sem.upWrite()).toThrow(code("EPERM"));
    sem.upRead();
    expect(words.every((word) => word === 0)).toBe(true);
  });

  it("checks the timeout before it touches the lock", () => {
    const sem = new RwSem(new Int32Array(RwSem.WORDS), 0);
    expect(() => sem.downRead({ timeoutMs: Number.NaN })).toThrow(RangeError);
    expect(() => sem.downWrite({ timeoutMs: -1 })).toThrow("RwSem.downWrite: timeoutMs");
    expect(sem.isLocked).toBe(false);
  });

  it("leaves nothing in the queue after a timeout", () => {
    const words = sharedWords(RwSem.WORDS);
    const sem = new RwSem(words, 0);
    sem.downWrite();
    expect(sem.downRead({ timeoutMs: 1 })).toBe(false);
    expect(sem.downWrite({ timeoutMs: 1 })).toBe(false);
    sem.upWrite();
    sem.downRead();
    expect(sem.downWrite({ timeoutMs: 1 })).toBe(false);
    expect(sem.isContended).toBe(false);
    sem.upRead();
    sem.validate();
    expect(sem.tryDownWrite()).toBe(true);
  });

  it("downgrades through the guard, once", () => {
    const sem = new RwSem(new Int32Array(RwSem.WORDS), 0);
    const guard = sem.write();
    guard.downgrade();
    expect(sem.readerCount).toBe(1);
    expect(() => guard.downgrade()).toThrow(code("EPERM"));
    guard.release();
    expect(sem.isLocked).toBe(false);
    const reader = sem.read();
    reader[Symbol.dispose]();
    reader.release();
    expect(sem.isLocked).toBe(false);
  });

  it("says which bits are wrong", () => {
    const words = new Int32Array(RwSem.WORDS);
    const sem = new RwSem(words, 0);
    words[0] = 8;
    expect(() => sem.validate()).toThrow("COUNT 0x8 has reserved bits");
    words[0] = 1 << 31;
    expect(() => sem.validate()).toThrow("more than 2^23 - 1 readers");
    words[0] = 2;
    expect(() => sem.validate()).toThrow("WAITERS is true, but 0 wait");
  });
});

describe("RwSem between threads", () => {
  let actors: Actors;
  // New threads and a new lock for each test: after a failure this thread must not wait for a stuck lock.
  beforeEach(async () => {
    actors = await new Actors(5).ready();
  });
  afterEach(() => actors.stop());

  it("stops new readers while a writer is queued, and admits them together after it", () => {
    const { sem } = actors;
    sem.downRead();
    actors.tell(0, Command.downWrite);
    actors.untilWaiters("W");
    expect(sem.isContended).toBe(true);
    expect(sem.tryDownRead()).toBe(false);
    actors.tell(1, Command.downRead);
    actors.untilWaiters("W R");
    actors.tell(2, Command.downRead);
    actors.untilWaiters("W R R");
    sem.upRead();
    actors.untilStatus(0, Status.Holding);
    expect(sem.waiters).toBe("R R");
    actors.does(0, Command.upWrite, Status.Idle);
    actors.untilStatus(1, Status.Holding);
    actors.untilStatus(2, Status.Holding);
    expect(sem.isContended).toBe(false);
    actors.does(1, Command.upRead, Status.Idle);
    actors.does(2, Command.upRead, Status.Idle);
    sem.validate();
  });

  it("admits every queued reader in one phase, skipping over writers", () => {
    const { sem } = actors;
    sem.downWrite();
    const script = [
      Command.downRead,
      Command.downWrite,
      Command.downRead,
      Command.downWrite,
      Command.downRead,
    ];
    const queue = ["R", "R W", "R W R", "R W R W", "R W R W R"];
    for (const [actor, command] of script.entries()) {
      actors.tell(actor, command);
      actors.untilWaiters(queue[actor]);
    }
    sem.upWrite();
    for (const reader of [0, 2, 4]) actors.untilStatus(reader, Status.Holding);
    actors.untilWaiters("W W");
    expect(sem.readerCount).toBe(3);
    for (const reader of [0, 2, 4]) actors.does(reader, Command.upRead, Status.Idle);
    actors.untilStatus(1, Status.Holding);
    expect(actors.status(3)).toBe(Status.Busy);
    actors.does(1, Command.upWrite, Status.Idle);
    actors.untilStatus(3, Status.Holding);
    actors.does(3, Command.upWrite, Status.Idle);
    sem.validate();
  });

  it("admits queued readers on a downgrade if a reader is first, nobody if a writer is", () => {
    const { sem } = actors;
    sem.downWrite();
    actors.tell(0, Command.downRead);
    actors.untilWaiters("R");
    actors.tell(1, Command.downWrite);
    actors.untilWaiters("R W");
    sem.downgradeWrite();
    actors.untilStatus(0, Status.Holding);
    actors.untilWaiters("W");
    actors.does(0, Command.upRead, Status.Idle);
    expect(actors.status(1)).toBe(Status.Busy);
    sem.upRead();
    actors.untilStatus(1, Status.Holding);
    actors.tell(0, Command.downWrite);
    actors.untilWaiters("W");
    actors.does(1, Command.downgradeWrite, Status.Holding);
    expect(sem.waiters).toBe("W");
    actors.does(1, Command.upRead, Status.Idle);
    actors.untilStatus(0, Status.Holding);
    actors.does(0, Command.upWrite, Status.Idle);
    sem.validate();
  });

  it("wakes the readers behind a writer that has given up", () => {
    const { sem } = actors;
    sem.downRead();
    actors.tell(0, Command.downWriteTimed);
    actors.untilWaiters("W");
    // Should this reader come after the writer has given up, it is admitted without queueing.
    actors.tell(1, Command.downRead);
    actors.untilStatus(0, Status.TimedOut);
    actors.untilStatus(1, Status.Holding);
    expect(sem.isContended).toBe(false);
    actors.does(1, Command.upRead, Status.Idle);
    sem.upRead();
    sem.validate();
  });

  it("lets a queued reader give up", () => {
    const { sem } = actors;
    sem.downWrite();
    actors.does(0, Command.downReadTimed, Status.TimedOut);
    expect(sem.waiters).toBe("");
    sem.upWrite();
    expect(sem.isLocked).toBe(false);
    sem.validate();
  });

  it("hands over to a writer that has been overtaken for longer than the limit", () => {
    const { sem } = actors;
    sem.downRead();
    actors.tell(0, Command.downWrite);
    actors.untilWaiters("W");
    // Steal the lock whenever it is free; once the writer has set HANDOFF, downRead({0}) cannot succeed.
    until(
      () => {
        sem.upRead();
        return !sem.downRead({ timeoutMs: 0 });
      },
      () => `the writer still waits: ${sem}`,
    );
    actors.untilStatus(0, Status.Holding);
    expect(String(sem)).toBe("RwSem(write-locked, waiting: nobody)");
    actors.does(0, Command.upWrite, Status.Idle);
    sem.validate();
  });
});

describe("RwSem in strict order of arrival", () => {
  it("lets nobody overtake a waiter that has been woken and is not up yet", async () => {
    const actors = await new Actors(1, "fair-fifo").ready();
    try {
      const { sem } = actors;
      for (let round = 0; round < 20; round++) {
        sem.downRead();
        actors.tell(0, Command.downWrite);
        actors.untilWaiters("W");
        sem.upRead();
        // Whether the writer is up or not, it was here first.
        expect([sem.downWrite({ timeoutMs: 0 }), sem.downRead({ timeoutMs: 0 })]).toEqual([false, false]);
        actors.untilStatus(0, Status.Holding);
        actors.does(0, Command.upWrite, Status.Idle);
        sem.validate();
      }
    } finally {
      await actors.stop();
    }
  });
});

describe("RwSem with more waiters than slots", () => {
  it("lets the others sleep until a slot is free", async () => {
    const actors = await new Actors(19).ready();
    try {
      const { sem } = actors;
      const queue = new WaitQueue(actors.words, LOCK.rwsem + 8);
      sem.downWrite();
      const all = Array.from({ length: 19 }, (_, actor) => actor);
      for (const actor of all) actors.tell(actor, Command.downRead);
      until(
        () => queue.overflow === 3,
        () => `${queue.overflow} outside the queue, ${sem}`,
      );
      sem.upWrite();
      for (const actor of all) actors.untilStatus(actor, Status.Holding);
      expect(sem.readerCount).toBe(19);
      for (const actor of all) actors.does(actor, Command.upRead, Status.Idle);
      sem.validate();
      expect(sem.isLocked).toBe(false);
    } finally {
      await actors.stop();
    }
  });
});
