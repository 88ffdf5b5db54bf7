/*
 * Arrival script → grant order. Five real threads follow a random script one step at a time; after each step
 * the lock must come to the state of the model: the same holders, the same mode, the same queue. The model
 * has no notion of overtaking, because the driver lets the lock settle before the next step.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Actors, Command, Status, until } from "./support/actors.ts";

const ACTORS = 5;
type Step = "read" | "write" | "downgrade";
type Entry = { actor: number; kind: "R" | "W" };

/** The policy in twenty lines: what a lock that is given time to settle does. */
class Model {
  readonly holders = new Map<number, "R" | "W">();
  queue: Entry[] = [];

  arrive(actor: number, kind: "R" | "W"): void {
    this.queue.push({ actor, kind });
    const isFirst = this.queue.length === 1;
    if (isFirst && (this.holders.size === 0 || (kind === "R" && !this.#isWriteHeld()))) this.#grant();
  }
  release(actor: number): void {
    this.holders.delete(actor);
    if (this.holders.size === 0) this.#grant();
  }
  downgrade(actor: number): void {
    this.holders.set(actor, "R");
    if (this.queue[0]?.kind === "R") this.#grant();
  }
  #isWriteHeld(): boolean {
    return [...this.holders.values()].includes("W");
  }
  #grant(): void {
    const first = this.queue[0];
    if (first === undefined) return;
    const isGranted = (entry: Entry) => (first.kind === "W" ? entry === first : entry.kind === "R");
    for (const { actor, kind } of this.queue.filter(isGranted)) this.holders.set(actor, kind);
    this.queue = this.queue.filter((entry) => !isGranted(entry));
  }
  picture(): string {
    const holders = [...this.holders].sort(([a], [b]) => a - b).map(([actor, kind]) => `${kind}${actor}`);
    const kinds = [...this.holders.values()];
    const readers = kinds.filter((kind) => kind === "R").length;
    return pictureOf(
      holders,
      this.queue.map((entry) => entry.kind).join(" "),
      this.queue.length,
      readers,
      kinds.includes("W"),
    );
  }
}

/**
 * Everything that is compared. A thread in the middle of an operation shows in one of these: it is busy
 * without being queued, or its bias is in the count still.
 */
function pictureOf(
  holders: string[],
  queue: string,
  busy: number,
  readers: number,
  isWriteHeld: boolean,
): string {
  const count = isWriteHeld ? "a writer" : `${readers} readers`;
  return `held: ${holders.join(" ")} | queue: ${queue} | ${busy} busy | ${count}`;
}

describe("RwSem against its model", () => {
  let actors: Actors;
  const mode = new Map<number, "R" | "W">();
  beforeAll(async () => {
    actors = await new Actors(ACTORS).ready();
  });
  afterAll(() => actors.stop());

  function picture(): string {
    const holders: string[] = [];
    let busy = 0;
    for (let actor = 0; actor < ACTORS; actor++) {
      if (actors.status(actor) === Status.Busy) busy++;
      if (mode.has(actor) && actors.status(actor) === Status.Holding)
        holders.push(`${mode.get(actor)}${actor}`);
    }
    return pictureOf(holders, actors.sem.waiters, busy, actors.sem.readerCount, actors.sem.isWriteLocked);
  }

  function settle(model: Model, trail: string[]): void {
    const expected = model.picture();
    trail.push(expected);
    until(
      () => picture() === expected,
      () => `after\n  ${trail.join("\n  ")}\nthe lock is\n  ${picture()} (${actors.sem})`,
    );
    actors.sem.validate();
  }

  function step(model: Model, actor: number, wish: Step): void {
    const held = model.holders.get(actor);
    if (held === "W" && wish === "downgrade") {
      actors.tell(actor, Command.downgradeWrite);
      mode.set(actor, "R");
      model.downgrade(actor);
      return;
    }
    if (held !== undefined) {
      actors.tell(actor, held === "R" ? Command.upRead : Command.upWrite);
      mode.delete(actor);
      model.release(actor);
      return;
    }
    if (model.queue.some((entry) => entry.actor === actor)) return; // it is asleep
    actors.tell(actor, wish === "read" ? Command.downRead : Command.downWrite);
    mode.set(actor, wish === "read" ? "R" : "W");
    model.arrive(actor, wish === "read" ? "R" : "W");
  }

  it("grants in the order of the model, whatever the order of arrival", () => {
    const steps = fc.array(
      fc.record({
        actor: fc.nat({ max: ACTORS - 1 }),
        wish: fc.constantFrom<Step>("read", "read", "write", "downgrade"),
      }),
      { minLength: 5, maxLength: 40 },
    );
    fc.assert(
      fc.property(steps, (script) => {
        const model = new Model();
        const trail: string[] = [];
        for (const { actor, wish } of script) {
          step(model, actor, wish);
          settle(model, trail);
        }
        // Let everybody go, in the order of the grants.
        for (let [actor] = model.holders.keys(); actor !== undefined; [actor] = model.holders.keys()) {
          step(model, actor, "read");
          settle(model, trail);
        }
        expect(actors.sem.isLocked).toBe(false);
      }),
      { numRuns: 200, endOnFailure: true },
    );
  });
});
