import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AgentDeath, RcuDomain, SrcuDomain, spawnAgent, ThreadRegistry } from "../src/index.ts";
import { setCurrentAgentId } from "../src/threads/current.ts";
import { PLAN } from "./support/mortal.ts";

const code = (name: string) => expect.objectContaining({ code: name });

describe("ThreadRegistry", () => {
  const words = () => new Int32Array(new SharedArrayBuffer(ThreadRegistry.words(2) * 4));
  afterEach(() => setCurrentAgentId(0));

  it("never gives the same id twice in a row, and forgets those who have left", () => {
    const registry = new ThreadRegistry(words(), 0, 2);
    const ids = new Set<number>();
    for (let round = 0; round < 5; round++) {
      const id = registry.join();
      expect(registry.stateOf(id)).toBe("alive");
      expect(registry.agents).toEqual([id]);
      ids.add(id);
      registry.leave();
      expect(registry.isAlive(id)).toBe(false);
      registry.validate();
    }
    expect(ids.size).toBe(5);
    expect(Math.min(...ids)).toBeGreaterThanOrEqual(1024);
  });

  it("comes round after the last generation, without an id 0", () => {
    const w = words();
    w[16] = (2 ** 20 - 1) << 2;
    const registry = new ThreadRegistry(w, 0, 2);
    expect(registry.reserve()).toBe(1 << 10);
    registry.validate();
  });

  it("reports a death once, with the agent dead while hooks run and free afterwards", () => {
    const registry = new ThreadRegistry(words(), 0, 2);
    const id = registry.reserve();
    const seen: string[] = [];
    registry.onDeath((death) => seen.push(`${death.id === id} ${registry.stateOf(id)} ${death.exitCode}`));
    const remove = registry.onDeath(() => seen.push("never"));
    remove();
    expect(registry.declareDead(id, 3)).toBe(true);
    expect(registry.declareDead(id, 3)).toBe(false);
    expect(seen).toEqual(["true dead 3"]);
    expect(registry.stateOf(id)).toBe("unknown");
    expect(registry.deaths).toBe(1);
    expect(registry.reserve()).not.toBe(id);
    expect(registry.declareDead(id)).toBe(false);
  });

  it("runs every hook even if one throws", () => {
    const registry = new ThreadRegistry(words(), 0, 2);
    let ran = 0;
    registry.onDeath(() => {
      throw new Error("hook");
    });
    registry.onDeath(() => ran++);
    const id = registry.reserve();
    expect(() => registry.declareDead(id)).toThrow(AggregateError);
    expect(ran).toBe(1);
    expect(registry.agents).toEqual([]);
  });

  it("refuses misuse", () => {
    const w = words();
    const registry = new ThreadRegistry(w, 0, 2);
    const id = registry.join();
    expect(() => registry.join()).toThrow(code("EINVAL"));
    expect(() => registry.declareDead(id)).toThrow(code("EINVAL"));
    registry.leave();
    expect(() => registry.leave()).toThrow(code("EINVAL"));
    expect(() => registry.join(id)).toThrow(`${id} is unknown, not starting`);
    registry.validate();
    const other = new ThreadRegistry(words(), 0, 2);
    other.reserve();
    other.reserve();
    expect(() => other.reserve()).toThrow(code("ENOSPC"));
    expect(() => new ThreadRegistry(w, 0, 1)).toThrow("agentsMax is 2 in the words, got 1");
    expect(() => new ThreadRegistry(w, 0, 1025)).toThrow("agentsMax must be an integer in 1..1024, got 1025");
    for (const bad of [0, 5, -1, 1.5, 1024 + 500]) expect(other.stateOf(bad)).toBe("unknown");
    expect(() =>
      spawnAgent(registry, () => {
        throw new Error("no thread");
      }),
    ).toThrow("no thread");
    expect(registry.agents).toEqual([]);
    expect(registry.deaths).toBe(0);
    w[16] = 1;
    expect(() => registry.validate()).toThrow("entry 0 is 1");
  });
});

describe("a thread that dies inside read sections", () => {
  let words: Int32Array;
  let registry: ThreadRegistry;
  let deaths: AgentDeath[];
  beforeEach(() => {
    words = new Int32Array(new SharedArrayBuffer(PLAN.words * 4));
    registry = new ThreadRegistry(words, PLAN.registry, 4);
    deaths = [];
    registry.onDeath((death) => deaths.push(death));
  });

  const domains = () => [
    new RcuDomain(words, PLAN.mb, { agentsMax: 4 }),
    new RcuDomain(words, PLAN.qsbr, { agentsMax: 4 }),
    new SrcuDomain(words, PLAN.srcu, { agentsMax: 4 }),
  ];

  const start = (end: string) =>
    spawnAgent(registry, (id) => {
      const workerData = { buffer: words.buffer, id, end };
      return new Worker(new URL("./support/mortal.worker.ts", import.meta.url), { workerData });
    });

  for (const end of ["sleep", "spin", "throw", "return"]) {
    it(`holds nobody up and is reported: ${end}`, async () => {
      const all = domains();
      for (const rcu of all) registry.onDeath(({ id }) => void rcu.agentDied(id));
      const { id, worker, ended } = start(end);
      await new Promise((reading) => worker.once("message", reading));
      const waiting = all.map((rcu) => rcu.synchronizeAsync());
      if (end === "sleep" || end === "spin") {
        expect(all.map((rcu) => rcu.poll(rcu.cookie()))).toEqual([false, false, false]);
        await worker.terminate();
      }
      expect(await ended).toBe(true);
      await Promise.all(waiting);
      for (const rcu of all) {
        rcu.synchronize();
        rcu.validate();
      }
      expect(deaths.map((death) => death.id)).toEqual([id]);
      if (end === "throw") expect(String(deaths[0].error)).toContain("in the section");
      expect(registry.agents).toEqual([]);
    });
  }

  it("holds nobody up, at whatever instruction its end comes", async () => {
    const all = domains();
    for (const rcu of all) registry.onDeath(({ id }) => void rcu.agentDied(id));
    for (let pair = 0; pair < 6; pair++) {
      const agents = [start("work"), start("work")];
      await Promise.all(
        agents.map(({ worker }) => new Promise((reading) => worker.once("message", reading))),
      );
      for (const { worker, ended } of agents) {
        const waiting = all.map((rcu) => rcu.synchronizeAsync());
        await new Promise((turn) => setTimeout(turn, (pair * 7) % 5));
        await worker.terminate();
        expect(await ended).toBe(true);
        await Promise.all(waiting);
      }
      for (const rcu of all) {
        rcu.synchronize();
        rcu.validate();
      }
    }
    expect(deaths.length).toBe(12);
    expect(registry.deaths).toBe(12);
    registry.validate();
  });

  it("is no death if it has left", async () => {
    const all = domains();
    const { ended } = start("leave");
    expect(await ended).toBe(false);
    expect(deaths).toEqual([]);
    for (const rcu of all) rcu.synchronize();
  });
});
