import { describe, expect, it } from "vitest";
import { type Agents, RobustRwSem, type RobustRwSemOptions, type RwSemPolicy } from "../src/index.ts";
import { Death, dieAfter, type End } from "./support/death.ts";
import { outcome } from "./support/outcome.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const SPINNER = 3;
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

  it("takes back the bias of a waker that died trying, a writer having been faster", async () => {
    const world = new World();
    const [writer, reader, waker] = [1, 2, 3].map((index) => world.agent(index));
    writer.downWrite();
    const waiting = reader.downReadAsync();
    waker.tryDownRead();
    // What it leaves between adding the first reader's bias and taking it back; the reader is on seat 1.
    Atomics.add(world.words, 0, 1 << 9);
    world.die(3);
    expect(writer.agentDied(1027)).toBe(true);
    writer.validate();
    expect(await outcome(waiting)).toBe("waiting");
    writer.upWrite();
    expect(await waiting).toBe(true);
    expect(reader.holders).toEqual([1026]);
    reader.validate();
  });

  it("frees the spinner's place", () => {
    const world = new World();
    const [spinner, other] = [world.agent(1), world.agent(2)];
    spinner.tryDownRead();
    spinner.upRead();
    world.words[SPINNER] = 1025;
    world.die(1);
    other.agentDied(1025);
    expect(world.words[SPINNER]).toBe(0);
  });

  it("is found out by a waiter that is asleep, without being told", async () => {
    const world = new World({ recheckMs: 5 });
    const [a, b, c] = [1, 2, 3].map((index) => world.agent(index));
    a.downWrite();
    const waits = [b.downWriteAsync(), c.downReadAsync()];
    world.die(1);
    expect(await waits[0]).toBe(true);
    b.upWrite();
    expect(await waits[1]).toBe(true);
    expect(world.repairs).toBe(1);
    c.validate();
  });

  it("is put in order by whoever comes by, and sleepers hear of it whose wake-up died with its sender", async () => {
    for (let survived = 0; ; survived++) {
      const world = new World({ recheckMs: Number.POSITIVE_INFINITY });
      const [waker, sleeper, passer] = [1, 2, 3].map((index) => world.agent(index));
      waker.downWrite();
      const waiting = sleeper.downReadAsync();
      const end = dieAfter(survived, () => waker.upWrite());
      world.die(1);
      passer.tryDownRead();
      expect([survived, await outcome(waiting)]).toEqual([survived, true]);
      passer.validate();
      if (end !== "killed") break;
    }
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

type Wait = readonly [sem: RobustRwSem, isIn: Promise<boolean>];

/** What the victim does, and what has gone before. */
interface Scene {
  readonly name: string;
  readonly before?: (
    victim: RobustRwSem,
    other: RobustRwSem,
    world: World,
    survived: number,
  ) => Wait[] | undefined;
  readonly victim: (victim: RobustRwSem) => unknown;
  /** What the others do in the end. */
  readonly after?: (other: RobustRwSem) => unknown;
}

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
    before: (sem) => void sem.downWrite(),
    victim: (sem) => {
      sem.downgradeWrite();
      sem.upRead();
    },
  },
  {
    name: "reads beside a reader",
    before: (_, other) => void other.downRead(),
    victim: (sem) => {
      if (sem.downRead({ timeoutMs: 0 })) sem.upRead();
    },
    after: (other) => other.upRead(),
  },
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
  {
    name: "gives up waiting to write",
    before: (_, other) => void other.downRead(),
    victim: (sem) => sem.downWrite({ timeoutMs: 0 }),
    after: (other) => other.upRead(),
  },
  {
    name: "gives up waiting to read",
    before: (_, other) => void other.downWrite(),
    victim: (sem) => sem.downRead({ timeoutMs: 0 }),
    after: (other) => other.upWrite(),
  },
  { name: "stops reading", before: (sem) => void sem.downRead(), victim: (sem) => sem.upRead() },
  { name: "stops writing", before: (sem) => void sem.downWrite(), victim: (sem) => sem.upWrite() },
  {
    name: "cleans up after a writer",
    before: (_victim, _other, world) => {
      world.agent(20).downWrite();
      dieAfter(Number.POSITIVE_INFINITY, () => world.agent(21).downRead());
      world.die(20);
      world.die(21);
    },
    victim: (sem) => {
      if (sem.downRead({ timeoutMs: 0 })) sem.upRead();
    },
  },
  {
    name: "cleans up after a waker",
    before: (_victim, _other, world, survived) => {
      const dead = world.agent(20);
      dead.downWrite();
      dieAfter(Number.POSITIVE_INFINITY, () => world.agent(21).downRead());
      const waits = waitAll(world, "RR");
      // Each time somewhere else; 7 and 150 have no common factor, so over all runs everywhere.
      dieAfter((survived * 7) % 150, () => dead.upWrite());
      world.die(20);
      world.die(21);
      return waits;
    },
    victim: (sem) => sem.agentDied(1044),
  },
];

/** Who else waits. */
const QUEUES = ["", "R", "W", "RW", "RWR"];

/** Agents that wait each in its own way, and leave as soon as they are in. */
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

/** One death, and what becomes of the others. */
async function play(
  scene: Scene,
  policy: RwSemPolicy,
  queue: string,
  isEarly: boolean,
  survived: number,
): Promise<End> {
  const world = new World({ policy });
  world.words[SPINNER] = 1024 + 30; // somebody else spins: a spin is a hundred instructions that are all the same
  const [victim, other] = [world.agent(1), world.agent(2)];
  const waits = scene.before?.(victim, other, world, survived) ?? [];
  if (isEarly) waits.push(...waitAll(world, queue));
  const end = dieAfter(survived, () => scene.victim(victim));
  world.die(1);
  if (!isEarly) waits.push(...waitAll(world, queue));
  other.agentDied(1025);
  other.validate();
  scene.after?.(other);
  const label = `${queue} ${isEarly ? "before" : "after"} a death at ${survived}`;
  for (const [sem, isIn] of waits) expect([await outcome(isIn), label, String(sem)]).toContain(true);
  expect([other.tryDownWrite(), label, String(other)]).toContain(true);
  other.validate();
  other.upWrite();
  return end;
}

describe("RobustRwSem, whichever instruction is the last of an agent", () => {
  for (const policy of POLICIES) {
    for (const scene of SCENES) {
      it(`with policy ${policy}, goes on after the death of one that ${scene.name}`, async () => {
        for (const queue of QUEUES) {
          for (const isEarly of [true, false]) {
            let survived = 0;
            while ((await play(scene, policy, queue, isEarly, survived)) === "killed") survived++;
          }
        }
      });
    }
  }

  it("does not die by being tested", () => {
    expect(dieAfter(1, () => Atomics.load(new Int32Array(1), 0))).toBe("alive");
    expect(dieAfter(0, () => Atomics.load(new Int32Array(1), 0))).toBe("killed");
    expect(() =>
      dieAfter(9, () => {
        throw new RangeError("no death");
      }),
    ).toThrow(RangeError);
    expect(new Death("x")).toBeInstanceOf(Error);
  });
});
