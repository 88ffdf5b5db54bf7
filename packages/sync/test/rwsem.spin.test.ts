/*
 * Spinning, OWNER and HANDOFF, one step at a time in one thread: what another thread would do in the middle of
 * a spin is done from within the look at COUNT that comes then.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RwSem, type RwSemPolicy, ThreadRegistry } from "../src/index.ts";
import { HANDOFF, READER, WAITERS, WRITER } from "../src/rwsem/count.ts";
import { isSpinnable, setNonspinnable } from "../src/rwsem/owner.ts";
import { spinAsFirst, spinForWrite, spinMicrosOn } from "../src/rwsem/spin.ts";
import { RwSemState } from "../src/rwsem/state.ts";
import { Kind, WaitQueue, Wake } from "../src/wait-queue.ts";
import { outcome } from "./support/outcome.ts";

const SPINNER = 3;
let words: Int32Array;
let state: RwSemState;
beforeEach(() => {
  words = new Int32Array(new SharedArrayBuffer(RwSem.WORDS * 4));
  state = new RwSemState(words, 0);
});
afterEach(() => void vi.restoreAllMocks());

/** Counts the looks at COUNT while `fn` runs, and calls `onLook` with the number of each. */
function looksOf(fn: () => void, onLook: (look: number) => void = () => {}): number {
  let looks = 0;
  const load = Atomics.load;
  vi.spyOn(Atomics, "load").mockImplementation(((array: Int32Array, word: number) => {
    if (array === words && word === 0) onLook(++looks);
    return load(array, word);
  }) as typeof Atomics.load);
  fn();
  vi.restoreAllMocks();
  return looks;
}

describe("the spin of a writer", () => {
  it("lasts 10 µs on a writer, and on readers a little longer the more there are", () => {
    expect([0, 1, 2, 30, 31, 1000].map(spinMicrosOn)).toEqual([10, 10.5, 11, 25, 25, 25]);
  });

  it("ends with the lock if that becomes free meanwhile", () => {
    words[0] = WRITER;
    let isTaken = false;
    const looks = looksOf(
      () => {
        isTaken = spinForWrite(state);
      },
      (look) => {
        if (look === 5) words[0] = 0;
      },
    );
    expect([isTaken, looks, words[0], words[SPINNER]]).toEqual([true, 5, WRITER, 0]);
  });

  it("gives up on a writer, and says nothing about it", () => {
    words[0] = WRITER;
    const looks = looksOf(() => expect(spinForWrite(state)).toBe(false));
    expect(looks).toBeGreaterThan(1);
    expect([isSpinnable(state), words[0], words[SPINNER]]).toEqual([true, WRITER, 0]);
  });

  it("gives up on readers for all writers until these readers have left", () => {
    words[0] = 3 * READER;
    expect(spinForWrite(state)).toBe(false);
    expect(isSpinnable(state)).toBe(false);
    expect(looksOf(() => spinForWrite(state))).toBe(1);
    words[0] = WRITER;
    spinForWrite(state);
    expect(isSpinnable(state)).toBe(true); // a writer is inside, so the readers have left
  });

  it("is one writer's at a time", () => {
    words[SPINNER] = 1;
    expect(looksOf(() => expect(spinForWrite(state)).toBe(false))).toBe(0);
    expect([words[0], words[SPINNER]]).toEqual([0, 1]);
  });

  it("passes those who wait by, where the policy has it so, but not one that is owed the lock", () => {
    const answers = (["linux", "fair-fifo", "reader-pref", "writer-pref"] as const).map((policy) => {
      words.fill(0);
      state.choosePolicy("RwSem", policy);
      words[0] = WAITERS;
      const isStolen = spinForWrite(state);
      words[0] = WAITERS | HANDOFF;
      return [policy, isStolen, spinForWrite(state)];
    });
    expect(answers).toEqual([
      ["linux", true, false],
      ["fair-fifo", false, false],
      ["reader-pref", false, false],
      ["writer-pref", true, false],
    ]);
  });

  it("begins anew when the lock goes from readers to a writer", () => {
    words[0] = READER;
    setNonspinnable(state);
    const looks = looksOf(() => spinForWrite(state));
    words[0] = WRITER;
    const more = looksOf(
      () => spinForWrite(state),
      (look) => {
        if (look === 3) words[0] = READER;
      },
    );
    expect(looks).toBe(1);
    expect(more).toBeGreaterThan(3);
    expect(isSpinnable(state)).toBe(false);
  });

  it("of the first waiter ends when the lock is free, or it is told something, or the time is over", () => {
    words[0] = WRITER | WAITERS | HANDOFF;
    state.queue.lock();
    const slot = state.queue.enqueue(Kind.Write);
    state.queue.unlock();
    expect(spinAsFirst(state, slot)).toBe(false);
    const free = (look: number): void => {
      if (look === 4) words[0] = WAITERS | HANDOFF;
    };
    expect(looksOf(() => expect(spinAsFirst(state, slot)).toBe(true), free)).toBe(4);
    words[0] = WRITER | WAITERS | HANDOFF;
    state.queue.lock();
    state.queue.wake(slot, Wake.Compete);
    state.queue.unlock();
    expect(looksOf(() => expect(spinAsFirst(state, slot)).toBe(true))).toBe(1);
  });
});

describe("OWNER of an RwSem", () => {
  it("names who had to wait, and nobody who had not", async () => {
    const registry = new ThreadRegistry(new Int32Array(new SharedArrayBuffer(256)), 0, 8);
    const agent = registry.join();
    const sem = new RwSem(words, 0);
    try {
      sem.downWrite();
      expect(sem.owner).toBeUndefined();
      const writer = sem.downWriteAsync();
      sem.upWrite();
      await writer;
      expect(sem.owner).toEqual({ agent, mode: "write" });
      const reader = sem.downReadAsync();
      sem.upWrite();
      await reader;
      expect(sem.owner).toEqual({ agent, mode: "read" });
      sem.upRead();
      sem.validate();
    } finally {
      registry.leave();
    }
  });

  it("is spinnable again when the last reader leaves somebody waiting", async () => {
    const sem = new RwSem(words, 0);
    sem.downRead();
    setNonspinnable(state);
    const writer = sem.downWriteAsync();
    sem.upRead();
    expect(isSpinnable(state)).toBe(true);
    expect(await writer).toBe(true);
  });
});

describe("HANDOFF of an RwSem", () => {
  let nowMs = 0;
  beforeEach(() => {
    nowMs = 1000;
    vi.spyOn(Date, "now").mockImplementation(() => nowMs);
  });

  /** A writer that waits for a reader is woken, and finds the lock stolen. @returns COUNT then */
  async function overtakeWriter(policy: RwSemPolicy, afterMs: number): Promise<number> {
    words.fill(0);
    const sem = new RwSem(words, 0, { policy });
    sem.downRead();
    const writer = sem.downWriteAsync();
    nowMs += afterMs;
    // The last reader leaves, and is there again before the writer runs.
    sem.upRead();
    state.addReader();
    expect(await outcome(writer)).toBe("waiting");
    const count = state.load();
    sem.upRead();
    expect(await writer).toBe(true);
    expect(state.load()).toBe(WRITER);
    sem.validate();
    return count;
  }

  it("is set by a first writer that has been overtaken and has waited for 4 ms, and stops everybody", async () => {
    expect(await overtakeWriter("linux", 3)).toBe(READER | WAITERS);
    expect(await overtakeWriter("linux", 4)).toBe(READER | WAITERS | HANDOFF);
    expect(await overtakeWriter("fair-fifo", 4)).toBe(READER | WAITERS | HANDOFF);
    expect(await overtakeWriter("writer-pref", 4)).toBe(READER | WAITERS | HANDOFF);
  });

  it("is never set where readers are preferred: writers may starve there", async () => {
    expect(await overtakeWriter("reader-pref", 1000)).toBe(READER | WAITERS);
  });

  /** A reader is to be granted the lock, and a spinning writer steals it just before. @returns COUNT then */
  async function overtakeReader(afterMs: number): Promise<number> {
    words.fill(0);
    const sem = new RwSem(words, 0);
    sem.downWrite();
    const reader = sem.downReadAsync();
    nowMs += afterMs;
    const lock = WaitQueue.prototype.lock;
    const steal = vi.spyOn(WaitQueue.prototype, "lock").mockImplementation(function (this: WaitQueue) {
      expect(spinForWrite(state)).toBe(true);
      lock.call(this);
    });
    sem.upWrite();
    steal.mockRestore();
    expect(await outcome(reader)).toBe("waiting");
    const count = state.load();
    expect(spinForWrite(state)).toBe(false);
    sem.upWrite();
    expect(await reader).toBe(true);
    expect(state.load()).toBe(READER);
    return count;
  }

  it("is set for a first reader whose grant was stolen from when it has waited for 4 ms", async () => {
    expect(await overtakeReader(3)).toBe(WRITER | WAITERS);
    expect(await overtakeReader(4)).toBe(WRITER | WAITERS | HANDOFF);
  });
});

describe("the readers a waker takes", () => {
  it("are all that are queued, or as many as it says, or those before the next writer", () => {
    const { queue } = state;
    const take = (untilWriter: boolean, most: number): string => {
      words.fill(0);
      queue.lock();
      for (const kind of [Kind.Read, Kind.Read, Kind.Write, Kind.Read]) queue.enqueue(kind);
      const taken = queue.takeReaders(untilWriter, most);
      queue.unlock();
      return `${taken.length}, left ${queue.describe()}`;
    };
    expect([take(false, 256), take(true, 256), take(false, 1)]).toEqual([
      "3, left W",
      "2, left W R",
      "1, left R W R",
    ]);
  });
});
