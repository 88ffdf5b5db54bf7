import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Agent, Steps } from "../src/index.ts";
import { Engine, machineByName, Rcu, Rwsem, type RwsemGeneration, Spinlock } from "../src/index.ts";

const US = 1_000_000;

function make(seed = 1, jitter = 0): Engine {
  return new Engine(machineByName("broadwell-56"), { seed, jitter });
}

describe("the spinlock", () => {
  it("hands over in the order of arrival", () => {
    const sim = make();
    const lock = new Spinlock(sim, "lock");
    const order: number[] = [];
    [0, 28, 2, 30, 4, 32].forEach((cpu, index) => {
      sim.spawn(`t${index}`, cpu, function* (agent) {
        yield agent.work(1 + index * 200_000);
        yield* lock.lock(agent);
        order.push(index);
        yield agent.work(5 * US);
        yield* lock.unlock(agent);
      });
    });
    sim.run(1000 * US);
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    expect(lock.isLocked).toBe(false);
    expect(lock.stats.contended).toBe(5);
  });

  it("refuses a holder that goes to sleep, and an unlock by somebody else", () => {
    const sim = make();
    const lock = new Spinlock(sim, "lock");
    sim.spawn("sleepy", 0, function* (agent) {
      yield* lock.lock(agent);
      yield agent.park();
    });
    expect(() => sim.run(US)).toThrow("sleepy sleeps while holding a spinlock");
    const other = make();
    const lock2 = new Spinlock(other, "lock2");
    other.spawn("thief", 0, (agent) => lock2.unlock(agent));
    expect(() => other.run(US)).toThrow("lock2: unlocked by thief, which does not hold it");
  });
});

describe("the rwsem", () => {
  it("lets readers share while nobody waits", () => {
    const sim = make();
    const sem = new Rwsem(sim, "sem");
    let most = 0;
    for (const cpu of [0, 2, 4]) {
      sim.spawn(`reader ${cpu}`, cpu, function* (agent) {
        yield* sem.downRead(agent);
        most = Math.max(most, sem.readers);
        yield agent.work(10 * US);
        yield* sem.upRead(agent);
      });
    }
    sim.run(100 * US);
    expect(most).toBe(3);
    expect(sem.stats.contended).toBe(0);
  });

  it("makes a new reader queue behind a writer that waits for a reader", () => {
    const { log } = scannerWriterReader(true);
    expect(log).toEqual(["scanner in", "scanner out", "writer in", "writer out", "reader in"]);
  });

  it("lets the same reader in at once when no writer waits", () => {
    const { log } = scannerWriterReader(false);
    expect(log).toEqual(["scanner in", "reader in", "scanner out"]);
  });

  it("wakes all queued readers in one batch when the writer leaves", () => {
    const sim = make();
    const sem = new Rwsem(sim, "sem");
    let most = 0;
    sim.spawn("writer", 0, function* (agent) {
      yield* sem.downWrite(agent);
      yield agent.work(100 * US);
      yield* sem.upWrite(agent);
    });
    for (const cpu of [2, 4, 6, 8]) {
      sim.spawn(`reader ${cpu}`, cpu, function* (agent) {
        yield agent.work(US);
        yield* sem.downRead(agent);
        most = Math.max(most, sem.readers);
        yield agent.work(20 * US);
        yield* sem.upRead(agent);
      });
    }
    sim.run(1000 * US);
    expect(most).toBe(4);
    expect(sem.queued).toBe(0);
  });

  it("spins for a running writer and sleeps for it in the generation without spinning", () => {
    const waits = (generation: RwsemGeneration): [spin: number, sleep: number] => {
      const sim = make();
      const sem = new Rwsem(sim, "sem", undefined, generation);
      for (const cpu of [0, 2]) {
        sim.spawn(`writer ${cpu}`, cpu, function* (agent) {
          yield* sem.downWrite(agent);
          yield agent.work(30 * US);
          yield* sem.upWrite(agent);
        });
      }
      const second = sim.run(500 * US)[1]!;
      return [second.spin, second.sleep];
    };
    expect(waits("handoff")[0]).toBeGreaterThan(25 * US);
    expect(waits("handoff")[1]).toBe(0);
    expect(waits("sleep")[1]).toBeGreaterThan(25 * US);
  });

  it("lets queued readers in when the writer downgrades, and still keeps writers out", () => {
    const sim = make();
    const sem = new Rwsem(sim, "sem");
    const log: string[] = [];
    sim.spawn("writer", 0, function* (agent) {
      yield* sem.downWrite(agent);
      yield agent.work(50 * US);
      yield* sem.downgradeWrite(agent);
      yield agent.work(50 * US);
      log.push(`still reading with ${sem.readers}`);
      yield* sem.upRead(agent);
    });
    sim.spawn("reader", 2, function* (agent) {
      yield agent.work(US);
      yield* sem.downRead(agent);
      log.push("reader in");
      yield agent.work(100 * US);
      yield* sem.upRead(agent);
    });
    sim.run(1000 * US);
    expect(log).toEqual(["reader in", "still reading with 2"]);
  });

  it.each(["sleep", "spin", "handoff"] as const)(
    "excludes writers from everybody and loses no wake-up (%s)",
    (generation) => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 2, max: 12 }),
          fc.integer({ min: 0, max: 100 }),
          (seed, threads, writes) => {
            const sim = make(seed, 0.5);
            const sem = new Rwsem(sim, "sem", undefined, generation);
            const chance = sim.stream("choice");
            const inside = { readers: 0, writers: 0 };
            let finished = 0;
            for (let index = 0; index < threads; index++) {
              sim.spawn(`t${index}`, index * 2, function* (agent) {
                for (let round = 0; round < 20; round++) {
                  if (chance.below(100) < writes) yield* writeOnce(sem, agent, inside, chance.below(2) === 0);
                  else yield* readOnce(sem, agent, inside);
                  yield agent.work(chance.below(5) * 400_000 + 1);
                  sem.validate();
                }
                finished++;
              });
            }
            sim.run(100_000 * US);
            expect(finished).toBe(threads);
            expect(sem.readers).toBe(0);
            expect(sem.writer).toBeUndefined();
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  it("costs a pair of read lock and unlock two visits of the line", () => {
    const sim = make();
    const sem = new Rwsem(sim, "sem");
    const rounds = 1000;
    let done = 0;
    for (const cpu of [0, 2, 4, 6]) {
      sim.spawn(`reader ${cpu}`, cpu, function* (agent) {
        for (let i = 0; i < rounds; i++) {
          yield* sem.downRead(agent);
          yield agent.work(200_000);
          yield* sem.upRead(agent);
          yield agent.work(200_000);
          done++;
        }
      });
    }
    sim.run(100_000 * US);
    expect(done).toBe(4 * rounds);
    expect(sem.line.transfers / done).toBeGreaterThan(1.9);
    expect(sem.line.transfers / done).toBeLessThanOrEqual(2.01);
  });
});

describe("RCU", () => {
  it("holds memory back for a grace period and reports the peak", () => {
    const sim = make();
    const rcu = new Rcu(sim, 100 * US);
    const held: number[] = [];
    sim.spawn("updater", 0, function* (agent) {
      for (let i = 0; i < 3; i++) {
        rcu.defer(agent, 256);
        yield agent.work(40 * US);
        held.push(rcu.heldBytes);
      }
      yield agent.work(200 * US);
      held.push(rcu.heldBytes);
    });
    sim.run(1000 * US);
    expect(held).toEqual([256, 512, 512, 0]);
    expect(rcu.report()).toEqual({ deferred: 3, peakBytes: 768 });
  });
});

function scannerWriterReader(withWriter: boolean): { log: string[] } {
  const sim = make();
  const sem = new Rwsem(sim, "sem");
  const log: string[] = [];
  sim.spawn("scanner", 0, function* (agent) {
    yield* sem.downRead(agent);
    log.push("scanner in");
    yield agent.work(200 * US);
    log.push("scanner out");
    yield* sem.upRead(agent);
  });
  if (withWriter) {
    sim.spawn("writer", 2, function* (agent) {
      yield agent.work(US);
      yield* sem.downWrite(agent);
      log.push("writer in");
      yield agent.work(US);
      log.push("writer out");
      yield* sem.upWrite(agent);
    });
  }
  sim.spawn("reader", 4, function* (agent) {
    yield agent.work(100 * US);
    yield* sem.downRead(agent);
    log.push("reader in");
    yield* sem.upRead(agent);
  });
  sim.run(2000 * US);
  return { log };
}

interface Inside {
  readers: number;
  writers: number;
}

function* readOnce(sem: Rwsem, agent: Agent, inside: Inside): Steps {
  yield* sem.downRead(agent);
  inside.readers++;
  expect(inside.writers).toBe(0);
  yield agent.work(800_000);
  inside.readers--;
  yield* sem.upRead(agent);
}

function* writeOnce(sem: Rwsem, agent: Agent, inside: Inside, downgrade: boolean): Steps {
  yield* sem.downWrite(agent);
  inside.writers++;
  expect(inside).toEqual({ readers: 0, writers: 1 });
  yield agent.work(800_000);
  inside.writers--;
  if (!downgrade) {
    yield* sem.upWrite(agent);
    return;
  }
  inside.readers++;
  yield* sem.downgradeWrite(agent);
  yield agent.work(300_000);
  inside.readers--;
  yield* sem.upRead(agent);
}
