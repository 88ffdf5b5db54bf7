/*
 * Who took a lock last, in any agent: what "bounces" in the statistics are counted by.
 *
 * The locks record no owner, so agents that want to know share a table besides: one word per lock, found by a
 * hash of its class name, which holds the agent that took it last. Two classes may share a word, as two objects
 * may share a cache line; then bounces are counted too high. Class names must be the same in every agent.
 */
import { currentAgentId } from "../threads/current.ts";

/** A view on the shared table. */
export class OwnerTable {
  readonly #words: Int32Array;
  /** Who we are in the table while we have no id: a negative number, which no registry gives. */
  readonly #anonymous: number = -1 - Math.floor(Math.random() * 0x7ffffffe);

  /** @param words - shared by the agents, zeroed at the start; some words per lock class */
  constructor(words: Int32Array) {
    if (words.length === 0) throw new RangeError("enableLockDebug: owners must have at least one word");
    this.#words = words;
  }

  /** Notes that this agent has taken a lock. @returns whether another one had it before */
  taken(className: string): boolean {
    const me = this.#me;
    const before = Atomics.exchange(this.#words, this.#wordOf(className), me);
    return before !== 0 && before !== me;
  }

  /** Is the lock waited for, or released, one that another agent took last? */
  isForeign(className: string): boolean {
    const owner = Atomics.load(this.#words, this.#wordOf(className));
    return owner !== 0 && owner !== this.#me;
  }

  /** Who took it last, in words for a report; empty if nobody knows. */
  describe(className: string): string {
    const owner = Atomics.load(this.#words, this.#wordOf(className));
    if (owner === 0) return "";
    return owner > 0 ? `, last taken by agent ${owner}` : ", last taken by an agent without id";
  }

  get #me(): number {
    return currentAgentId() || this.#anonymous;
  }

  #wordOf(className: string): number {
    let hash = 0x811c9dc5;
    for (let at = 0; at < className.length; at++) {
      hash = Math.imul(hash ^ className.charCodeAt(at), 0x01000193);
    }
    return (hash >>> 0) % this.#words.length;
  }
}
