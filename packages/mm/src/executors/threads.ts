import type { Arena } from "@faultline/arena";
import { RwSem, SpinLock, SyncError } from "@faultline/sync";
import type { Effect, LockRef, Protocol } from "../protocol.ts";
import { VmaLock } from "../vma-lock.ts";

/*
 * Drives a protocol on this thread with real locks: an rwsem effect is an RwSem over the lock's words, a
 * spinlock a SpinLock, a VMA lock a VmaLock, RCU the arena's domain. Cost effects do nothing, and a sleep does not
 * take time; but it is refused inside an RCU section, as a debug kernel does.
 *
 * What a protocol defers runs in this agent, after a grace period, at the end of a later protocol (or when the
 * agent's domain is closed): never with locks in hand. An agent that runs no more protocols keeps its rest until
 * it calls `arena.rcu.barrier()`.
 */

type Mode = "read" | "write";

/** Runs `protocol` to its end and returns its result; what it throws is passed on. May block. */
export function runThreads<T>(arena: Arena, protocol: Protocol<T>): T {
  let answer: boolean | undefined;
  for (;;) {
    const { done, value } = protocol.next(answer);
    if (done === true) {
      if (!arena.rcu.isReading) arena.rcu.runCallbacks();
      return value;
    }
    answer = perform(arena, value);
  }
}

function perform(arena: Arena, effect: Effect): boolean | undefined {
  switch (effect.op) {
    case "acquire":
      acquireLock(arena, effect.lock, effect.mode);
      return undefined;
    case "try-acquire":
      return tryAcquireLock(arena, effect.lock, effect.mode);
    case "release":
      releaseLock(arena, effect.lock, effect.mode);
      return undefined;
    case "downgrade":
      new RwSem(arena.i32, effect.lock.word).downgradeWrite();
      return undefined;
    case "rcu-lock":
      arena.rcu.readLock();
      return undefined;
    case "rcu-unlock":
      arena.rcu.readUnlock();
      return undefined;
    case "rcu-defer":
      arena.rcu.call(effect.free);
      return undefined;
    case "sleep":
      if (arena.rcu.isReading) {
        throw new SyncError("EDEADLK", `sleep (${effect.what}) inside an RCU read section`);
      }
      return undefined;
    default:
      return undefined;
  }
}

function acquireLock(arena: Arena, lock: LockRef, mode: Mode): void {
  if (lock.kind === "spinlock") new SpinLock(arena.i32, lock.word).lock();
  else if (lock.kind === "vma" && mode === "read") new VmaLock(arena.i32, lock.word).read();
  else if (lock.kind === "vma") new VmaLock(arena.i32, lock.word).write();
  else if (mode === "read") new RwSem(arena.i32, lock.word).downRead();
  else new RwSem(arena.i32, lock.word).downWrite();
}

function tryAcquireLock(arena: Arena, lock: LockRef, mode: Mode): boolean {
  if (lock.kind === "spinlock") return new SpinLock(arena.i32, lock.word).tryLock();
  if (lock.kind === "vma") {
    const vmaLock = new VmaLock(arena.i32, lock.word);
    return mode === "read" ? vmaLock.tryRead() : vmaLock.tryWrite();
  }
  const sem = new RwSem(arena.i32, lock.word);
  return mode === "read" ? sem.tryDownRead() : sem.tryDownWrite();
}

function releaseLock(arena: Arena, lock: LockRef, mode: Mode): void {
  if (lock.kind === "spinlock") new SpinLock(arena.i32, lock.word).unlock();
  else if (lock.kind === "vma" && mode === "read") new VmaLock(arena.i32, lock.word).unlockRead();
  else if (lock.kind === "vma") new VmaLock(arena.i32, lock.word).unlockWrite();
  else if (mode === "read") new RwSem(arena.i32, lock.word).upRead();
  else new RwSem(arena.i32, lock.word).upWrite();
}
