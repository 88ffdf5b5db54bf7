import type { Agents } from "../../src/index.ts";

/** A registry for one thread that plays all agents: `self` says whose turn it is. */
export class FakeAgents implements Agents {
  self = 0;
  readonly #dead = new Set<number>();

  /** Runs `fn` as the agent `id`. */
  as<T>(id: number, fn: () => T): T {
    const was = this.self;
    this.self = id;
    try {
      return fn();
    } finally {
      this.self = was;
    }
  }

  kill(id: number): void {
    this.#dead.add(id);
  }

  isAlive(id: number): boolean {
    return !this.#dead.has(id);
  }
}
