/*
 * Arrival script → grant order, for each policy. A random script is followed one step at a time; after each
 * step the lock must come to the state of the model: the same holders, the same mode, the same queue. The
 * model has no notion of overtaking, because the driver lets the lock settle before the next step.
 *
 * Twice: by five real threads that block, and by eight tasks of one thread that await, of which those in the
 * queue may also be aborted.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RwSem, type RwSemPolicy } from "../src/index.ts";
import { Actors, Command, Status, until } from "./support/actors.ts";
import { sharedWords } from "./support/memory.ts";

const ACTORS = 5;
type Step = "read" | "write" | "downgrade";
type Entry = { actor: number; kind: "R" | "W" };

/** A policy in the words of its users: which of those that wait come in when the lock is given up. */
interface Rules {
  /** Does somebody who arrives now get in at once, the mode of the lock allowing it? */
  enters(kind: "R" | "W", queue: readonly Entry[]): boolean;
  /** Who comes in next; of a mix, the first decides the mode. */
  next(queue: readonly Entry[]): Entry[];
}

const isReader = ({ kind }: Entry) => kind === "R";
const isWriter = ({ kind }: Entry) => kind === "W";
const firstAnd = (queue: readonly Entry[], others: readonly Entry[]) =>
  queue.length > 0 && isReader(queue[0]) ? [...others] : queue.slice(0, 1);

const policies: Record<RwSemPolicy, Rules> = {
  linux: {
    enters: (_, queue) => queue.length === 0,
    next: (queue) => firstAnd(queue, queue.filter(isReader)),
  },
  "fair-fifo": {
    enters: (_, queue) => queue.length === 0,
    next: (queue) => {
      const writer = queue.findIndex(isWriter);
      return firstAnd(queue, writer === -1 ? queue : queue.slice(0, writer));
    },
  },
  "reader-pref": {
    enters: (kind, queue) => kind === "R" || queue.length === 0,
    next: (queue) => (queue.some(isReader) ? queue.filter(isReader) : queue.slice(0, 1)),
  },
  "writer-pref": {
    enters: (kind, queue) => (kind === "R" ? !queue.some(isWriter) : queue.length === 0),
    next: (queue) => (queue.some(isWriter) ? queue.filter(isWriter).slice(0, 1) : [...queue]),
  },
};

/** A lock that is given time to settle. */
class Model {
  readonly holders = new Map<number, "R" | "W">();
  queue: Entry[] = [];
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }
  arrive(actor: number, kind: "R" | "W"): void {
    const isCompatible = kind === "R" ? !this.#isWriteHeld() : this.holders.size === 0;
    if (isCompatible && this.#rules.enters(kind, this.queue)) this.holders.set(actor, kind);
    else this.queue.push({ actor, kind });
  }
  release(actor: number): void {
    this.holders.delete(actor);
    if (this.holders.size === 0) this.#grant();
  }
  downgrade(actor: number): void {
    this.holders.set(actor, "R");
    if (this.#rules.next(this.queue).every(isReader)) this.#grant();
  }
  /** A waiter gives up: the others stand as if it had never come. */
  leave(actor: number): void {
    this.queue = this.queue.filter((entry) => entry.actor !== actor);
    if (this.#isWriteHeld()) return;
    if (this.holders.size === 0 || this.#rules.next(this.queue).every(isReader)) this.#grant();
  }
  #isWriteHeld(): boolean {
    return [...this.holders.values()].includes("W");
  }
  #grant(): void {
    const granted = this.#rules.next(this.queue);
    for (const { actor, kind } of granted) this.holders.set(actor, kind);
    this.queue = this.queue.filter((entry) => !granted.includes(entry));
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

const POLICIES: readonly RwSemPolicy[] = ["linux", "fair-fifo", "reader-pref", "writer-pref"];
const scriptFor = (actors: number) =>
  fc.array(
    fc.record({
      actor: fc.nat({ max: actors - 1 }),
      wish: fc.constantFrom<Step>("read", "read", "write", "write", "downgrade"),
    }),
    { minLength: 5, maxLength: 40 },
  );

for (const policy of POLICIES) {
  describe(`RwSem with policy ${policy} against its model, by threads`, () => {
    let actors: Actors;
    const mode = new Map<number, "R" | "W">();
    beforeAll(async () => {
      actors = await new Actors(ACTORS, policy).ready();
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
      fc.assert(
        fc.property(scriptFor(ACTORS), (script) => {
          const model = new Model(policies[policy]);
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
        { numRuns: 100, endOnFailure: true },
      );
    });
  });

  describe(`RwSem with policy ${policy} against its model, by tasks`, () => {
    /** Eight tasks and their lock; a task waits at most once at a time. */
    class Tasks {
      readonly sem: RwSem;
      readonly #mode = new Map<number, "R" | "W">();
      readonly #waiting = new Map<number, AbortController>();

      constructor() {
        this.sem = new RwSem(sharedWords(RwSem.WORDS), 0, { policy });
      }
      step(model: Model, actor: number, wish: Step): void {
        const held = model.holders.get(actor);
        const waiting = this.#waiting.get(actor);
        if (held === "W" && wish === "downgrade") {
          this.sem.downgradeWrite();
          this.#mode.set(actor, "R");
          model.downgrade(actor);
        } else if (held !== undefined) {
          this.#mode.delete(actor);
          if (held === "R") this.sem.upRead();
          else this.sem.upWrite();
          model.release(actor);
        } else if (waiting !== undefined) {
          waiting.abort();
          model.leave(actor);
        } else {
          void this.#take(actor, wish === "read" ? "R" : "W");
          model.arrive(actor, wish === "read" ? "R" : "W");
        }
      }
      async #take(actor: number, kind: "R" | "W"): Promise<void> {
        const controller = new AbortController();
        const { signal } = controller;
        this.#waiting.set(actor, controller);
        try {
          await (kind === "R" ? this.sem.downReadAsync({ signal }) : this.sem.downWriteAsync({ signal }));
          this.#mode.set(actor, kind);
        } catch (error) {
          if ((error as { code?: string }).code !== "EINTR") throw error;
        } finally {
          this.#waiting.delete(actor);
        }
      }
      async settle(model: Model, trail: string[]): Promise<void> {
        const expected = model.picture();
        trail.push(expected);
        for (let turn = 0; turn < 200 && this.#picture() !== expected; turn++) {
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
        expect(this.#picture(), `after\n  ${trail.join("\n  ")}`).toBe(expected);
        this.sem.validate();
      }
      #picture(): string {
        const holders = [...this.#mode].sort(([a], [b]) => a - b).map(([actor, kind]) => `${kind}${actor}`);
        const { waiters, readerCount, isWriteLocked } = this.sem;
        return pictureOf(holders, waiters, this.#waiting.size, readerCount, isWriteLocked);
      }
    }

    it("grants in the order of the model, also when waiters are aborted", async () => {
      await fc.assert(
        fc.asyncProperty(scriptFor(8), async (script) => {
          const model = new Model(policies[policy]);
          const tasks = new Tasks();
          const trail: string[] = [];
          for (const { actor, wish } of script) {
            tasks.step(model, actor, wish);
            await tasks.settle(model, trail);
          }
          for (let [actor] = model.holders.keys(); actor !== undefined; [actor] = model.holders.keys()) {
            tasks.step(model, actor, "read");
            await tasks.settle(model, trail);
          }
          expect(String(tasks.sem)).toBe("RwSem(free, waiting: nobody)");
        }),
        { numRuns: 200, endOnFailure: true },
      );
    });
  });
}

describe("the policy of an RwSem", () => {
  it("is a word of the lock, which every later view finds", () => {
    const words = new Int32Array(RwSem.WORDS);
    expect(new RwSem(words, 0).policy).toBe("linux");
    new RwSem(words, 0, { policy: "fair-fifo" });
    expect(new RwSem(words, 0).policy).toBe("fair-fifo");
    expect(() => new RwSem(words, 0, { policy: "linux" })).toThrow(
      expect.objectContaining({ code: "EINVAL" }),
    );
    expect(() => new RwSem(words, 0, { policy: "fifo" as RwSemPolicy })).toThrow(RangeError);
    words[2] = 9;
    expect(() => new RwSem(words, 0).validate()).toThrow("POLICY is 9");
  });

  it("lets a try join the readers past a queued writer only where readers are preferred", async () => {
    for (const policy of POLICIES) {
      const sem = new RwSem(sharedWords(RwSem.WORDS), 0, { policy });
      sem.downRead();
      const writer = sem.downWriteAsync();
      expect([policy, sem.tryDownRead()]).toEqual([policy, policy === "reader-pref"]);
      while (sem.readerCount > 0) sem.upRead();
      expect(await writer).toBe(true);
      sem.validate();
    }
  });
});
