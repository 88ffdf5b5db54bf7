/*
 * The page allocator as far as it is shared: each CPU has a list of free pages of its own, refilled and emptied in
 * batches under the lock of its node's zone. Lock order: innermost, inside everything a fault or unmap may hold.
 */
import type { Agent, Steps } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";
import type { LockStats } from "../locks/lock-stats.ts";
import { Spinlock } from "../locks/spinlock.ts";
import { REFILL_NS, ZONE_BATCH } from "./costs.ts";

/** Zones and per-CPU lists of one machine. */
export class PageAllocator {
  readonly #zones: Spinlock[];

  constructor(engine: Engine, stats: LockStats) {
    this.#zones = Array.from(
      { length: engine.machine.sockets },
      (_, i) => new Spinlock(engine, `zone ${i}`, stats, engine.line(`zone ${i}`, i)),
    );
  }

  /** Whether the next page must come from the zone. */
  mustRefill(agent: Agent): boolean {
    return agent.freePages === 0;
  }

  /** Moves one batch from the zone to the CPU's list. */
  *refill(agent: Agent): Steps {
    yield* this.#visit(agent);
    agent.freePages = ZONE_BATCH;
  }

  /** Gives `pages` back, batch by batch. */
  *release(agent: Agent, pages: number): Steps {
    for (let left = pages; left > 0; left -= ZONE_BATCH) yield* this.#visit(agent);
  }

  *#visit(agent: Agent): Steps {
    const zone = this.#zones[agent.cpu.socket]!;
    yield* zone.lock(agent);
    yield agent.work(REFILL_NS * 1000);
    yield* zone.unlock(agent);
  }
}
