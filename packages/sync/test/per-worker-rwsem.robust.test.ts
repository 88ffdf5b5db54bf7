import { describe, expect, it } from "vitest";
import {
  type Agents,
  RcuDomain,
  RobustPerWorkerRwSem,
  type RobustPerWorkerRwSemOptions,
} from "../src/index.ts";
import { anotherAgent } from "./support/agents.ts";
import { dieAfter, type End } from "./support/death.ts";
import { outcome } from "./support/outcome.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const WORKERS = 6;
const RCU = RobustPerWorkerRwSem.words(WORKERS);
const ALL = RCU + RcuDomain.words(16);

/** A semaphore, and agents that live in this one thread. */
class World {
  readonly words: Int32Array = new Int32Array(new SharedArrayBuffer(ALL * 4));
  readonly dead = new Set<number>();
  repairs = 0;
  readonly #options: Partial<RobustPerWorkerRwSemOptions>;

  constructor(options: Partial<RobustPerWorkerRwSemOptions> = {}) {
    this.#options = options;
  }
  /** The semaphore as agent `index` sees it. */
  agent(index: number): RobustPerWorkerRwSem {
    const self = 1024 + index;
    const words = anotherAgent(this.words);
    const rcu = new RcuDomain(words, RCU, { agentsMax: 16, agentId: self });
    const agents: Agents = { self, isAlive: (id) => !this.dead.has(id) };
    const repair = () => void this.repairs++;
    const options = { agents, repair, recheckMs: 5, workersMax: WORKERS, ...this.#options };
    return new RobustPerWorkerRwSem(words, 0, rcu, options);
  }
  die(index: number): void {
    this.dead.add(1024 + index);
  }
}

describe("RobustPerWorkerRwSem, while everybody lives", () => {
  it("lets readers in together, and a writer alone, whom it names", () => {
    const world = new World();
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downRead();
    b.downRead();
    expect(a.readerCount).toBe(2);
    expect(a.downWrite({ timeoutMs: 1 })).toBe(false);
    expect(a.owner).toBe(0);
    a.upRead();
    b.upRead();
    expect(() => b.upRead()).toThrow(code("EPERM"));
    const guard = a.write();
    expect([a.owner, a.isWriteLocked]).toEqual([1025, true]);
    expect([b.tryDownRead(), b.downRead({ timeoutMs: 1 }), b.downWrite({ timeoutMs: 1 })]).toEqual([
      false,
      false,
      false,
    ]);
    expect(() => b.upWrite()).toThrow(code("EPERM"));
    expect(() => a.downRead()).toThrow(code("EDEADLK"));
    expect(() => a.downWrite()).toThrow(code("EDEADLK"));
    expect(() => a.close()).toThrow(code("EINVAL"));
    expect(String(b)).toBe("RobustPerWorkerRwSem(blocked by 1025, reading: 0, waiting: 0 R)");
    guard.release();
    b.read().release();
    expect(String(b)).toBe("RobustPerWorkerRwSem(open, reading: 0, waiting: 0 R)");
    a.validate();
  });

  it("lets the readers that waited in before the next writer", async () => {
    const world = new World({ recheckMs: Number.POSITIVE_INFINITY });
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    const reader = b.downReadAsync();
    const writer = c.downWriteAsync();
    expect(await outcome(reader)).toBe("waiting");
    a.upWrite();
    expect(await outcome(reader)).toBe(true);
    expect(await outcome(writer)).toBe("waiting");
    b.upRead();
    expect(await outcome(writer)).toBe(true);
    c.upWrite();
    c.validate();
  });

  it("has a task of the writer's agent wait like anybody else", async () => {
    const world = new World();
    const a = world.agent(1);
    a.downWrite();
    const [reader, writer] = [a.downReadAsync(), a.downWriteAsync()];
    expect([await outcome(reader), await outcome(writer)]).toEqual(["waiting", "waiting"]);
    a.upWrite();
    expect(await outcome(reader)).toBe(true);
    a.upRead();
    expect(await outcome(writer)).toBe(true);
    a.upWrite();
    a.validate();
  });

  it("refuses a thread that has not joined, and one that does not say how to repair", () => {
    const world = new World();
    const rcu = new RcuDomain(world.words, RCU, { agentsMax: 16 });
    const agents: Agents = { self: 0, isAlive: () => true };
    const sem = new RobustPerWorkerRwSem(world.words, 0, rcu, {
      agents,
      repair: "manual",
      workersMax: WORKERS,
    });
    expect(() => sem.tryDownRead()).toThrow(code("EINVAL"));
    expect(() => sem.downWrite()).toThrow(code("EINVAL"));
    expect(
      () => new RobustPerWorkerRwSem(world.words, 0, rcu, { agents } as RobustPerWorkerRwSemOptions),
    ).toThrow(TypeError);
    sem.validate();
  });
});

describe("RobustPerWorkerRwSem after a death", () => {
  it("forgets a dead reader, fast or slow, and frees its slot", () => {
    const world = new World();
    const agents = Array.from({ length: WORKERS + 1 }, (_, index) => world.agent(index));
    for (const agent of agents.slice(0, WORKERS)) agent.downRead();
    expect(() => agents[WORKERS].tryDownRead()).toThrow(code("ENOSPC"));
    world.die(0);
    expect(agents[WORKERS].tryDownRead()).toBe(true);
    for (let index = 1; index < WORKERS; index++) world.die(index);
    agents[WORKERS].upRead();
    expect(agents[WORKERS].downWrite()).toBe(true);
    expect(world.repairs).toBe(0);
    agents[WORKERS].validate();
  });

  it("is found out by the writer that waits for the dead, without being told", async () => {
    const world = new World();
    const [a, b] = [world.agent(1), world.agent(2)];
    a.downRead();
    const writer = b.downWriteAsync();
    world.die(1);
    expect(await writer).toBe(true);
    expect([b.ownerDied, world.repairs]).toEqual([false, 0]);
  });

  it("is repaired by the next writer, or by the next reader, which goes on as a reader", async () => {
    const world = new World();
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    world.die(1);
    expect(b.downWrite()).toBe(true);
    expect([b.ownerDied, world.repairs]).toEqual([false, 1]);
    world.die(2);
    expect(c.downRead()).toBe(true);
    expect([c.readerCount, world.repairs, c.isWriteLocked]).toEqual([1, 2, false]);
    c.upRead();
    c.downWrite();
    world.die(3);
    const d = world.agent(4);
    expect(await d.downReadAsync()).toBe(true);
    expect([d.readerCount, world.repairs]).toEqual([1, 3]);
    d.validate();
  });

  it("tells the next writer, and readers to wait for its repair, if that is manual", async () => {
    const world = new World({ repair: "manual" });
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    const waiting = c.downReadAsync();
    world.die(1);
    expect(c.agentDied(1025)).toBe(true);
    await expect(waiting).rejects.toThrow(code("EOWNERDEAD"));
    expect(() => c.tryDownRead()).toThrow(code("EOWNERDEAD"));
    expect(String(c)).toContain("held by a ghost");
    expect(b.downWrite()).toBe(true);
    expect(b.ownerDied).toBe(true);
    b.markConsistent();
    expect(() => b.markConsistent()).toThrow(code("EINVAL"));
    b.upWrite();
    expect(c.tryDownRead()).toBe(true);
    expect(c.ownerDied).toBe(false);
    c.validate();
  });

  it("leaves the ghost where it was when an heir gives up", () => {
    const world = new World({ repair: "manual" });
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    world.die(1);
    // The heir has to wait for a grace period, which a reader of the domain holds up.
    const other = new RcuDomain(anotherAgent(world.words), RCU, { agentId: 2000 });
    other.readLock();
    expect(b.downWrite({ timeoutMs: 1 })).toBe(false);
    expect(c.ownerDied).toBe(true);
    other.readUnlock();
    expect(c.downWrite()).toBe(true);
    expect(c.ownerDied).toBe(true);
    c.validate();
  });

  it("is unusable once it was given back unrepaired, or the repair has failed", async () => {
    const failing = () => {
      throw new Error("beyond repair");
    };
    for (const repair of ["manual", failing] as const) {
      const world = new World({ repair });
      const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
      a.downWrite();
      world.die(1);
      if (repair === "manual") {
        b.downWrite();
        const waits = [c.downWriteAsync(), world.agent(4).downReadAsync()];
        b.upWrite();
        for (const wait of waits) await expect(wait).rejects.toThrow(code("ENOTRECOVERABLE"));
      } else {
        expect(() => b.downWrite()).toThrow(code("ENOTRECOVERABLE"));
      }
      expect(() => c.tryDownRead()).toThrow(code("ENOTRECOVERABLE"));
      expect(() => c.downWrite()).toThrow(code("ENOTRECOVERABLE"));
      expect(c.isUnusable).toBe(true);
      c.validate();
    }
  });
});

type Wait = readonly [sem: RobustPerWorkerRwSem, isIn: Promise<boolean>];

interface Scene {
  readonly name: string;
  readonly before?: (victim: RobustPerWorkerRwSem, other: RobustPerWorkerRwSem, world: World) => undefined;
  readonly victim: (victim: RobustPerWorkerRwSem) => unknown;
  readonly after?: (other: RobustPerWorkerRwSem) => unknown;
}

const SCENES: readonly Scene[] = [
  {
    name: "reads the fast way",
    victim: (sem) => {
      sem.downRead();
      sem.upRead();
    },
  },
  {
    name: "reads the slow way",
    before: (_, other) => void other.write().release(),
    victim: (sem) => {
      sem.downRead();
      sem.upRead();
    },
  },
  { name: "writes", victim: (sem) => sem.write().release() },
  {
    name: "waits for a reader, to write",
    before: (_, other) => void other.downRead(),
    victim: (sem) => sem.downWrite(),
    after: (other) => other.upRead(),
  },
  {
    name: "waits for a writer, to read",
    before: (_, other) => void other.downWrite(),
    victim: (sem) => sem.downRead(),
    after: (other) => other.upWrite(),
  },
  { name: "stops writing", before: (sem) => void sem.downWrite(), victim: (sem) => sem.upWrite() },
  {
    name: "cleans up after a reader and a writer",
    before: (_victim, _other, world) => {
      world.agent(20).downRead();
      dieAfter(Number.POSITIVE_INFINITY, () => world.agent(21).downWrite());
      world.die(20);
      world.die(21);
      return undefined;
    },
    victim: (sem) => sem.write().release(),
  },
];

function waitAll(world: World, queue: string): Wait[] {
  return [...queue].map((kind, index) => {
    const sem = world.agent(3 + index);
    const wait = kind === "R" ? sem.downReadAsync() : sem.downWriteAsync();
    const isIn = wait.then((isTaken) => {
      if (kind === "R") sem.upRead();
      else sem.upWrite();
      return isTaken;
    });
    return [sem, isIn];
  });
}

async function play(scene: Scene, queue: string, isEarly: boolean, survived: number): Promise<End> {
  const world = new World();
  const [victim, other] = [world.agent(1), world.agent(2)];
  scene.before?.(victim, other, world);
  const waits = isEarly ? waitAll(world, queue) : [];
  const end = dieAfter(survived, () => scene.victim(victim));
  world.die(1);
  if (!isEarly) waits.push(...waitAll(world, queue));
  other.agentDied(1025);
  other.validate();
  scene.after?.(other);
  const label = `${queue} ${isEarly ? "before" : "after"} a death at ${survived}`;
  // A promise that hangs is a test that times out; so is a lock that nobody gives back.
  for (const [sem, isIn] of waits) expect([await outcome(isIn, 5_000), label, String(sem)]).toContain(true);
  expect([await outcome(other.downWriteAsync(), 5_000), label, String(other)]).toContain(true);
  other.validate();
  other.upWrite();
  return end;
}

describe("RobustPerWorkerRwSem, whichever instruction is the last of an agent", () => {
  for (const scene of SCENES) {
    it(`goes on after the death of one that ${scene.name}`, async () => {
      for (const queue of ["", "R", "W", "RW"]) {
        for (const isEarly of [true, false]) {
          // Beyond the first hundred the victim mostly looks again and again at the same word.
          const step = (survived: number): number => (survived < 100 ? 1 : 17);
          let survived = 0;
          while ((await play(scene, queue, isEarly, survived)) === "killed") survived += step(survived);
        }
      }
    });
  }
});
