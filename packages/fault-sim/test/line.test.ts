import { describe, expect, it } from "vitest";
import { Engine, type EngineOptions, machineByName } from "../src/index.ts";

const NS = 1000;

function make(options: EngineOptions = {}): Engine {
  return new Engine(machineByName("broadwell-56"), { jitter: 0, ...options });
}

/** CPUs 0, 2, 4 … are cores of socket 0; 28, 30 … of socket 1. */
function updateOnceEach(sim: Engine, cpus: readonly number[]): [cpu: number, time: number][] {
  const line = sim.line("hot");
  const done: [number, number][] = [];
  cpus.forEach((cpu, index) => {
    sim.spawn(`cpu ${cpu}`, cpu, function* (agent) {
      yield agent.work(10 + index);
      yield agent.rmw(line);
      done.push([cpu, sim.now]);
    });
  });
  sim.run(100_000 * NS);
  return done;
}

describe("a cache line", () => {
  it("serves updates first come, first served, however far the cores are apart", () => {
    const order = [0, 28, 2, 30, 4];
    expect(updateOnceEach(make(), order).map(([cpu]) => cpu)).toEqual(order);
  });

  it("serves the nearest waiter first if told so", () => {
    const served = updateOnceEach(make({ arbitration: "nearest" }), [0, 28, 2, 30, 4]).map(([cpu]) => cpu);
    expect(served).toEqual([0, 2, 4, 28, 30]);
  });

  it("takes the hold window and the way between two cores for a hand-over", () => {
    const served = updateOnceEach(make(), [0, 2, 28]);
    const [first, second, third] = served.map(([, time]) => time) as [number, number, number];
    expect(second - first).toBe(20 * NS + 45_200);
    expect(third - second).toBe(20 * NS + 127_500);
  });

  it("lets its owner follow up within the hold window although others wait", () => {
    const sim = make();
    const line = sim.line("hot");
    const log: string[] = [];
    sim.spawn("owner", 0, function* (agent) {
      yield agent.rmw(line);
      yield agent.write(line);
      log.push("owner stored");
      yield agent.work(50 * NS);
      yield agent.write(line);
      log.push("owner came back");
    });
    sim.spawn("other", 2, function* (agent) {
      yield agent.work(1 * NS);
      yield agent.rmw(line);
      log.push("other");
    });
    sim.run(10_000 * NS);
    expect(log).toEqual(["owner stored", "other", "owner came back"]);
  });

  it("cannot be kept by an owner that never stops while another waits", () => {
    const sim = make();
    const line = sim.line("hot");
    let served = false;
    sim.spawn("greedy", 0, function* (agent) {
      for (;;) yield agent.rmw(line);
    });
    sim.spawn("other", 2, function* (agent) {
      yield agent.work(100 * NS);
      yield agent.rmw(line);
      served = true;
    });
    sim.run(1000 * NS);
    expect(served).toBe(true);
  });

  it("answers readers of one socket together and other sockets after them", () => {
    const sim = make();
    const line = sim.line("hot");
    const at = new Map<number, number>();
    sim.spawn("writer", 0, function* (agent) {
      yield agent.write(line);
    });
    for (const cpu of [2, 28, 4, 30, 6]) {
      sim.spawn(`reader ${cpu}`, cpu, function* (agent) {
        yield agent.work(95 * NS);
        yield agent.read(line);
        at.set(cpu, sim.now);
      });
    }
    sim.run(10_000 * NS);
    expect(at.get(4)).toBe(at.get(2));
    expect(at.get(6)).toBe(at.get(2));
    expect(at.get(30)).toBe(at.get(28));
    expect(at.get(28)).toBeGreaterThan(at.get(2)!);
  });

  it("costs a reader next to nothing while it has a copy, and a transfer after a store by another", () => {
    const sim = make();
    const line = sim.line("hot");
    const costs: number[] = [];
    sim.spawn("reader", 0, function* (agent) {
      for (let i = 0; i < 3; i++) {
        const start = sim.now;
        yield agent.read(line);
        costs.push(sim.now - start);
        yield agent.work(i === 1 ? 1000 * NS : 1);
      }
    });
    sim.spawn("writer", 2, function* (agent) {
      yield agent.work(500 * NS);
      yield agent.write(line);
    });
    sim.run(10_000 * NS);
    expect(costs).toEqual([sim.machine.memory, sim.machine.localRead, 45_200]);
  });
});

describe("a machine", () => {
  it("places threads on all cores before it doubles them up, spread over sockets or filling one", () => {
    const machine = machineByName("broadwell-56");
    expect(machine.place(4, "spread")).toEqual([0, 28, 2, 30]);
    expect(machine.place(4, "fill")).toEqual([0, 2, 4, 6]);
    expect(machine.place(29, "spread").at(-1)).toBe(1);
    expect(() => machine.place(57)).toThrow("broadwell-56 has 56 CPUs, not 57");
  });

  it("has a name, or the error lists the names", () => {
    expect(() => machineByName("vax")).toThrow('unknown machine "vax"; known: broadwell-56');
  });
});
