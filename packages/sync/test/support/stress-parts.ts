/*
 * What the threads of the stress tests do. Every part returns how many violations it has seen, or how often
 * it succeeded. The payload is plain on purpose: locks and RCU must order plain accesses too.
 *
 *   word 0          start line              word 64 …     lock under test
 *   word 16, 17     counter, copy           word 256 …    RCU domain
 *   word 18         stop flag               word 1024 …   the two writers' objects
 */
import { Mutex, RcuDomain, RwSem, SpinLock } from "../../src/index.ts";
import { SPINLOCK_NAMES, type SpinLockName, spinlocksOver } from "./spinlocks.ts";

export const LOCK = 64;
export const COUNTER = 16;
export const COPY = 17;
const STOP = 18;
const RCU = 256;
const POINTERS = 32;
const OBJECTS = 1024;

interface Lockable {
  lock(options?: { timeoutMs: number }): boolean;
  unlock(): void;
}

/** A lock that lets everybody in: the test must notice. */
const busted: Lockable = { lock: () => true, unlock: () => {} };

function work(turns: number): void {
  for (let turn = 0; turn < turns; turn++) dummy[0] += turn;
}
const dummy = new Float64Array(1);

/** Adds 1 to the counter `rounds` times, in three steps that another thread must not come between. */
function count(words: Int32Array, lock: Lockable, rounds: number): number {
  for (let round = 0; round < rounds; round++) {
    lock.lock();
    const before = words[COUNTER];
    work(round % 16 === 0 ? 200 : 4);
    words[COUNTER] = before + 1;
    lock.unlock();
    work(round % 7);
  }
  return rounds;
}

/** The same with a timeout that often passes; returns how often the lock was got. */
function countImpatiently(words: Int32Array, lock: Lockable, rounds: number): number {
  let successes = 0;
  for (let round = 0; round < rounds; round++) {
    if (!lock.lock({ timeoutMs: (round % 4) * 0.1 })) continue;
    words[COUNTER] += 1;
    work(round % 8 === 0 ? 4000 : 10);
    lock.unlock();
    successes++;
  }
  return successes;
}

/** Keeps COPY equal to COUNTER under the write lock; downgrades now and then and looks. */
function rwWrite(words: Int32Array, _index: number, rounds: number): number {
  const sem = new RwSem(words, LOCK);
  let violations = 0;
  for (let round = 0; round < rounds; round++) {
    sem.downWrite();
    words[COUNTER] += 1;
    work(20);
    words[COPY] += 1;
    if (round % 4 === 0) {
      const written = words[COUNTER];
      sem.downgradeWrite();
      work(20);
      if (words[COUNTER] !== written) violations++;
      sem.upRead();
    } else {
      sem.upWrite();
    }
  }
  return violations;
}

function rwRead(words: Int32Array, _index: number, rounds: number): number {
  const sem = new RwSem(words, LOCK);
  let violations = 0;
  for (let round = 0; round < rounds; round++) {
    const isHeld = round % 5 === 0 ? sem.downRead({ timeoutMs: 0.1 }) : sem.downRead();
    if (!isHeld) continue;
    const before = words[COUNTER];
    work(round % 32);
    if (words[COPY] !== before || words[COUNTER] !== before) violations++;
    sem.upRead();
  }
  return violations;
}

/*
 * RCU: each writer owns a pointer word and two objects of four words. It fills the spare object with one
 * value, publishes it, waits for a grace period, and poisons the old one. Readers check that what they
 * follow is neither poisoned nor half old. An updater that does not wait must be caught.
 */
const OBJECT_WORDS = 16;
const PAYLOAD = 4;
const POISON = -1;

type Wait = (rcu: RcuDomain, round: number) => void;

const everyWay: Wait = (rcu, round) => {
  if (round % 4 === 0) return rcu.synchronize();
  if (round % 4 === 1) {
    const cookie = rcu.cookie();
    while (!rcu.poll(cookie)) work(10);
  } else if (round % 4 === 2) {
    let isOver = false;
    rcu.call(() => {
      isOver = true;
    });
    rcu.barrier();
    if (!isOver) throw new Error("barrier returned before the callback had run");
  } else {
    rcu.waitCookie(rcu.cookie());
  }
};

function update(words: Int32Array, index: number, rounds: number, wait: Wait): number {
  const rcu = new RcuDomain(words, RCU, { agentsMax: 8 });
  const pointer = POINTERS + index;
  const objects = [0, 1].map((which) => OBJECTS + (2 * index + which) * OBJECT_WORDS);
  for (let round = 0; round < rounds && Atomics.load(words, STOP) === 0; round++) {
    const fresh = objects[round % 2];
    const old = Atomics.load(words, pointer);
    words.fill(round + 1, fresh, fresh + PAYLOAD);
    Atomics.store(words, pointer, fresh);
    if (old === 0) continue;
    wait(rcu, round);
    words.fill(POISON, old, old + PAYLOAD);
  }
  Atomics.store(words, STOP, 1);
  rcu.close();
  return 0;
}

function follow(words: Int32Array, _index: number): number {
  const rcu = new RcuDomain(words, RCU, { agentsMax: 8 });
  let violations = 0;
  for (let round = 0; Atomics.load(words, STOP) === 0; round++) {
    rcu.readLock();
    const object = Atomics.load(words, POINTERS + (round % 2));
    if (round % 3 === 0) rcu.read(() => work(5));
    if (object !== 0 && !isWhole(words, object)) violations++;
    rcu.readUnlock();
    // One violation is enough, and ends a run that would only find more of them.
    if (violations > 0) Atomics.store(words, STOP, 1);
  }
  rcu.close();
  return violations;
}

function isWhole(words: Int32Array, object: number): boolean {
  const value = words[object];
  for (let word = 1; word < PAYLOAD; word++) {
    work(20);
    if (words[object + word] !== value) return false;
  }
  return value !== POISON;
}

type Part = (words: Int32Array, index: number, rounds: number) => number;

/** `"lock McsLock"`, `"impatient McsLock"` and so on. */
const family = Object.fromEntries(
  SPINLOCK_NAMES.flatMap((name): [string, Part][] => [
    [`lock ${name}`, (words, _, rounds) => count(words, spinlocksOver(words, LOCK)[name], rounds)],
    [
      `impatient ${name}`,
      (words, _, rounds) => countImpatiently(words, spinlocksOver(words, LOCK)[name], rounds),
    ],
  ]),
) as Record<`${"lock" | "impatient"} ${SpinLockName}`, Part>;

export const parts = {
  ...family,
  spin: (words, _index, rounds) => count(words, new SpinLock(words, LOCK), rounds),
  mutex: (words, _index, rounds) => count(words, new Mutex(words, LOCK), rounds),
  busted: (words, _index, rounds) => count(words, busted, rounds),
  spinImpatient: (words, _index, rounds) => countImpatiently(words, new SpinLock(words, LOCK), rounds),
  mutexImpatient: (words, _index, rounds) => countImpatiently(words, new Mutex(words, LOCK), rounds),
  rwWrite,
  rwRead,
  rcuUpdate: (words, index, rounds) => update(words, index, rounds, everyWay),
  rcuUpdateWithoutWaiting: (words, index, rounds) => update(words, index, rounds, () => {}),
  rcuFollow: follow,
} satisfies Record<string, Part>;

export type PartName = keyof typeof parts;
