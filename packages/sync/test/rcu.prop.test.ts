/*
 * One thread plays four agents in random order against the definition of a grace period: poll(cookie) may
 * say yes only when every section that was open when the cookie was taken has ended. The agents are of both
 * flavours; no microtask runs during a script, so qsbr agents are quiescent only where the script says so.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RcuDomain, type RcuFlavour } from "../src/index.ts";
import { GP_SEQ } from "../src/rcu/layout.ts";
import { anotherAgent } from "./support/agents.ts";
import { sharedWords } from "./support/memory.ts";

const AGENTS = 4;
type Section = { isOpen: boolean };
type Ticket = { cookie: number; waitsFor: Section[]; wasElapsed: boolean };

class Lab {
  readonly words: Int32Array = sharedWords(RcuDomain.words(AGENTS));
  readonly agents: RcuDomain[];
  readonly open: (Section | undefined)[] = Array(AGENTS).fill(undefined);
  readonly depth: number[] = Array(AGENTS).fill(0);
  readonly tickets: Ticket[] = [];

  constructor(start: number, flavours: readonly RcuFlavour[]) {
    Atomics.store(this.words, GP_SEQ, start & ~1);
    const views = Array.from({ length: AGENTS }, () => anotherAgent(this.words));
    this.agents = views.map(
      (view, index) => new RcuDomain(view, 0, { agentsMax: AGENTS, flavour: flavours[index] }),
    );
  }

  lock(agent: number): void {
    this.agents[agent].readLock();
    if (this.depth[agent]++ === 0) this.open[agent] = { isOpen: true };
  }

  unlock(agent: number): void {
    if (this.depth[agent] === 0) return;
    this.agents[agent].readUnlock();
    const section = this.open[agent];
    if (--this.depth[agent] === 0 && section !== undefined) {
      section.isOpen = false;
      this.open[agent] = undefined;
    }
  }

  cookie(agent: number): void {
    const waitsFor = this.open.filter((section) => section !== undefined);
    this.tickets.push({ cookie: this.agents[agent].cookie(), waitsFor, wasElapsed: false });
  }

  poll(agent: number): void {
    for (const ticket of this.tickets) {
      const isElapsed = this.agents[agent].poll(ticket.cookie);
      if (isElapsed) expect(ticket.waitsFor.every((section) => !section.isOpen)).toBe(true);
      if (ticket.wasElapsed) expect(isElapsed).toBe(true);
      ticket.wasElapsed = isElapsed;
    }
  }

  quiescent(agent: number): void {
    if (this.depth[agent] === 0) this.agents[agent].quiescentState();
  }

  /** Offline and online again; the slot is claimed by that. */
  block(agent: number): void {
    if (this.depth[agent] > 0) return;
    this.agents[agent].offline();
    this.agents[agent].online();
  }

  /** Nobody reads: there is nothing left to wait for, so one poll must get all the way. */
  finish(): void {
    for (let agent = 0; agent < AGENTS; agent++) {
      while (this.depth[agent] > 0) this.unlock(agent);
      this.block(agent);
    }
    this.poll(0);
    expect(this.tickets.every((ticket) => ticket.wasElapsed)).toBe(true);
  }
}

describe("RcuDomain against the definition of a grace period", () => {
  it("never says yes too early, and says yes when nobody reads", () => {
    const steps = fc.array(
      fc.record({
        agent: fc.nat({ max: AGENTS - 1 }),
        action: fc.constantFrom("lock", "unlock", "unlock", "cookie", "poll", "quiescent", "block"),
      }),
      { maxLength: 60, size: "max" },
    );
    const starts = fc.oneof(fc.integer(), fc.constantFrom(-4, -2, 0, 0x7ffffffc));
    const flavour = fc.constantFrom<RcuFlavour>("mb", "qsbr");
    const flavours = fc.array(flavour, { minLength: AGENTS, maxLength: AGENTS });
    fc.assert(
      fc.property(starts, flavours, steps, (start, flavour, script) => {
        const lab = new Lab(start, flavour);
        for (const { agent, action } of script) {
          lab[action](agent);
          lab.agents[agent].validate();
        }
        lab.finish();
      }),
      { numRuns: 1000 },
    );
  });
});
