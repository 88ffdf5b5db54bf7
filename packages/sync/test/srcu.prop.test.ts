/*
 * One thread plays three agents with any number of sections each, in random order and with readers delayed
 * between choosing their index and counting themselves, against the definition of a grace period.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SrcuDomain } from "../src/index.ts";
import { GP_SEQ, slotWord } from "../src/rcu/layout.ts";
import { indexOf, LOCKS, ONE } from "../src/rcu/srcu-grace-period.ts";
import { anotherAgent } from "./support/agents.ts";

const AGENTS = 3;
type Section = { readonly index: 0 | 1; isOpen: boolean };
type Ticket = { readonly cookie: number; readonly waitsFor: Section[]; wasElapsed: boolean };

class Lab {
  readonly words: Int32Array = new Int32Array(new SharedArrayBuffer(SrcuDomain.words(AGENTS) * 4));
  readonly agents: SrcuDomain[];
  readonly open: Section[][] = Array.from({ length: AGENTS }, () => []);
  /** Indexes chosen by readers that have not counted themselves yet. */
  readonly chosen: (0 | 1 | undefined)[] = Array(AGENTS).fill(undefined);
  readonly tickets: Ticket[] = [];

  constructor(start: number) {
    Atomics.store(this.words, GP_SEQ, start & ~3);
    const views = Array.from({ length: AGENTS }, () => anotherAgent(this.words));
    this.agents = views.map((view) => new SrcuDomain(view, 0, { agentsMax: AGENTS }));
    for (const agent of this.agents) agent.readUnlock(agent.readLock()); // slot i is agent i's
  }

  lock(agent: number): void {
    this.open[agent].push({ index: this.agents[agent].readLock(), isOpen: true });
  }

  choose(agent: number): void {
    this.chosen[agent] ??= indexOf(Atomics.load(this.words, GP_SEQ));
  }

  count(agent: number): void {
    const index = this.chosen[agent];
    if (index === undefined) return;
    Atomics.add(this.words, slotWord(0, agent) + LOCKS + index, ONE);
    this.open[agent].push({ index, isOpen: true });
    this.chosen[agent] = undefined;
  }

  unlock(agent: number): void {
    const section = this.open[agent].shift();
    if (section === undefined) return;
    this.agents[agent].readUnlock(section.index);
    section.isOpen = false;
  }

  cookie(agent: number): void {
    const cookie = this.agents[agent].cookie();
    this.tickets.push({ cookie, waitsFor: this.open.flat(), wasElapsed: false });
  }

  poll(agent: number): void {
    for (const ticket of this.tickets) {
      const isElapsed = this.agents[agent].poll(ticket.cookie);
      if (isElapsed) expect(ticket.waitsFor.every((section) => !section.isOpen)).toBe(true);
      if (ticket.wasElapsed) expect(isElapsed).toBe(true);
      ticket.wasElapsed = isElapsed;
    }
  }

  finish(): void {
    for (let agent = 0; agent < AGENTS; agent++) {
      this.count(agent);
      while (this.open[agent].length > 0) this.unlock(agent);
      expect(this.agents[agent].openSections).toBe(0);
    }
    this.poll(0);
    expect(this.tickets.every((ticket) => ticket.wasElapsed)).toBe(true);
  }
}

describe("SrcuDomain against the definition of a grace period", () => {
  it("never says yes too early, and says yes when nobody reads", () => {
    const action = fc.constantFrom("lock", "unlock", "unlock", "choose", "count", "cookie", "poll", "poll");
    const step = fc.record({ agent: fc.nat({ max: AGENTS - 1 }), action });
    const starts = fc.oneof(fc.integer(), fc.constantFrom(-8, -4, 0, 0x7ffffff8));
    fc.assert(
      fc.property(starts, fc.array(step, { maxLength: 80, size: "max" }), (start, script) => {
        const lab = new Lab(start);
        for (const { agent, action: act } of script) {
          lab[act](agent);
          lab.agents[agent].validate();
        }
        lab.finish();
      }),
      { numRuns: 1500 },
    );
  });
});
