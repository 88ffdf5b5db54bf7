import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Agent, Steps } from "../src/index.ts";
import { Engine, EventQueue, Histogram, machineByName, RandomStream, Rcu, sumOf } from "../src/index.ts";

const US = 1_000_000;

function engine(seed = 1, jitter = 0): Engine {
  return new Engine(machineByName("broadwell-56"), { seed, jitter });
}

describe("the event queue", () => {
  it("gives out events by time, and those of one time in the order they came in", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 300 }), (times) => {
        const queue = new EventQueue(2);
        times.forEach((time, index) => {
          queue.push(time, index, 0);
          queue.validate();
        });
        const out: [number, number][] = [];
        while (queue.pop()) out.push([queue.time, queue.target]);
        const sorted = times
          .map((time, index): [number, number] => [time, index])
          .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(out).toEqual(sorted);
      }),
    );
  });

  it("refuses a time that is not an integer of picoseconds", () => {
    expect(() => new EventQueue().push(1.5, 0, 0)).toThrow(
      "EventQueue.push: time must be an integer in 0..2^53-1, got 1.5",
    );
  });
});

describe("the engine", () => {
  it("makes breakdowns that sum to the run time whatever the programs do", () => {
    const action = fc.constantFrom("work", "read", "rmw", "zero", "spin", "shootdown", "nap");
    fc.assert(
      fc.property(
        fc.array(fc.array(action, { maxLength: 12 }), { minLength: 1, maxLength: 6 }),
        fc.nat(),
        (scripts, seed) => {
          const sim = engine(seed, 0.5);
          const line = sim.line("hot");
          scripts.forEach((script, cpu) => {
            sim.spawn(`t${cpu}`, cpu, function* (agent): Steps {
              for (;;) {
                for (const what of script) {
                  if (what === "work") yield agent.work(700_000);
                  else if (what === "read") yield agent.read(line);
                  else if (what === "rmw") yield agent.rmw(line);
                  else if (what === "zero") yield agent.zero(0);
                  else if (what === "spin") yield agent.spin(300_000);
                  else if (what === "shootdown") yield agent.shootdown(sim.agents);
                  else yield* nap(agent);
                }
                yield agent.work(100_000);
              }
            });
          });
          const breakdowns = sim.run(50 * US);
          for (const one of breakdowns) expect(sumOf(one)).toBe(50 * US);
          sim.lines.validate();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives one result for one seed and another for another seed", () => {
    const run = (seed: number): unknown => {
      const sim = engine(seed, 0.5);
      const line = sim.line("hot");
      for (let cpu = 0; cpu < 8; cpu++) {
        sim.spawn(`t${cpu}`, cpu, function* (agent) {
          for (;;) {
            yield agent.work(500_000);
            yield agent.rmw(line);
          }
        });
      }
      return [sim.run(100 * US), sim.steps];
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  it("slows hyper-threads of one core down, and only those", () => {
    const count = (cpus: number[]): number => {
      const sim = engine();
      let done = 0;
      for (const cpu of cpus) {
        sim.spawn(`t${cpu}`, cpu, function* (agent) {
          for (;;) {
            yield agent.work(US);
            done++;
          }
        });
      }
      sim.run(1000 * US);
      return done;
    };
    expect(count([0])).toBe(1000);
    expect(count([0, 2])).toBe(2000);
    expect(count([0, 1])).toBeGreaterThan(1230);
    expect(count([0, 1])).toBeLessThan(1250);
  });

  it("wakes a sleeper after the wake-up latency, and not at all if the wake came first", () => {
    const sim = engine();
    let resumedAt = -1;
    const sleeper = sim.spawn("sleeper", 0, function* (agent) {
      yield agent.park();
      resumedAt = sim.now;
      yield agent.work(10 * US);
      yield agent.park();
      expect(sim.now).toBe(resumedAt + 10 * US);
    });
    sim.spawn("waker", 2, function* (agent) {
      yield agent.work(5 * US);
      yield agent.unpark(sleeper);
      yield agent.work(4 * US);
      yield agent.unpark(sleeper);
    });
    const [breakdown] = sim.run(100 * US);
    expect(resumedAt).toBe(9 * US);
    expect(breakdown).toMatchObject({ sleep: 3.5 * US, wakeup: 4 * US });
  });

  it("names who is left when nothing can happen any more", () => {
    const sim = engine();
    sim.spawn("hopeful", 0, function* (agent) {
      yield agent.park();
    });
    expect(() => sim.run(US * 10)).toThrow("nothing can happen any more; left over: hopeful (asleep)");
  });

  it("refuses to sleep inside an RCU read section", () => {
    const sim = engine();
    const rcu = new Rcu(sim);
    sim.spawn("reader", 0, function* (agent) {
      rcu.readLock(agent);
      yield agent.park();
    });
    expect(() => sim.run(US)).toThrow("reader sleeps inside an RCU read section");
  });

  it("charges the targets of a shootdown for the interrupt", () => {
    const sim = engine();
    const forever = function* (agent: Agent): Steps {
      for (;;) yield agent.work(US);
    };
    sim.spawn("initiator", 0, function* (agent) {
      yield agent.shootdown(sim.agents);
    });
    sim.spawn("target", 2, forever);
    const [initiator, target] = sim.run(100 * US);
    expect(target?.interrupt).toBe(sim.machine.ipiHandler);
    expect(initiator?.shootdown).toBe(
      sim.machine.ipiBase + sim.machine.ipiSend + sim.machine.ipiDelivery + sim.machine.ipiHandler,
    );
  });

  it("refuses two threads on one CPU and bad options", () => {
    const sim = engine();
    const nothing = function* (): Steps {};
    sim.spawn("a", 0, nothing);
    expect(() => sim.spawn("b", 0, nothing)).toThrow("CPU 0 already runs a");
    expect(() => new Engine(machineByName("phone-8"), { seed: -1 })).toThrow(
      "seed must be an integer in 0..9007199254740991, got -1",
    );
    expect(() => new Engine(machineByName("phone-8"), { jitter: 2 })).toThrow(
      "jitter must be in 0..1, got 2",
    );
  });
});

describe("streams and histograms", () => {
  it("keep streams apart by name, so that using one does not move another", () => {
    const alone = new RandomStream(3, "b");
    const other = new RandomStream(3, "a");
    const beside = new RandomStream(3, "b");
    const expected = Array.from({ length: 20 }, () => alone.nextUint32());
    const actual = Array.from({ length: 20 }, () => {
      other.nextUint32();
      return beside.nextUint32();
    });
    expect(actual).toEqual(expected);
    expect(other.nextUint32()).not.toBe(beside.nextUint32());
  });

  it("are exact to about 3 per cent at every quantile", () => {
    const durations = fc.array(fc.integer({ min: 0, max: 2 ** 50 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
        const histogram = new Histogram();
        for (const one of list) histogram.add(one);
        const sorted = [...list].sort((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(q * list.length) - 1)]!;
        expect(histogram.quantile(q)).toBeGreaterThanOrEqual(exact);
        expect(histogram.quantile(q)).toBeLessThanOrEqual(exact * (1 + 1 / 32));
        expect(histogram.summary().max).toBe(sorted.at(-1));
      }),
    );
  });
});

function* nap(agent: Agent): Steps {
  // A permit is left for itself, so the park is taken at once and nobody is left asleep.
  yield agent.unpark(agent);
  yield agent.park();
}
