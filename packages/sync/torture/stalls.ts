/*
 * The onlooker that always waits for a grace period: it must hear of every reader that stalls, by name, and no grace
 * period may last for ever. It waits in the main thread, async, so that it never is what others wait for.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RcuStall } from "../src/index.ts";
import type { Tally } from "./actor.ts";
import { agentName, openDomain } from "./rcu.ts";
import { DOMAIN_KINDS, type DomainKind, NAMED, STALLER, WORKERS_MAX } from "./words.ts";

/** A wait is asked again after that, to see whether it should end. */
const PATIENCE_MS = 500;

/** Waits in every domain, and counts. */
export class StallWatch {
  readonly seen: Tally = {};
  readonly faults: Tally = {};
  readonly #words: Int32Array;
  readonly #stuckMs: number;
  readonly #isDeaf: boolean;

  /** @param isDeaf - reports are lost, which must be noticed */
  constructor(words: Int32Array, stuckMs: number, isDeaf: boolean) {
    this.#words = words;
    this.#stuckMs = stuckMs;
    this.#isDeaf = isDeaf;
  }

  /** Waits until `isOver`. */
  async run(isOver: () => boolean): Promise<void> {
    await Promise.all(DOMAIN_KINDS.map((kind) => this.#watch(kind, isOver)));
  }

  /** Lets a lane stall, unless one does already. @returns whether it will */
  ask(lane: number): boolean {
    return Atomics.compareExchange(this.#words, STALLER, 0, lane + 1) === 0;
  }

  async #watch(kind: DomainKind, isOver: () => boolean): Promise<void> {
    const onStall = (stall: RcuStall): void => this.#report(kind, stall);
    using rcu = openDomain(this.#words, kind, WORKERS_MAX - 2, this.#isDeaf ? undefined : onStall);
    while (!isOver()) {
      const cookie = rcu.cookie();
      const began = performance.now();
      while (!(await rcu.waitCookieAsync(cookie, { timeoutMs: PATIENCE_MS }))) {
        if (performance.now() - began < this.#stuckMs) continue;
        this.#add(this.faults, `${rcu}: a grace period has not ended`);
        return;
      }
      this.#add(this.seen, `${kind}: grace periods of the onlooker`);
      await sleep(2);
    }
  }

  #report(kind: DomainKind, { agents }: RcuStall): void {
    this.#add(this.seen, `${kind}: stall reports`);
    const staller = agentName(Atomics.load(this.#words, STALLER) - 1);
    const isNamed = agents.some(({ name }) => name === staller);
    if (!isNamed) return;
    this.#add(this.seen, `${kind}: stall reports that name the staller`);
    Atomics.store(this.#words, NAMED, 1);
    Atomics.notify(this.#words, NAMED);
  }

  #add(tally: Tally, name: string): void {
    tally[name] = (tally[name] ?? 0) + 1;
  }
}
