/*
 * D7: a reader-writer semaphore per VMA (Linux 6.4 to about 6.14: lock_vma_under_rcu, vma_start_write).
 * A fault finds its VMA under RCU and takes only that VMA's lock. A mapping change marks the VMAs it
 * touches with the process's sequence number, and frees them all at once by moving the number on.
 * A fault that meets a mark counts an abort and makes a second attempt under mmap_lock.
 */
import type { Agent, Steps } from "../engine/agent.ts";
import type { SimDesign } from "./design.ts";
import { faultUnderMmapLock } from "./mmap-lock.ts";
import type { SimVma, World } from "./world.ts";

export const perVmaLock: SimDesign = {
  name: "per-vma-lock",
  title: "a lock per VMA, found under RCU (Linux 6.4)",
  updates: "2 of one line per VMA",
  *fault(world, agent, vma, page) {
    if (yield* lockVma(world, agent, vma)) {
      yield* world.handleFault(agent, vma, page);
      yield* vma.lock.upRead(agent);
      world.counters.success++;
      return;
    }
    world.counters.retry++;
    yield* faultUnderMmapLock(world, agent, vma, page);
  },
  *writeLock(world, agent) {
    yield* world.mmapLock.downWrite(agent);
  },
  *writeUnlock(world, agent) {
    yield* endVmaWrites(world, agent);
    yield* world.mmapLock.upWrite(agent);
  },
  *writeDowngrade(world, agent) {
    yield* endVmaWrites(world, agent);
    yield* world.mmapLock.downgradeWrite(agent);
  },
  *readUnlock(world, agent) {
    yield* world.mmapLock.upRead(agent);
  },
  *vmaStartWrite(world, agent, vma) {
    if (vma.lockSeq === world.lockSeq) return;
    yield* vma.lock.downWrite(agent);
    vma.lockSeq = world.lockSeq;
    yield* vma.lock.upWrite(agent);
  },
};

/** Read-locks the VMA without mmap_lock; false: fall back. */
function* lockVma(world: World, agent: Agent, vma: SimVma): Steps<boolean> {
  world.rcu.readLock(agent);
  yield* world.lookup(agent, vma);
  const locked = yield* tryLockVma(world, agent, vma);
  world.rcu.readUnlock(agent);
  if (!locked) {
    world.counters.abort++;
    return false;
  }
  if (!vma.attached) {
    world.counters.miss++;
    yield* vma.lock.upRead(agent);
    return false;
  }
  return yield* prepareAnonVma(world, agent, vma);
}

function* tryLockVma(world: World, agent: Agent, vma: SimVma): Steps<boolean> {
  yield agent.read(world.seqLine);
  if (vma.lockSeq === world.lockSeq) return false;
  if (!(yield* vma.lock.tryDownRead(agent))) return false;
  yield agent.read(world.seqLine);
  if (vma.lockSeq !== world.lockSeq) return true;
  yield* vma.lock.upRead(agent);
  return false;
}

/** The first anonymous fault of a VMA needs mmap_lock; it tries, and falls back rather than wait. */
function* prepareAnonVma(world: World, agent: Agent, vma: SimVma): Steps<boolean> {
  if (vma.hasAnonVma) return true;
  const tries = world.options.firstFaultFallback !== "always";
  if (tries && (yield* world.mmapLock.tryDownRead(agent))) {
    yield* world.work(agent, "anonVma");
    vma.hasAnonVma = true;
    yield* world.mmapLock.upRead(agent);
    return true;
  }
  world.counters.abort++;
  yield* vma.lock.upRead(agent);
  return false;
}

function* endVmaWrites(world: World, agent: Agent): Steps {
  yield agent.write(world.seqLine);
  world.lockSeq++;
}
