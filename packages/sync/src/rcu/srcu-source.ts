/* An SrcuDomain as that which a waiting writer looks at, and the names of those it waits for. */
import type { Agent } from "./agent.ts";
import { AGENTS_HIGH, CLAIMED, GP_SEQ, READER_LEFT, slotWord } from "./layout.ts";
import { idOf } from "./source.ts";
import { advanceSrcu, awaitSrcuBlocker, indexOf, openIn } from "./srcu-grace-period.ts";
import type { GraceSource, StalledAgent } from "./wait.ts";

export class SrcuSource implements GraceSource {
  readonly #agent: Agent;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  get words(): Int32Array {
    return this.#agent.words;
  }

  get leftWord(): number {
    return this.#agent.base + READER_LEFT;
  }

  get onLeave(): (() => void)[] {
    return this.#agent.onLeave;
  }

  advance(cookie: number): boolean {
    return advanceSrcu(this.#agent, cookie);
  }

  awaitBlocker(): number | undefined {
    return awaitSrcuBlocker(this.#agent.words, this.#agent.base);
  }

  blockers(): StalledAgent[] {
    const { words, base } = this.#agent;
    const drained = indexOf(Atomics.load(words, base + GP_SEQ)) ^ 1;
    const agents: StalledAgent[] = [];
    for (let index = 0; index < Atomics.load(words, base + AGENTS_HIGH); index++) {
      const slot = slotWord(base, index);
      if (openIn(words, slot, drained) === 0) continue;
      agents.push({ id: idOf(Atomics.load(words, slot + CLAIMED)), slot: index });
    }
    return agents;
  }
}
