/*
 * Random turns of agents that read, write, wait, and die at random instructions, in one thread. After each turn
 * the lock must be as valid as ever and nobody who lives may be inside with a writer; in the end, when all who
 * live have left, all who wait must have got in.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Agents, RobustRwSem, type RwSemPolicy } from "../src/index.ts";
import { dieAfter } from "./support/death.ts";
import { outcome } from "./support/outcome.ts";

const AGENTS = 4;
const turn = fc.record({
  agent: fc.nat({ max: AGENTS - 1 }),
  wish: fc.constantFrom("read", "write", "downgrade", "die", "die"),
  survived: fc.nat({ max: 90 }),
});
const policies = fc.constantFrom<RwSemPolicy>("linux", "fair-fifo", "reader-pref", "writer-pref");

/** An agent that lives, and what it does. */
class Life {
  readonly sem: RobustRwSem;
  readonly id: number;
  held: "read" | "write" | undefined;
  waiting: Promise<unknown> | undefined;

  constructor(sem: RobustRwSem, id: number) {
    this.sem = sem;
    this.id = id;
  }
  wait(kind: "read" | "write"): void {
    const wait = kind === "read" ? this.sem.downReadAsync() : this.sem.downWriteAsync();
    this.waiting = wait.then(() => {
      this.held = kind;
      this.waiting = undefined;
    });
  }
  leave(): void {
    if (this.held === "read") this.sem.upRead();
    else if (this.held === "write") this.sem.upWrite();
    this.held = undefined;
  }
}

class World {
  readonly lives: Life[];
  readonly #words: Int32Array = new Int32Array(new SharedArrayBuffer(RobustRwSem.WORDS * 4));
  readonly #policy: RwSemPolicy;
  readonly #dead = new Set<number>();
  #nextId = 1024;

  constructor(policy: RwSemPolicy) {
    this.#policy = policy;
    this.lives = Array.from({ length: AGENTS }, () => this.#born());
  }
  #born(): Life {
    const id = this.#nextId++;
    const agents: Agents = { self: id, isAlive: (other) => !this.#dead.has(other) };
    return new Life(new RobustRwSem(this.#words, 0, { agents, repair: () => {}, policy: this.#policy }), id);
  }
  /** Dies in the middle of the next thing it would do; another agent takes its place. */
  die(index: number, survived: number): void {
    const life = this.lives[index];
    if (life.waiting !== undefined) return; // in this thread a promise would outlive it
    const { sem, held } = life;
    dieAfter(survived, () => {
      if (held === undefined) sem[survived % 2 === 0 ? "downRead" : "downWrite"]();
      else life.leave();
    });
    this.#dead.add(life.id);
    this.lives[index] = this.#born();
    this.lives[index].sem.agentDied(life.id);
  }
  async check(): Promise<void> {
    for (let round = 0; round < 3; round++) await new Promise<void>((resolve) => setImmediate(resolve));
    const held = this.lives.map((life) => life.held).filter((each) => each !== undefined);
    expect(held.length === 1 || !held.includes("write"), held.join()).toBe(true);
    this.lives[0].sem.validate();
  }
}

describe("RobustRwSem under random deaths", () => {
  it("keeps writers alone, stays valid, and lets all who wait in", async () => {
    await fc.assert(
      fc.asyncProperty(policies, fc.array(turn, { minLength: 5, maxLength: 40 }), async (policy, turns) => {
        const world = new World(policy);
        for (const { agent, wish, survived } of turns) {
          const life = world.lives[agent];
          if (wish === "die") world.die(agent, survived);
          else if (wish === "downgrade" && life.held === "write") {
            life.sem.downgradeWrite();
            life.held = "read";
          } else if (life.held !== undefined) life.leave();
          else if (life.waiting === undefined) life.wait(wish === "write" ? "write" : "read");
          await world.check();
        }
        for (let round = 0; round < AGENTS; round++) {
          for (const life of world.lives) life.leave();
          await world.check();
        }
        for (const life of world.lives)
          if (life.waiting !== undefined) expect(await outcome(life.waiting)).toBe("in");
        for (const life of world.lives) life.leave();
        expect([world.lives[0].sem.tryDownWrite(), String(world.lives[0].sem)]).toContain(true);
      }),
      { numRuns: 200, endOnFailure: true },
    );
  });
});
