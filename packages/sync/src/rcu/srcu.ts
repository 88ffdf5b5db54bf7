/*
 * SrcuDomain: RCU whose readers may sleep. Layout, memory order and the reason why it works are at the top of
 * srcu-grace-period.ts; how writers wait is in wait.ts, what one agent keeps in agent.ts.
 */
import { SyncError } from "../errors.ts";
import { type Agent, announceAgentLeft } from "./agent.ts";
import { checkAgentsMax } from "./check.ts";
import { AGENTS_HIGH, AGENTS_MAX_DEFAULT, CLAIMED, domainWords, GP_SEQ, slotWord } from "./layout.ts";
import type { GraceProtocol } from "./source.ts";
import {
  AWAITED_BIT,
  advanceSrcu,
  awaitSrcuBlocker,
  endSections,
  indexOf,
  isSrcuElapsed,
  LOCKS,
  ONE,
  openIn,
  requestSrcuCookie,
  srcuCookieDuring,
  UNLOCKS,
} from "./srcu-grace-period.ts";
import { RcuUpdater, type RcuUpdaterOptions } from "./updater.ts";
import { throwIfStays } from "./validate.ts";

const PROTOCOL: GraceProtocol = {
  request: requestSrcuCookie,
  cookieDuring: srcuCookieDuring,
  isElapsed: isSrcuElapsed,
  advance: advanceSrcu,
  awaitBlocker: awaitSrcuBlocker,
  isHeldUpBy: (words, slot, seq) => openIn(words, slot, indexOf(seq) ^ 1) !== 0,
  endSections,
};

/** Options of {@link SrcuDomain}. */
export interface SrcuDomainOptions extends RcuUpdaterOptions {}

/**
 * Sleepable RCU: a section may block, and may span an `await`; one agent can have any number of them open at
 * the same time, in different tasks. A section is named by the index that `readLock` returns.
 *
 * Every domain waits for its own readers only, so a slow reader of one does not hold up the others. Costs more
 * than `RcuDomain` on both sides.
 *
 * Locking: none. Constructing on zeroed words creates, constructing on the same words elsewhere attaches.
 * Source: Linux include/linux/srcu.h.
 */
export class SrcuDomain extends RcuUpdater {
  protected override get kind(): string {
    return "SrcuDomain";
  }

  /** Words a domain with `agentsMax` slots occupies. */
  static words(agentsMax: number = AGENTS_MAX_DEFAULT): number {
    checkAgentsMax("SrcuDomain.words", agentsMax);
    return domainWords(agentsMax);
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the domain; a multiple of 16 keeps agents on separate cache lines
   * @throws RangeError if the words lie outside the view or an option outside its range
   * @throws SyncError `EINVAL` if the domain exists with another `agentsMax`
   */
  constructor(words: Int32Array, word: number, options?: SrcuDomainOptions) {
    super("SrcuDomain", words, word, "srcu", PROTOCOL, options);
  }

  /**
   * Begins a section. Never waits. Cost: an Atomics load and an add.
   *
   * @returns the index to hand to {@link readUnlock}, in the same agent
   * @throws SyncError `ENOSPC` if this is the agent's first section and all slots are taken; `EINVAL` if closed
   */
  readLock(): 0 | 1 {
    const { words, base } = this.agent;
    const slot = this.agent.slot === 0 ? this.ownSlot() : this.agent.slot;
    const index = indexOf(Atomics.load(words, base + GP_SEQ));
    Atomics.add(words, slot + LOCKS + index, ONE);
    return index;
  }

  /**
   * Ends a section. Cost: an Atomics add; a notify only if a writer waits for this agent.
   *
   * @param index - what {@link readLock} has returned
   * @throws SyncError `EPERM` if this agent has no section open under `index`
   */
  readUnlock(index: number): void {
    if (index !== 0 && index !== 1) {
      throw new RangeError(`SrcuDomain.readUnlock: index must be a result of readLock(), got ${index}`);
    }
    const { slot, words } = this.agent;
    // plain: only this agent changes its counts, others at most the AWAITED bit
    const ended = words[slot + UNLOCKS + index] & ~AWAITED_BIT;
    if (slot === 0 || words[slot + LOCKS + index] === ended) {
      throw new SyncError("EPERM", `SrcuDomain.readUnlock: no section is open under index ${index}`);
    }
    if ((Atomics.add(words, slot + UNLOCKS + index, ONE) & AWAITED_BIT) !== 0) this.#leave(slot, index);
  }

  /** Runs `fn` in a section, which ends when the promise `fn` returns is settled. */
  async read<T>(fn: () => T | PromiseLike<T>): Promise<T> {
    const index = this.readLock();
    try {
      return await fn();
    } finally {
      this.readUnlock(index);
    }
  }

  /** Sections this agent has open. */
  get openSections(): number {
    const { slot, words } = this.agent;
    return slot === 0 ? 0 : (openIn(words, slot, 0) + openIn(words, slot, 1)) / ONE;
  }

  /** Throws an `Error` naming the word and its value if the words cannot be those of an SRCU domain. */
  override validate(): void {
    const { words, base } = this.agent;
    const high = Atomics.load(words, base + AGENTS_HIGH);
    if (high < 0 || high > this.agentsMax) {
      throw new Error(`SrcuDomain: AGENTS_HIGH is ${high}, above ${this.agentsMax}`);
    }
    const seq = Atomics.load(words, base + GP_SEQ);
    if ((seq & 3) === 3) throw new Error(`SrcuDomain: SEQ is ${seq}, in phase 3`);
    for (let index = 0; index < this.agentsMax; index++) throwIfStays(() => this.#checkSlot(index));
  }

  /** The state in words, for messages. */
  override toString(): string {
    const { words, base } = this.agent;
    const seq = Atomics.load(words, base + GP_SEQ);
    const phase = ["idle", "waits for latecomers", "waits for readers"][seq & 3] ?? "broken";
    return `SrcuDomain(grace periods ${seq >>> 2}, ${phase}, own sections: ${this.openSections})`;
  }

  #checkSlot(index: number): string | undefined {
    const { words, base } = this.agent;
    const slot = slotWord(base, index);
    const high = Atomics.load(words, base + AGENTS_HIGH);
    const isFree = Atomics.load(words, slot + CLAIMED) === 0 || index >= high;
    for (const side of [0, 1]) {
      const open = openIn(words, slot, side) / ONE;
      if (open < 0 || (isFree && open > 0))
        return `SrcuDomain: agent ${index} at word ${slot} has ${open} sections open under ${side}`;
    }
    return undefined;
  }

  protected override get hasOpenSection(): boolean {
    return this.openSections > 0;
  }

  /** The counts stay: the next owner of the slot counts on from there. */
  protected override leave(_agent: Agent): void {}

  #leave(slot: number, index: number): void {
    Atomics.and(this.agent.words, slot + UNLOCKS + index, ~AWAITED_BIT);
    announceAgentLeft(this.agent);
  }
}
