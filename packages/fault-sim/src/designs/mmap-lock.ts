/*
 * D1: one reader-writer lock per process (Linux up to 6.3: do_user_addr_fault, mmap_read_lock). A fault
 * holds it for read from the look-up to the end; a mapping change holds it for write.
 */
import type { Agent, Steps } from "../engine/agent.ts";
import type { SimDesign } from "./design.ts";
import type { SimVma, World } from "./world.ts";

/** The fault path under mmap_lock; the fallback of designs that avoid the lock. */
export function* faultUnderMmapLock(world: World, agent: Agent, vma: SimVma, page: number): Steps {
  yield* world.mmapLock.downRead(agent);
  yield* world.lookup(agent, vma);
  if (vma.attached) {
    if (!vma.hasAnonVma) {
      yield* world.work(agent, "anonVma");
      vma.hasAnonVma = true;
    }
    yield* world.handleFault(agent, vma, page);
  } else {
    world.counters.miss++;
  }
  yield* world.mmapLock.upRead(agent);
}

export const mmapLock: SimDesign = {
  name: "mmap-lock",
  title: "mmap_lock, one reader-writer lock per process (Linux up to 6.3)",
  updates: "2 of one line per process",
  *fault(world, agent, vma, page) {
    yield* faultUnderMmapLock(world, agent, vma, page);
    world.counters.success++;
  },
  *writeLock(world, agent) {
    yield* world.mmapLock.downWrite(agent);
  },
  *writeUnlock(world, agent) {
    yield* world.mmapLock.upWrite(agent);
  },
  *writeDowngrade(world, agent) {
    yield* world.mmapLock.downgradeWrite(agent);
  },
  *readUnlock(world, agent) {
    yield* world.mmapLock.upRead(agent);
  },
  *vmaStartWrite() {},
};
