/*
 * Turns over all locks but the robust ones, in the manner of locktorture: random holds, storms of tryLock, waits
 * that give up, readers beside writers, downgrades, locks nested up to eight deep.
 *
 * Lock order: the ring of mutexes in ascending order, innermost last; every other lock is taken alone.
 */
import {
  McsLock,
  Mutex,
  PerWorkerRwSem,
  QSpinLock,
  type RcuDomain,
  RwSem,
  Semaphore,
  SpinLock,
  TestAndSetLock,
  TicketLock,
  type WaitOptions,
} from "../src/index.ts";
import type { Actor } from "./actor.ts";
import { read, write } from "./stations.ts";
import {
  EXTRA_NAMES,
  type ExtraName,
  extraStation,
  MUTEX,
  NODES,
  NODES_MAX,
  PER_WORKER,
  PER_WORKER_LOCK,
  RING_SIZE,
  RING_STATIONS,
  SEM,
  SPIN,
  type Station,
  WORKERS_MAX,
} from "./words.ts";

type Exclusive = Pick<SpinLock, "lock" | "tryLock" | "unlock">;
type Shared = Pick<RwSem, "downRead" | "tryDownRead" | "upRead" | "downWrite" | "upWrite">;

/** One of the further locks, and whether it is in the state that everybody leaves it in. */
export interface Extra {
  readonly name: ExtraName;
  readonly at: Station;
  readonly lock: Exclusive;
  readonly isFree: () => boolean;
  readonly validate: () => void;
}

/** The locks of one thread. */
export interface Locks {
  readonly spin: Exclusive;
  readonly mutex: Mutex;
  readonly sem: RwSem;
  readonly ring: readonly Mutex[];
  readonly extras: readonly Extra[];
  readonly perWorker: PerWorkerRwSem;
}

/** Attaches to the further locks. */
export function attachExtras(words: Int32Array): Extra[] {
  return EXTRA_NAMES.map((name) => {
    const at = extraStation(name);
    if (name === "Semaphore") return { name, at, ...oneHolder(new Semaphore(words, at.lock)) };
    const lock = spinningLock(name, words, at.lock);
    return { name, at, lock, isFree: () => !lock.isLocked, validate: () => lock.validate() };
  });
}

function spinningLock(name: Exclude<ExtraName, "Semaphore">, words: Int32Array, at: number) {
  if (name === "TestAndSetLock") return new TestAndSetLock(words, at);
  if (name === "TicketLock") return new TicketLock(words, at);
  if (name === "McsLock") return new McsLock(words, at);
  return new QSpinLock(words, at, { nodes: NODES, nodesMax: NODES_MAX });
}

/** A semaphore with one permit, as a lock. */
function oneHolder(semaphore: Semaphore): Omit<Extra, "name" | "at"> {
  const lock: Exclusive = {
    lock: (options?: WaitOptions) => semaphore.down(options),
    tryLock: () => semaphore.tryDown(),
    unlock: () => semaphore.up(),
  };
  return { lock, isFree: () => semaphore.available === 1, validate: () => semaphore.validate() };
}

/** Attaches to the locks; `spin` may be a broken twin. */
export function attachLocks(
  words: Int32Array,
  rcu: RcuDomain,
  spin: Exclusive = new SpinLock(words, SPIN.lock),
): Locks {
  return {
    extras: attachExtras(words),
    perWorker: new PerWorkerRwSem(words, PER_WORKER_LOCK, rcu, { workersMax: WORKERS_MAX }),
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

function readTurn(actor: Actor, name: string, sem: Shared, at: Station): void {
  const wait = (timeoutMs?: number): boolean =>
    timeoutMs === undefined ? sem.downRead() : sem.downRead({ timeoutMs });
  if (!acquire(actor, name, wait, () => sem.tryDownRead())) return;
  read(actor, name, at);
  sem.upRead();
}

/** @returns whether it has the lock: the caller gives it back */
function writeTurn(actor: Actor, name: string, sem: Shared, at: Station, tryDown: () => boolean): boolean {
  const wait = (timeoutMs?: number): boolean =>
    timeoutMs === undefined ? sem.downWrite() : sem.downWrite({ timeoutMs });
  if (!acquire(actor, name, wait, tryDown)) return false;
  write(actor, name, at, () => actor.holdAsleep());
  return true;
}

function semTurn(actor: Actor, sem: RwSem): void {
  if (!actor.oneIn(3)) return readTurn(actor, "RwSem", sem, SEM);
  if (!writeTurn(actor, "RwSem", sem, SEM, () => sem.tryDownWrite())) return;
  if (!actor.oneIn(4)) {
    sem.upWrite();
    return;
  }
  sem.downgradeWrite();
  actor.count("RwSem downgrades");
  read(actor, "RwSem", SEM);
  sem.upRead();
}

/** Written seldom: a write costs a grace period. */
function perWorkerTurn(actor: Actor, sem: PerWorkerRwSem): void {
  const name = "PerWorkerRwSem";
  if (!actor.oneIn(8)) return readTurn(actor, name, sem, PER_WORKER);
  if (writeTurn(actor, name, sem, PER_WORKER, () => sem.downWrite({ timeoutMs: 0 }))) sem.upWrite();
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
export function lockTurn(actor: Actor, { spin, mutex, sem, ring, extras, perWorker }: Locks): void {
  const what = actor.roll(14);
  if (what < 3) exclusiveTurn(actor, "SpinLock", spin, SPIN, () => actor.hold());
  else if (what < 5) exclusiveTurn(actor, "Mutex", mutex, MUTEX, () => actor.holdAsleep());
  else if (what < 8) semTurn(actor, sem);
  else if (what < 9) nestedTurn(actor, ring);
  else if (what < 11) perWorkerTurn(actor, perWorker);
  else {
    const { name, lock, at } = extras[actor.roll(extras.length)];
    exclusiveTurn(actor, name, lock, at, () => actor.hold());
  }
}
