/* An RcuDomain as that which a waiting writer looks at, and the names of those it waits for. */
import type { Agent } from "./agent.ts";
import { advance, awaitBlocker, isBlocking } from "./grace-period.ts";
import { AGENTS_HIGH, CLAIMED, GP_SEQ, READER_LEFT, STATE, slotWord } from "./layout.ts";
import type { GraceSource, StalledAgent } from "./wait.ts";

export class RcuSource implements GraceSource {
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
    return advance(this.#agent.words, this.#agent.base, cookie);
  }

  awaitBlocker(): number | undefined {
    return awaitBlocker(this.#agent.words, this.#agent.base);
  }

  blockers(): StalledAgent[] {
    const { words, base } = this.#agent;
    const seq = Atomics.load(words, base + GP_SEQ);
    const agents: StalledAgent[] = [];
    if ((seq & 1) === 0) return agents;
    for (let index = 0; index < Atomics.load(words, base + AGENTS_HIGH); index++) {
      const slot = slotWord(base, index);
      if (!isBlocking(Atomics.load(words, slot + STATE), seq)) continue;
      agents.push({ id: idOf(Atomics.load(words, slot + CLAIMED)), slot: index });
    }
    return agents;
  }
}

/** Id in a CLAIMED word: 0 and 1 are nobody, and a slot being given back is no longer its owner's. */
export function idOf(claimed: number): number {
  return claimed > 1 ? claimed : 0;
}
