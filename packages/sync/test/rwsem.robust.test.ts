import { describe, expect, it } from "vitest";
import { type Agents, RobustRwSem, type RobustRwSemOptions, type RwSemPolicy } from "../src/index.ts";
import { Death, dieAfter } from "./support/death.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const POLICIES: readonly RwSemPolicy[] = ["linux", "fair-fifo", "reader-pref", "writer-pref"];

/** A lock, and agents that live in this one thread. */
class World {
  readonly words: Int32Array = new Int32Array(new SharedArrayBuffer(RobustRwSem.WORDS * 4));
  readonly dead = new Set<number>();
  repairs = 0;
  readonly #options: Partial<RobustRwSemOptions>;

  constructor(options: Partial<RobustRwSemOptions> = {}) {
    this.#options = options;
  }
  /** The lock as agent `index` sees it. */
  agent(index: number): RobustRwSem {
    const agents: Agents = { self: 1024 + index, isAlive: (id) => !this.dead.has(id) };
    const repair = () => void this.repairs++;
    return new RobustRwSem(this.words, 0, { agents, repair, ...this.#options });
  }
  die(index: number): void {
    this.dead.add(1024 + index);
  }
}

/** The promise's value, or "waiting" if it does not settle although everybody has had many turns. */
async function outcome<T>(promise: Promise<T>): Promise<T | "waiting"> {
  let settled: { value: T } | undefined;
  promise.then(
    (value) => {
      settled = { value };
    },
    () => {},
  );
  for (let turn = 0; turn < 100 && settled === undefined; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return settled === undefined ? "waiting" : promise;
}

describe("RobustRwSem, while everybody lives", () => {
  it("admits many readers or one writer, and names them", () => {
    const world = new World();
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downRead();
    expect(b.tryDownRead()).toBe(true);
    expect(a.tryDownWrite()).toBe(false);
    expect(a.holders).toEqual([1025, 1026]);
    expect(String(b)).toBe("RobustRwSem(read by 1025, 1026, waiting: nobody)");
    b.validate();
    a.upRead();
    b.upRead();
    expect(b.tryDownWrite()).toBe(true);
    expect(b.tryDownWrite()).toBe(false);
    expect(String(a)).toBe("RobustRwSem(written by 1026, waiting: nobody)");
    expect(a.tryDownRead()).toBe(false);
    expect(() => a.upWrite()).toThrow(code("EPERM"));
    b.downgradeWrite();
    expect(a.tryDownRead()).toBe(true);
    expect(a.readerCount).toBe(2);
    a.upRead();
    b.upRead();
    expect(() => b.upRead()).toThrow(code("EPERM"));
    expect(a.isLocked).toBe(false);
    a.validate();
  });

  it("gives an agent's tasks one bit, which the last of them clears", async () => {
    const world = new World();
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downRead();
    expect(a.tryDownRead()).toBe(true);
    expect(a.readerCount).toBe(1);
    const writer = b.downWriteAsync();
    expect(await outcome(writer)).toBe("waiting");
    a.upRead();
    expect(a.isLocked).toBe(true);
    a.upRead();
    expect(await writer).toBe(true);
    b.upWrite();
    b.validate();
  });

  it("keeps the bit when it is granted to a second task and the first one leaves before that knows", async () => {
    const world = new World();
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downRead();
    const writer = b.downWriteAsync({ timeoutMs: 20 });
    const second = a.downReadAsync();
    expect(a.waiters).toBe("W R");
    expect(await writer).toBe(false); // and by that the second reader is granted
    a.upRead();
    expect(await second).toBe(true);
    expect(a.readerCount).toBe(1);
    a.validate();
    a.upRead();
    expect(a.isLocked).toBe(false);
  });

  it("lets a second task queue while the first one writes, and downgrades beside it", async () => {
    const world = new World();
    const a = world.agent(1);
    a.downWrite();
    const second = a.downReadAsync();
    expect(await outcome(second)).toBe("waiting");
    a.downgradeWrite();
    expect(await second).toBe(true);
    a.validate();
    a.upRead();
    expect(a.readerCount).toBe(1);
    a.upRead();
    expect(a.isLocked).toBe(false);
  });

  it("refuses to block an agent for itself, and threads that have not joined", () => {
    const world = new World();
    const a = world.agent(1);
    a.downWrite();
    expect(() => a.downRead()).toThrow(code("EDEADLK"));
    expect(() => a.downWrite()).toThrow(code("EDEADLK"));
    a.downgradeWrite();
    expect(() => a.downWrite()).toThrow(code("EDEADLK"));
    a.upRead();
    expect(() => world.agent(-1024).tryDownRead()).toThrow(code("EINVAL"));
    a.validate();
  });

  it("has 23 seats, which close() and the dead make free", () => {
    const world = new World();
    const agents = Array.from({ length: 24 }, (_, index) => world.agent(index));
    const late = agents[23];
    for (const agent of agents.slice(0, 23)) expect(agent.tryDownRead()).toBe(true);
    expect(agents[0].readerCount).toBe(RobustRwSem.AGENTS_MAX);
    expect(() => late.tryDownRead()).toThrow(code("ENOSPC"));
    expect(() => agents[0].close()).toThrow(code("EINVAL"));
    agents[0].upRead();
    agents[0].close();
    agents[0].close();
    expect(late.tryDownRead()).toBe(true);
    expect(() => agents[0].tryDownRead()).toThrow(code("ENOSPC"));
    world.die(7);
    expect(agents[0].tryDownRead()).toBe(true);
    expect(late.readerCount).toBe(23);
    late.validate();
  });

  it("insists on being told how to repair", () => {
    const { words } = new World();
    const agents: Agents = { self: 1024, isAlive: () => true };
    expect(() => new RobustRwSem(words, 0, { agents } as RobustRwSemOptions)).toThrow(TypeError);
    expect(() => new RobustRwSem(words, 1, { agents, repair: "manual" })).toThrow(RangeError);
  });
});

describe("RobustRwSem after a death", () => {
  it("takes a dead reader off, and lets the writer in that waited for it", async () => {
    const world = new World();
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downRead();
    b.downRead();
    const writer = b.downWriteAsync();
    b.upRead();
    world.die(1);
    expect(b.agentDied(1025)).toBe(true);
    expect(b.agentDied(1025)).toBe(false);
    expect(await outcome(writer)).toBe(true);
    expect([b.ownerDied, world.repairs]).toEqual([false, 0]);
    b.validate();
  });

  it("is repaired by the next writer before it gets the lock", () => {
    const world = new World();
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downWrite();
    world.die(1);
    expect(b.downWrite()).toBe(true);
    expect([b.ownerDied, world.repairs]).toEqual([false, 1]);
    b.upWrite();
    b.validate();
    expect(b.isLocked).toBe(false);
  });

  it("is repaired by the next reader, which goes on as a reader", () => {
    const world = new World();
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    world.die(1);
    expect(b.downRead()).toBe(true);
    expect([b.readerCount, world.repairs]).toEqual([1, 1]);
    expect(c.tryDownRead()).toBe(true);
    expect(world.repairs).toBe(1);
    b.validate();
  });

  it("tells the next writer, and readers to wait for its repair, if that is manual", async () => {
    const world = new World({ repair: "manual" });
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    const queued = c.downReadAsync();
    world.die(1);
    c.agentDied(1025);
    await expect(queued).rejects.toThrow(code("EOWNERDEAD"));
    expect(() => c.tryDownRead()).toThrow(code("EOWNERDEAD"));
    expect(String(c)).toBe("RobustRwSem(held by a ghost, waiting: nobody)");
    expect(c.ownerDied).toBe(true);
    expect(b.tryDownWrite()).toBe(true);
    expect(b.ownerDied).toBe(true);
    expect(() => b.downgradeWrite()).toThrow(code("EOWNERDEAD"));
    b.markConsistent();
    expect(() => b.markConsistent()).toThrow(code("EINVAL"));
    b.downgradeWrite();
    expect(c.tryDownRead()).toBe(true);
    b.validate();
  });

  it("is told again when the one that was to repair dies too", () => {
    const world = new World({ repair: "manual" });
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    world.die(1);
    b.downWrite();
    world.die(2);
    expect(c.tryDownWrite()).toBe(true);
    expect(c.ownerDied).toBe(true);
    c.validate();
  });

  it("is unusable once it was given back unrepaired, also for those who wait", async () => {
    const world = new World({ repair: "manual" });
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    world.die(1);
    b.downWrite();
    const queued = [c.downWriteAsync(), world.agent(4).downReadAsync()];
    expect(c.waiters).toBe("W R");
    b.upWrite();
    for (const wait of queued) await expect(wait).rejects.toThrow(code("ENOTRECOVERABLE"));
    expect(() => c.tryDownWrite()).toThrow(code("ENOTRECOVERABLE"));
    expect(() => b.downRead()).toThrow(code("ENOTRECOVERABLE"));
    expect(b.isUnusable).toBe(true);
    expect(String(b)).toBe("RobustRwSem(unusable, waiting: nobody)");
    b.validate();
  });

  it("is unusable if the repair fails", () => {
    const cause = new Error("beyond repair");
    const world = new World({
      repair: () => {
        throw cause;
      },
    });
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downWrite();
    world.die(1);
    expect(() => b.downRead()).toThrow(expect.objectContaining({ code: "ENOTRECOVERABLE", cause }));
    expect(() => b.downWrite()).toThrow(code("ENOTRECOVERABLE"));
    b.validate();
  });
});

/** What the victim does, what the others hold meanwhile, and whether the victim may have changed what is guarded. */
interface Scene {
  readonly name: string;
  readonly prepare?: (others: RobustRwSem, victim: RobustRwSem) => unknown;
  readonly victim: (victim: RobustRwSem) => unknown;
  readonly finish?: (others: RobustRwSem) => unknown;
}

const blocking = (act: (sem: RobustRwSem) => unknown) => act;
const SCENES: readonly Scene[] = [
  {
    name: "reads",
    victim: (sem) => {
      sem.downRead();
      sem.upRead();
    },
  },
  {
    name: "writes",
    victim: (sem) => {
      sem.downWrite();
      sem.upWrite();
    },
  },
  {
    name: "writes and goes on as a reader",
    victim: (sem) => {
      sem.downWrite();
      sem.downgradeWrite();
      sem.upRead();
    },
  },
  {
    name: "reads beside a reader",
    prepare: (others) => others.downRead(),
    victim: (sem) => {
      sem.downRead();
      sem.upRead();
    },
    finish: (others) => others.upRead(),
  },
  {
    name: "waits for a reader, to write",
    prepare: (others) => others.downRead(),
    victim: blocking((sem) => sem.downWrite()),
    finish: (others) => others.upRead(),
  },
  {
    name: "waits for a writer, to read",
    prepare: (others) => others.downWrite(),
    victim: blocking((sem) => sem.downRead()),
    finish: (others) => others.upWrite(),
  },
  {
    name: "gives up waiting",
    prepare: (others) => others.downWrite(),
    victim: (sem) => {
      void sem.downWriteAsync({ timeoutMs: 0 }).catch(() => {});
    },
    finish: (others) => others.upWrite(),
  },
];

/** Who else is in the queue, before the victim acts or after its death. */
const QUEUES = ["", "R", "W", "WR", "RW", "RRW", "RWR"];

describe("RobustRwSem, whichever instruction is the last of an agent", () => {
  for (const policy of POLICIES) {
    for (const scene of SCENES) {
      it(`with policy ${policy}, goes on after the death of one that ${scene.name}`, async () => {
        for (const queue of QUEUES) {
          for (let survived = 0; ; survived++) {
            const world = new World({ policy });
            const victim = world.agent(1);
            const others = world.agent(2);
            scene.prepare?.(others, victim);
            const isDead = dieAfter(survived, () => scene.victim(victim));
            if (!isDead && survived > 5_000) throw new Error("the victim never dies");
            // Waiters that come after the death; some find it by themselves, some are told.
            const waits = [...queue].map((kind, index) => {
              const sem = world.agent(3 + index);
              return [sem, kind, kind === "R" ? sem.downReadAsync() : sem.downWriteAsync()] as const;
            });
            world.die(1);
            others.agentDied(1025);
            scene.finish?.(others);
            for (const [sem, kind, wait] of waits)
              void wait.then(() => (kind === "R" ? sem.upRead() : sem.upWrite()));
            for (const [sem, , wait] of waits)
              expect([survived, queue, await outcome(wait), `${sem}`]).toContain(true);
            expect(others.tryDownWrite()).toBe(true);
            others.validate();
            others.upWrite();
            if (!isDead) break;
          }
        }
      });
    }
  }

  it("does not die by being tested", () => {
    expect(dieAfter(1, () => void Atomics.load(new Int32Array(1), 0))).toBe(false);
    expect(dieAfter(0, () => void Atomics.load(new Int32Array(1), 0))).toBe(true);
    expect(() =>
      dieAfter(9, () => {
        throw new RangeError("no death");
      }),
    ).toThrow(RangeError);
    expect(new Death("x")).toBeInstanceOf(Error);
  });
});
