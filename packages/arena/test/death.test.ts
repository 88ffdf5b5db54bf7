import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena, type SlabCache } from "@faultline/arena";
import { ThreadRegistry } from "@faultline/sync";
import { afterEach, describe, expect, it } from "vitest";
import * as L from "../src/layout.ts";
import { State, stateIndex } from "../src/object-state.ts";

const KIB16 = 16384;
const OPTIONS = { name: "node", objectWords: 64, alignWords: 64 };
const BASE = L.cacheRecord(0);

/** Plays all agents in one thread: `self` says whose turn it is. */
class Agents {
  self = 5000;
  readonly dead = new Set<number>();
  isAlive(id: number): boolean {
    return !this.dead.has(id);
  }
}

interface Stage {
  readonly agents: Agents;
  readonly arena: Arena;
  readonly cache: SlabCache;
  /** The agent 5000 dies with these words left behind; 5001 goes on. */
  die(
    change?: (i32: Int32Array, record: number) => void,
    hasLock?: boolean,
  ): { arena: Arena; cache: SlabCache };
}

function setup(): Stage {
  const agents = new Agents();
  const arena = Arena.create({ shared: true, bytes: KIB16, agents });
  const cache = arena.cache(OPTIONS);
  const die: Stage["die"] = (change = () => {}, hasLock = false) => {
    change(arena.i32, arena.i32[BASE + L.MAGAZINES]);
    if (hasLock) arena.i32[L.LOCK] = 5000;
    agents.dead.add(5000);
    agents.self = 5001;
    const survivor = Arena.attach(arena.handle(), agents);
    return { arena: survivor, cache: survivor.cache(OPTIONS) };
  };
  return { agents, arena, cache, die };
}

describe("the death of an agent", () => {
  it("gives back what it had at hand and reserved, and keeps what it had allocated", () => {
    const { cache, die } = setup();
    const word = cache.alloc();
    cache.reserve(100);
    expect(cache.stats()).toMatchObject({ live: 1, atHand: 56, reserved: 100 });
    const survivor = die();
    expect(survivor.arena.agentDied(5000)).toBe(true);
    survivor.arena.validate();
    expect(survivor.cache.stats()).toMatchObject({ atHand: 0, reserved: 0, live: 1 });
    expect(survivor.cache.live()).toEqual([word]);
    expect(survivor.arena.agentDied(5000)).toBe(false);
  });

  // What the words are between the stores of alloc() and free(); `word` is the last object at hand.
  const moments: [string, (i32: Int32Array, record: number, word: number) => void][] = [
    ["about to take an object out", (i32, m, word) => (i32[m + L.IN_HAND] = word)],
    [
      "with an object in hand, neither at hand nor live",
      (i32, m, word) => {
        i32[m + L.IN_HAND] = word;
        i32[m + L.COUNT]--;
      },
    ],
    [
      "with a live object in hand that no caller has seen yet, or one that its caller has just given up",
      (i32, m, word) => {
        i32[m + L.IN_HAND] = word;
        i32[m + L.COUNT]--;
        new Uint8Array(i32.buffer)[stateIndex(word, 6)] = State.Live;
      },
    ],
  ];
  it.each(moments)("%s, loses none", (_, change) => {
    const { arena, cache, die } = setup();
    cache.free(cache.alloc());
    const record = arena.i32[BASE + L.MAGAZINES];
    const word = arena.i32[record + L.ENTRIES + arena.i32[record + L.COUNT] - 1];
    const survivor = die((i32) => change(i32, record, word));
    survivor.arena.agentDied(5000);
    survivor.arena.validate();
    expect(survivor.cache.stats()).toMatchObject({ live: 0, free: 63, atHand: 0 });
  });

  // What the words are in the middle of what is done under the lock.
  const heldMoments: [string, number, (i32: Int32Array, record: number, words: number[]) => void][] = [
    ["nothing half done", 4, () => {}],
    ["an object taken off the free list, with no home", 4, (i32) => (i32[BASE + L.FREE_HEAD] = 0)],
    ["the count of free objects changed alone", 4, (i32) => (i32[BASE + L.FREE] -= 1)],
    [
      "an object at hand that is still FREE",
      4,
      (i32, m) => (new Uint8Array(i32.buffer)[stateIndex(i32[m + L.ENTRIES], 6)] = State.Free),
    ],
    [
      "a freed object not linked yet",
      3,
      (i32, _, words) => (new Uint8Array(i32.buffer)[stateIndex(words[0], 6)] = State.Free),
    ],
    [
      "a deferred object not linked yet",
      3,
      (i32, _, words) => (new Uint8Array(i32.buffer)[stateIndex(words[0], 6)] = State.Deferred),
    ],
    ["the deferred list cut", 4, (i32) => (i32[BASE + L.DEFERRED_TAIL] = 0)],
    ["a carve-out begun in a new chunk", 4, (i32) => (i32[L.CARVE] = i32[L.CARVE_END] + 64)],
  ];
  it.each(heldMoments)("under the lock, %s, leaves the next a whole arena", (_, live, change) => {
    const { arena, cache, die } = setup();
    const words = Array.from({ length: 6 }, () => cache.alloc());
    cache.freeDeferred(words[4]);
    cache.freeDeferred(words[5]);
    arena.cache({ name: "other", objectWords: 64 });
    // A chunk above the carve-outs, so that what is begun there lies inside the arena.
    Array.from({ length: 100 }, () => cache.alloc()).forEach((word) => void cache.free(word));
    const survivor = die((i32, record) => change(i32, record, words), true);
    survivor.arena.agentDied(5000);
    survivor.arena.validate();
    survivor.arena.rcu.synchronize();
    survivor.cache.reclaim();
    survivor.arena.validate();
    expect(survivor.cache.stats()).toMatchObject({ live, deferred: 0, atHand: 0 });
  });

  it("without agents is none: attach says what is missing", () => {
    const { arena, agents } = setup();
    expect(() => Arena.attach(arena.handle())).toThrow("was created with agents, attach needs them");
    const plain = Arena.create({ shared: true });
    expect(() => Arena.attach(plain.handle(), agents)).toThrow("was created without agents");
    expect(() => Arena.create({ agents })).toThrow("agents are for a shared arena");
    expect(() => arena.agentDied(0)).toThrow(
      "Arena.agentDied: id must be an integer in 1..1073741823, got 0",
    );
  });
});

describe("workers terminated at any instruction", () => {
  const registry = new Int32Array(new SharedArrayBuffer(4 * ThreadRegistry.words()));
  const agents = new ThreadRegistry(registry, 0);
  agents.join();
  afterEach(() => void agents.validate());

  it("leave an arena in which every object is live, free or deferred, and nobody hangs", async () => {
    const arena = Arena.create({ shared: true, bytes: KIB16, bytesMax: 2 ** 24, agents });
    const cache = arena.cache(OPTIONS);
    agents.protect(arena);
    for (let death = 0; death < 12; death++) {
      const ids = [agents.reserve(), agents.reserve()];
      const workers = ids.map((id) => start(arena, id));
      await Promise.all(workers.map((worker) => once(worker, "message")));
      await new Promise((resolve) => setTimeout(resolve, 1 + (death % 7)));
      await workers[0].terminate();
      agents.declareDead(ids[0]);
      for (let i = 0; i < 300; i++) cache.free(cache.alloc());
      await workers[1].terminate();
      agents.declareDead(ids[1]);
      cache.reclaim();
      arena.validate();
      for (const word of cache.live()) cache.free(word);
      expect(cache.stats()).toMatchObject({ live: 0, reserved: 0 });
    }
    arena.close();
    arena.validate();
    expect(arena.leaks()).toEqual([]);
  });

  function start(arena: Arena, id: number): Worker {
    return new Worker(new URL("./death.worker.ts", import.meta.url), {
      workerData: { handle: arena.handle(), registry, id },
      execArgv: ["--conditions=@faultline/source"],
    });
  }
});
