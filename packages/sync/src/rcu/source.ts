/*
 * A domain as its updaters see it. What differs between the two kinds is a GraceProtocol; what a waiting writer
 * looks at, and the names of those it waits for, follow from that.
 */
import type { Agent } from "./agent.ts";
import { readAgentName } from "./agent-name.ts";
import { AGENTS_HIGH, CLAIMED, GP_SEQ, READER_LEFT, slotWord } from "./layout.ts";

/** One who holds up a grace period. */
export interface StalledAgent {
  /** Its id in the thread registry, 0 if it has none. */
  readonly id: number;
  /** Its slot in the domain, `0..agentsMax - 1`. */
  readonly slot: number;
  /** What it is called (`nameCurrentAgent`, or the option `agentName`), `undefined` if it has no name. */
  readonly name: string | undefined;
}

/** When grace periods begin and end. The words are those of the domain at `base`, `seq` is its GP_SEQ. */
export interface GraceProtocol {
  /** Names the end of the first grace period that has not begun yet, and begins it if none is in progress. */
  request(words: Int32Array, base: number): number;
  /** What `request` would say while the grace period of `seq` is in progress, `undefined` if none is. */
  cookieDuring(seq: number): number | undefined;
  isElapsed(seq: number, cookie: number): boolean;
  /** Moves grace periods on as far as readers allow. @returns whether `cookie` has been reached */
  advance(agent: Agent, cookie: number): boolean;
  /** Marks a reader that holds it up. @returns value of READER_LEFT to sleep on, if there is one */
  awaitBlocker(words: Int32Array, base: number): number | undefined;
  /** Does the agent in this slot hold up the grace period of `seq`? */
  isHeldUpBy(words: Int32Array, slot: number, seq: number): boolean;
  /** Makes the slot of a dead agent one that nobody reads in. */
  endSections(words: Int32Array, slot: number): void;
}

/** What a wait for a grace period needs to know of a domain. */
export class GraceSource {
  readonly #agent: Agent;
  readonly #protocol: GraceProtocol;

  constructor(agent: Agent, protocol: GraceProtocol) {
    this.#agent = agent;
    this.#protocol = protocol;
  }

  get words(): Int32Array {
    return this.#agent.words;
  }

  /** Word that changes when a marked reader leaves. */
  get leftWord(): number {
    return this.#agent.base + READER_LEFT;
  }

  /** Callbacks for a marked reader of this very agent (ArrayBuffer only). */
  get onLeave(): (() => void)[] {
    return this.#agent.onLeave;
  }

  /** Moves grace periods on; has `cookie` been reached? */
  advance(cookie: number): boolean {
    return this.#protocol.advance(this.#agent, cookie);
  }

  /** Marks a reader that holds it up. @returns value of the word at `leftWord` to sleep on, if there is one */
  awaitBlocker(): number | undefined {
    return this.#protocol.awaitBlocker(this.#agent.words, this.#agent.base);
  }

  /** Those who hold up the grace period at this moment. */
  blockers(): StalledAgent[] {
    const { words, base } = this.#agent;
    const seq = Atomics.load(words, base + GP_SEQ);
    const agents: StalledAgent[] = [];
    for (let index = 0; index < Atomics.load(words, base + AGENTS_HIGH); index++) {
      const slot = slotWord(base, index);
      if (!this.#protocol.isHeldUpBy(words, slot, seq)) continue;
      const id = idOf(Atomics.load(words, slot + CLAIMED));
      agents.push({ id, slot: index, name: readAgentName(words, slot) });
    }
    return agents;
  }
}

/** Id in a CLAIMED word: 0 and 1 are nobody, and a slot being given back is no longer its owner's. */
function idOf(claimed: number): number {
  return claimed > 1 ? claimed : 0;
}
