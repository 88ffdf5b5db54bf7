/*
 * Turns over SpinLock, Mutex and RwSem, in the manner of locktorture: random holds, storms of tryLock, waits
 * that give up, readers beside writers, downgrades, locks nested up to eight deep.
 *
 * Lock order: the ring of mutexes in ascending order, innermost last; every other lock is taken alone.
 */
import { Mutex, RwSem, SpinLock } from "../src/index.ts";
import type { Actor } from "./actor.ts";
import { read, write } from "./stations.ts";
import { MUTEX, RING_SIZE, RING_STATIONS, SEM, SPIN, type Station } from "./words.ts";

type Exclusive = Pick<SpinLock, "lock" | "tryLock" | "unlock">;

/** The locks of one thread. */
export interface Locks {
  readonly spin: Exclusive;
  readonly mutex: Mutex;
  readonly sem: RwSem;
  readonly ring: readonly Mutex[];
}

/** Attaches to the locks; `spin` may be a broken twin. */
export function attachLocks(words: Int32Array, spin: Exclusive = new SpinLock(words, SPIN.lock)): Locks {
  return {
    spin,
    mutex: new Mutex(words, MUTEX.lock),
    sem: new RwSem(words, SEM.lock),
    ring: RING_STATIONS.map(({ lock }) => new Mutex(words, lock)),
  };
}

/** One of the three ways to acquire: wait, storm with tries, wait for a limited time. */
function acquire(
  actor: Actor,
  name: string,
  lock: (timeoutMs?: number) => boolean,
  tryLock: () => boolean,
): boolean {
  const way = actor.roll(10);
  if (way < 6) return lock();
  if (way < 9) {
    for (let attempt = 0; attempt < 50; attempt++) if (tryLock()) return true;
    actor.count(`${name} trylock storms in vain`);
    return false;
  }
  if (lock(actor.roll(3))) return true;
  actor.count(`${name} timeouts`);
  return false;
}

function exclusiveTurn(actor: Actor, name: string, lock: Exclusive, at: Station, hold: () => void): void {
  const wait = (timeoutMs?: number): boolean =>
    timeoutMs === undefined ? lock.lock() : lock.lock({ timeoutMs });
  if (!acquire(actor, name, wait, () => lock.tryLock())) return;
  write(actor, name, at, hold);
  lock.unlock();
}

function readTurn(actor: Actor, sem: RwSem): void {
  const wait = (timeoutMs?: number): boolean =>
    timeoutMs === undefined ? sem.downRead() : sem.downRead({ timeoutMs });
  if (!acquire(actor, "RwSem", wait, () => sem.tryDownRead())) return;
  read(actor, "RwSem", SEM);
  sem.upRead();
}

function writeTurn(actor: Actor, sem: RwSem): void {
  const wait = (timeoutMs?: number): boolean =>
    timeoutMs === undefined ? sem.downWrite() : sem.downWrite({ timeoutMs });
  if (!acquire(actor, "RwSem", wait, () => sem.tryDownWrite())) return;
  write(actor, "RwSem", SEM, () => actor.holdAsleep());
  if (!actor.oneIn(4)) {
    sem.upWrite();
    return;
  }
  sem.downgradeWrite();
  actor.count("RwSem downgrades");
  read(actor, "RwSem", SEM);
  sem.upRead();
}

/** A random ascending selection of the ring, all held at once. */
function nestedTurn(actor: Actor, ring: readonly Mutex[]): void {
  const held: number[] = [];
  for (let index = actor.roll(RING_SIZE); index < RING_SIZE; index += 1 + actor.roll(2)) {
    ring[index].lock();
    held.push(index);
  }
  actor.count(`nested ${held.length} deep`);
  for (const index of held.toReversed()) {
    write(actor, "nested Mutex", RING_STATIONS[index], () => actor.hold());
    ring[index].unlock();
  }
}

/** One turn over one of the locks. */
export function lockTurn(actor: Actor, { spin, mutex, sem, ring }: Locks): void {
  const what = actor.roll(10);
  if (what < 3) exclusiveTurn(actor, "SpinLock", spin, SPIN, () => actor.hold());
  else if (what < 6) exclusiveTurn(actor, "Mutex", mutex, MUTEX, () => actor.holdAsleep());
  else if (what < 8) readTurn(actor, sem);
  else if (what < 9) writeTurn(actor, sem);
  else nestedTurn(actor, ring);
}
