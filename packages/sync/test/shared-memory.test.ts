import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { assemble, moduleText } from "../scripts/assemble.ts";
import {
  type ExclusiveLock,
  Mutex,
  QSpinLock,
  RcuDomain,
  RwSem,
  SharedMemory,
  SpinLock,
} from "../src/index.ts";
import { FAST_PATHS_HEX } from "../src/wasm/fast-paths.generated.ts";
import { countNotifies } from "./support/notifies.ts";

const PAGE = 65_536;

describe("SharedMemory", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it("is zeroed, rounded up to whole pages, and its locks use WebAssembly", () => {
    const memory = SharedMemory.create({ bytes: PAGE + 1 });
    expect(memory.buffer.byteLength).toBe(2 * PAGE);
    expect(memory.words().every((word) => word === 0)).toBe(true);
    expect(String(memory)).toBe("SharedMemory(131072 bytes, wasm)");
    const words = memory.words();
    const all = [new SpinLock(words, 0), new QSpinLock(words, 1), new Mutex(words, 16), new RwSem(words, 80)];
    expect(all.map((lock) => lock.backend)).toEqual(["wasm", "wasm", "wasm", "wasm"]);
  });

  it("leaves every other buffer to JavaScript", () => {
    for (const words of [new Int32Array(256), new Int32Array(new SharedArrayBuffer(1024))]) {
      const all = [new SpinLock(words, 0), new Mutex(words, 16), new RwSem(words, 80)];
      expect(all.map((lock) => lock.backend)).toEqual(["js", "js", "js"]);
    }
  });

  it("is the same memory in another agent, whatever that agent gets to see of it", () => {
    const memory = SharedMemory.create({ bytes: 1 });
    const other = SharedMemory.attach(structuredClone(memory.handle()));
    expect(other.buffer).not.toBe(memory.buffer);
    expect(other.backend).toBe("wasm");
    const mutex = new Mutex(memory.words(), 16);
    mutex.lock();
    expect(new Mutex(other.words(), 16).tryLock()).toBe(false);
    // A buffer posted by itself says nothing of the memory behind it: the same lock, in JavaScript.
    const bare = new Mutex(new Int32Array(structuredClone(memory.buffer)), 16);
    expect(bare.backend).toBe("js");
    bare.unlock();
    expect(mutex.isLocked).toBe(false);
  });

  it("grows, and views on the old buffer go on working", () => {
    const memory = SharedMemory.create({ bytes: PAGE, bytesMax: 4 * PAGE });
    const other = SharedMemory.attach(structuredClone(memory.handle()));
    const old = new Mutex(memory.words(), 16);
    memory.grow(PAGE + 1);
    memory.grow(1);
    expect([memory.buffer.byteLength, other.buffer.byteLength]).toEqual([2 * PAGE, 2 * PAGE]);
    const beyond = new Mutex(other.words(), PAGE / 4);
    expect([old.backend, beyond.backend]).toEqual(["wasm", "wasm"]);
    old.lock();
    expect(new Mutex(other.words(), 16).isLocked).toBe(true);
    beyond.lock();
    expect(memory.words()[PAGE / 4]).toBe(1);
    expect(() => memory.grow(4 * PAGE + 1)).toThrow();
    expect(memory.buffer.byteLength).toBe(2 * PAGE);
  });

  for (const [what, missing] of [
    ["WebAssembly is missing", undefined],
    [
      "the engine has no shared memories",
      {
        Memory: class {
          buffer = new ArrayBuffer(8);
        },
      },
    ],
  ] as const) {
    it(`falls back to a SharedArrayBuffer, without an error, where ${what}`, () => {
      vi.stubGlobal("WebAssembly", missing);
      const memory = SharedMemory.create({ bytes: 10, bytesMax: 3 * PAGE });
      expect(String(memory)).toBe("SharedMemory(65536 bytes, js)");
      memory.grow(2 * PAGE);
      expect(memory.words().length).toBe(PAGE / 2);
      expect(() => memory.grow(4 * PAGE)).toThrow(RangeError);
      expect(SharedMemory.attach(structuredClone(memory.handle())).backend).toBe("js");
      expect(new Mutex(memory.words(), 0).backend).toBe("js");
    });
  }

  it("names what is out of range", () => {
    expect(() => SharedMemory.create({ bytes: 0 })).toThrow(
      "bytes must be an integer in 1..4294967296, got 0",
    );
    expect(() => SharedMemory.create({ bytes: 8, bytesMax: 7 })).toThrow(
      "bytesMax must be an integer in 8..",
    );
    expect(() => SharedMemory.create({ bytes: 1.5 })).toThrow(RangeError);
    expect(() => SharedMemory.attach({ memory: {} })).toThrow(TypeError);
    expect(() => SharedMemory.attach(undefined as never)).toThrow("expected what SharedMemory.handle()");
  });
});

describe("the WebAssembly module", () => {
  it("is what its text says", async () => {
    const text = moduleText(await assemble());
    expect(text).toContain(FAST_PATHS_HEX.slice(0, 96));
    expect(text.replace(/[^0-9a-f]/g, "")).toContain(FAST_PATHS_HEX);
  });

  it("is small enough for a page's main thread, which may compile 4 KiB", () => {
    expect(FAST_PATHS_HEX.length / 2).toBeLessThan(4096);
  });
});

/** One primitive over each memory, and what a script does with it. */
type Action = "lock" | "unlock" | "read" | "unread" | "write" | "unwrite" | "downgrade";
const ACTIONS: readonly Action[] = ["lock", "unlock", "read", "unread", "write", "unwrite", "downgrade"];

function exclusive(lock: ExclusiveLock): (action: Action) => unknown {
  return (action) => {
    if (action === "lock" || action === "read") return lock.tryLock() || lock.lock({ timeoutMs: 0 });
    if (action === "unlock" || action === "unread") return lock.unlock();
    return lock.isLocked;
  };
}

function readersAndWriters(sem: RwSem): (action: Action) => unknown {
  const actions: Record<Action, () => unknown> = {
    lock: () => sem.tryDownRead(),
    unlock: () => sem.readerCount,
    read: () => sem.downRead({ timeoutMs: 0 }),
    unread: () => sem.upRead(),
    write: () => sem.downWrite({ timeoutMs: 0 }),
    unwrite: () => sem.upWrite(),
    downgrade: () => sem.downgradeWrite(),
  };
  return (action) => actions[action]();
}

function sections(rcu: RcuDomain): (action: Action) => unknown {
  let cookie = 0;
  const actions: Record<Action, () => unknown> = {
    lock: () => rcu.readLock(),
    unlock: () => rcu.readUnlock(),
    read: () => rcu.readLock(),
    unread: () => rcu.readUnlock(),
    write: () => {
      cookie = rcu.cookie();
    },
    unwrite: () => rcu.poll(cookie),
    downgrade: () => rcu.isReading,
  };
  return (action) => actions[action]();
}

const players: Record<string, (words: Int32Array) => (action: Action) => unknown> = {
  SpinLock: (words) => exclusive(new SpinLock(words, 0)),
  "QSpinLock with nodes": (words) => exclusive(new QSpinLock(words, 0, { nodes: 16, nodesMax: 4 })),
  Mutex: (words) => exclusive(new Mutex(words, 0)),
  RwSem: (words) => readersAndWriters(new RwSem(words, 0)),
  "RcuDomain mb": (words) => sections(new RcuDomain(words, 0, { agentsMax: 2 })),
};

/** What it returned, or the error's name and code. */
function outcomeOf(play: (action: Action) => unknown, action: Action): unknown {
  try {
    return play(action);
  } catch (error) {
    const { name, code } = error as { name: string; code?: string };
    return `${name} ${code}`;
  }
}

describe("the two backends", () => {
  const LENGTH = 256;
  const pool = SharedMemory.create({ bytes: 1 << 24 }).buffer;
  let used = 4;
  /** Fresh words at an address of their own. */
  const wasmWords = () => {
    used = used + 4 * LENGTH > pool.byteLength ? 4 : used;
    const words = new Int32Array(pool, used, LENGTH).fill(0);
    used += 4 * LENGTH;
    return words;
  };

  for (const [name, player] of Object.entries(players)) {
    it(`${name}: the same calls have the same results, leave the same words and notify as often`, () => {
      fc.assert(
        fc.property(fc.array(fc.constantFrom(...ACTIONS), { maxLength: 60 }), (script) => {
          const both = [new Int32Array(new SharedArrayBuffer(4 * LENGTH)), wasmWords()];
          const [js, wasm] = both.map((words) => player(words));
          const counts = [0, 0];
          for (const action of script) {
            const outcomes: unknown[] = [];
            counts[0] += countNotifies(() => void outcomes.push(outcomeOf(js, action)));
            counts[1] += countNotifies(() => void outcomes.push(outcomeOf(wasm, action)));
            expect(outcomes[1]).toEqual(outcomes[0]);
            expect(Array.from(both[1])).toEqual(Array.from(both[0]));
          }
          expect(counts[1]).toBe(counts[0]);
        }),
      );
    });
  }

  /** Who holds it, a second one who sleeps, and the release that ends that. */
  const handOvers: Record<
    string,
    (words: Int32Array) => [hold: () => void, wait: () => unknown, free: () => void]
  > = {
    SpinLock: (words) => {
      const lock = new SpinLock(words, 0);
      return [() => lock.lock(), () => lock.lockAsync(), () => lock.unlock()];
    },
    Mutex: (words) => {
      const lock = new Mutex(words, 0);
      return [() => lock.lock(), () => lock.lockAsync(), () => lock.unlock()];
    },
    "RwSem, a writer after a reader": (words) => {
      const sem = new RwSem(words, 0);
      return [() => sem.downRead(), () => sem.downWriteAsync(), () => sem.upRead()];
    },
    "RwSem, a reader after a writer": (words) => {
      const sem = new RwSem(words, 0);
      return [() => sem.downWrite(), () => sem.downReadAsync(), () => sem.upWrite()];
    },
    "RcuDomain mb": (words) => {
      const rcu = new RcuDomain(words, 0, { agentsMax: 2 });
      return [() => rcu.readLock(), () => rcu.synchronizeAsync(), () => rcu.readUnlock()];
    },
  };

  for (const [name, handOver] of Object.entries(handOvers)) {
    it(`${name}: a release wakes the sleeper, by as many notifies and over the same words`, async () => {
      const both = [new Int32Array(new SharedArrayBuffer(4 * LENGTH)), wasmWords()];
      const seen: number[] = [];
      for (const words of both) {
        const [hold, wait, free] = handOver(words);
        hold();
        void wait();
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(countNotifies(free));
      }
      expect(seen[1]).toBe(seen[0]);
      expect(seen[0]).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, 5));
      // Further back is the queue, which remembers when somebody came.
      const [js, wasm] = both.map((words) => Array.from(words.subarray(0, 8)));
      expect(wasm).toEqual(js);
    });
  }
});
