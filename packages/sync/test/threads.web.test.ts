import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type AgentDeath,
  RcuDomain,
  spawnWebAgent,
  ThreadRegistry,
  type WebAgentOptions,
  type WebAgentSeat,
  type WebWorkerLike,
} from "../src/index.ts";

const REGISTRY = 0;
const DOMAIN = 512;
const code = (name: string) => expect.objectContaining({ code: name });

/** A Node worker that, like one on the Web, tells nobody when it ends but by its lock. */
class Silent implements WebWorkerLike {
  readonly #worker: Worker;
  /** By lock: when its thread is gone. Node keeps the locks of a worker that was terminated, so these are ours. */
  static readonly ends: Map<string, Promise<unknown>> = new Map();

  constructor(words: Int32Array, seat: WebAgentSeat, act: string) {
    const workerData = { words, seat, act };
    this.#worker = new Worker(new URL("./support/web-agent.worker.ts", import.meta.url), { workerData });
    Silent.ends.set(seat.lockName, new Promise((resolve) => this.#worker.on("exit", resolve)));
    this.#worker.on("error", () => {});
  }

  addEventListener(_type: "error", listener: (event: unknown) => void): void {
    this.#worker.on("error", (error) => listener({ error }));
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

let words: Int32Array;
let registry: ThreadRegistry;
let rcu: RcuDomain;
let deaths: AgentDeath[];

beforeEach(() => {
  words = new Int32Array(new SharedArrayBuffer(8192));
  registry = new ThreadRegistry(words, REGISTRY);
  rcu = new RcuDomain(words, DOMAIN);
  deaths = [];
  registry.onDeath((death) => deaths.push(death));
  registry.onDeath(({ id }) => rcu.agentDied(id));
});
afterEach(() => {
  registry.validate();
  rcu.validate();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("spawnWebAgent, with Web Locks", () => {
  beforeEach(() => {
    const request = async (name: string, hold: () => Promise<unknown>) => {
      await Silent.ends.get(name);
      return hold();
    };
    vi.stubGlobal("navigator", { locks: { request } });
  });
  const spawn = (act: string, options?: WebAgentOptions) =>
    spawnWebAgent(registry, (seat) => new Silent(words, seat, act), options);
  const untilReading = async () => {
    while (!String(rcu).includes("reading: 0")) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  it.each(["sleep", "spin"])(
    "a worker terminated in its section, where it %ss, holds nobody up",
    async (act) => {
      const agent = spawn(act);
      await untilReading();
      expect(registry.stateOf(agent.id)).toBe("alive");
      const cookie = rcu.cookie();
      expect(rcu.poll(cookie)).toBe(false);
      agent.worker.terminate(); // the worker's own method is watched as well
      expect(await agent.ended).toBe(true);
      expect(rcu.poll(cookie)).toBe(true);
      expect(deaths.map(({ id }) => id)).toEqual([agent.id]);
    },
  );

  it("a worker that ends by itself without leaving has died, one that has left has not", async () => {
    const ending = spawn("end");
    expect(await ending.ended).toBe(true);
    const leaving = spawn("leave");
    expect(await leaving.ended).toBe(false);
    expect(deaths.map(({ id }) => id)).toEqual([ending.id]);
    expect(registry.deaths).toBe(1);
  });

  it("an error that nobody handles is a death, with its cause", async () => {
    const agent = spawn("throw");
    expect(await agent.ended).toBe(true);
    expect(deaths[0].error).toMatchObject({ message: "in the section" });
  });

  it("a worker that is silent for too long is terminated, one that beats is not", async () => {
    const quiet = spawn("spin", { silentMs: 120 });
    const lively = spawn("beat", { silentMs: 5_000 });
    expect(await quiet.ended).toBe(true);
    expect(String(deaths[0].error)).toContain("no sign of life for 120 ms");
    expect(registry.isAlive(lively.id)).toBe(true);
    expect(await lively.terminate()).toBe(true);
  });
});

/** Does nothing at all. */
class Still implements WebWorkerLike {
  terminated = 0;
  fail: (event: unknown) => void = () => {};
  addEventListener(_type: "error", listener: (event: unknown) => void): void {
    this.fail = listener;
  }
  terminate(): void {
    this.terminated++;
  }
}

describe("spawnWebAgent, without Web Locks", () => {
  beforeEach(() => {
    vi.stubGlobal("navigator", {});
    vi.useFakeTimers();
  });

  it("waits until a terminated worker must have been stopped by force", async () => {
    const agent = spawnWebAgent(registry, () => new Still());
    agent.worker.terminate();
    await vi.advanceTimersByTimeAsync(2_500);
    expect([agent.worker.terminated, deaths.length]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await agent.ended).toBe(true);
    expect(deaths).toHaveLength(1);
  });

  it("terminates a worker that fails to load, and keeps the error", async () => {
    const agent = spawnWebAgent(registry, () => new Still());
    agent.worker.fail({ type: "error" });
    expect(agent.worker.terminated).toBe(1);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(deaths).toEqual([{ id: agent.id, exitCode: undefined, error: { type: "error" } }]);
  });

  it("rejects if a death hook throws, and gives the id back if the worker cannot be made", async () => {
    registry.onDeath(() => {
      throw new Error("hook");
    });
    const agent = spawnWebAgent(registry, () => new Still());
    const rejected = expect(agent.ended).rejects.toThrow(AggregateError);
    void agent.terminate().catch(() => {});
    await vi.advanceTimersByTimeAsync(4_000);
    await rejected;
    const failing = () =>
      spawnWebAgent(registry, () => {
        throw new Error("no worker");
      });
    expect(failing).toThrow("no worker");
    expect(registry.agents).toEqual([]);
    expect(() => spawnWebAgent(registry, () => new Still(), { silentMs: 0 })).toThrow(RangeError);
  });

  it("has no place in a full registry", () => {
    const full = new ThreadRegistry(new Int32Array(ThreadRegistry.words(1)), 0, 1);
    full.reserve();
    expect(() => spawnWebAgent(full, () => new Still())).toThrow(code("ENOSPC"));
  });
});
