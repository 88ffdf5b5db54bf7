// How robust locks wait: nobody is left asleep, whoever gives up, and whoever dies before any of its Atomics
// operations. That the next owner is told, for each kind of lock, is in robust.model.ts.
//
// How a death is modelled. A thread called Dice stores numbers in a word, and the victim loads it first: that
// is the number of Atomics operations after which it dies, so every order of the two is another death. From then
// on its operations do nothing, also those of `finally` blocks, until it is out; then it reports its own death,
// as the thread that started it would.

import type { Model } from "@faultline/interleave";
import { type Agents, RobustMutex, RobustSemaphore, RobustSpinLock } from "@faultline/sync/robust";
import { ALL, expectWord, increment, type ModelPair, zeroed } from "./support.ts";

const VICTIM = 1024;
const REAPER = 1025;
const SURVIVOR = 1026;

const FUSE = 80;
/** 1 when the victim is dead. */
const DEAD = 81;
/** 1 while the victim is inside. */
const INSIDE = 82;
const COUNT = 83;
const TOLD = 84;
const WORDS = 85;

interface Lock {
  lock(options?: { readonly timeoutMs?: number }): boolean;
  unlock(): void;
  agentDied(id: number): boolean;
  validate(): void;
}

/** Makes the lock as the agent `self` sees it; `hears` of deaths at once, or looks around by itself. */
type Make = (words: Int32Array, self: number, hears: boolean) => Lock;

function agentsOf(words: Int32Array, self: number): Agents {
  return { self, isAlive: (id) => id !== VICTIM || Atomics.load(words, DEAD) === 0 };
}

function optionsOf(words: Int32Array, self: number, hears: boolean) {
  const repair = (): void => {
    Atomics.store(words, INSIDE, 0);
    Atomics.add(words, TOLD, 1);
  };
  return { agents: agentsOf(words, self), repair, recheckMs: hears ? Number.POSITIVE_INFINITY : 100 };
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
/** Fuses that reach from the first operation of an uncontended lock to the last of its release. */
const AS_OWNER: readonly number[] = range(1, 9);
/** And those of a waiter, who looks 100 times at the lock before it queues up. */
const ANYWHERE: readonly number[] = [...AS_OWNER, ...range(100, 190)];

class Death extends Error {}

const OPERATIONS = [
  "load",
  "store",
  "add",
  "sub",
  "and",
  "or",
  "exchange",
  "compareExchange",
  "notify",
  "wait",
] as const;
type Operation = (...args: unknown[]) => unknown;

/** Runs `life` for `fuse` Atomics operations, 0 for ever. @returns whether it died */
function live(fuse: number, life: () => void): boolean {
  const real = globalThis.Atomics;
  let left = fuse;
  let isDead = false;
  const mortal = Object.create(real) as Record<string, Operation>;
  for (const name of OPERATIONS) {
    const operation = (real as unknown as Record<string, Operation>)[name] as Operation;
    mortal[name] = (...args) => {
      if (isDead) return 0;
      left--;
      isDead = left === -1 && fuse > 0;
      if (isDead) throw new Death();
      return operation(...args);
    };
  }
  globalThis.Atomics = mortal as unknown as Atomics;
  try {
    life();
    return false;
  } catch (error) {
    if (error instanceof Death) return true;
    throw error;
  } finally {
    globalThis.Atomics = real;
  }
}

/** One dies with the lock, on the way to it or from it, or not at all; the others count. */
function dying(make: Make, fuses: readonly number[], hears: boolean, survivors = 1): Model<Int32Array> {
  const dice = (words: Int32Array): void => {
    for (const fuse of fuses) Atomics.store(words, FUSE, fuse);
  };
  const victim = (words: Int32Array): void => {
    const fuse = Atomics.load(words, FUSE);
    const isDead = live(fuse, () => {
      const lock = make(words, VICTIM, hears);
      lock.lock();
      Atomics.store(words, INSIDE, 1);
      increment(words, COUNT);
      Atomics.store(words, INSIDE, 0);
      lock.unlock();
    });
    if (!isDead) return;
    Atomics.store(words, DEAD, 1);
    if (hears) make(words, REAPER, hears).agentDied(VICTIM);
  };
  const survivor =
    (index: number) =>
    (words: Int32Array): void => {
      const lock = make(words, SURVIVOR + index, hears);
      lock.lock();
      if (Atomics.load(words, INSIDE) !== 0) throw new Error("nobody said that the owner died inside");
      increment(words, COUNT);
      lock.unlock();
    };
  return {
    setup: () => zeroed(WORDS),
    threads: [dice, victim, ...Array.from({ length: survivors }, (_, index) => survivor(index))],
    after: (words) => {
      const lock = make(words, SURVIVOR, hears);
      lock.validate();
      lock.lock();
      expectWord(words, INSIDE, 0, "INSIDE after the next owner has been told");
      if ((words[TOLD] as number) > 1) throw new Error(`one died, and ${words[TOLD]} were told`);
    },
  };
}

/** Everybody lives, and nobody is left asleep; nobody looks around, so a lost wake-up is a deadlock. */
function counting(make: Make, threads: number): Model<Int32Array> {
  const thread =
    (index: number) =>
    (words: Int32Array): void => {
      const lock = make(words, SURVIVOR + index, true);
      lock.lock();
      increment(words, COUNT);
      lock.unlock();
    };
  return {
    setup: () => zeroed(WORDS),
    threads: Array.from({ length: threads }, (_, index) => thread(index)),
    after: (words) => {
      make(words, SURVIVOR, true).validate();
      expectWord(words, COUNT, threads, "the count");
    },
  };
}

/**
 * One holds it from the start and gives it back; of two others one is the first to wait, and the other may come before it
 * after all.
 */
function overtaking(make: Make): Model<Int32Array> {
  const { threads } = counting(make, 2);
  return {
    setup: () => {
      const words = zeroed(WORDS);
      make(words, REAPER, true).lock();
      return words;
    },
    threads: [(words) => make(words, REAPER, true).unlock(), ...threads],
    after: (words) => {
      make(words, SURVIVOR, true).validate();
      expectWord(words, COUNT, 2, "the count");
    },
  };
}

/** The first may give up at any moment; whether it does or not, the others are not left asleep. */
function givingUp(make: Make, patient: number): Model<Int32Array> {
  const { setup, threads } = counting(make, patient);
  const impatient = (words: Int32Array): boolean => {
    const lock = make(words, REAPER, true);
    if (!lock.lock({ timeoutMs: 5 })) return false;
    increment(words, COUNT);
    lock.unlock();
    return true;
  };
  return {
    setup,
    threads: [impatient, ...threads],
    after: (words, results) => {
      make(words, SURVIVOR, true).validate();
      expectWord(words, COUNT, results[0] === true ? patient + 1 : patient, "the count");
    },
  };
}

const spinLock: Make = (words, self, hears) => new RobustSpinLock(words, 0, optionsOf(words, self, hears));
const mutex: Make = (words, self, hears) => new RobustMutex(words, 0, optionsOf(words, self, hears));
const strict: Make = (words, self, hears) =>
  new RobustMutex(words, 0, { ...optionsOf(words, self, hears), handoffAfter: 0 });
const semaphore: Make = (words, self, hears) => {
  const lock = new RobustSemaphore(words, 0, { ...optionsOf(words, self, hears), permits: 1 });
  return {
    lock: (options) => lock.down(options),
    unlock: () => lock.up(),
    agentDied: (id) => lock.agentDied(id),
    validate: () => lock.validate(),
  };
};

/** Recovers the word, and wakes nobody. */
class WakesNobody extends RobustMutex {
  protected override wakeAll(): void {}
}

/** Frees the lock of the dead as if it had been given back. */
class TellsNobody extends RobustSpinLock {
  override agentDied(id: number): boolean {
    Atomics.compareExchange(this.words, this.state, id, 0);
    return super.agentDied(id);
  }
}

/** Gives the lock back without a look at those who wait. */
class LooksAtNobody extends RobustMutex {
  override unlock(): void {
    Atomics.and(this.words, this.state, 1 << 31);
  }
}

/** Looks, and then takes. */
class LooksThenTakes extends RobustSpinLock {
  override lock(options?: { readonly timeoutMs?: number }): boolean {
    if (this.isLocked) return super.lock(options);
    Atomics.or(this.words, this.state, this.self());
    return true;
  }
}

type Kind = new (
  words: Int32Array,
  word: number,
  options: ReturnType<typeof optionsOf> & { handoffAfter: number },
) => Lock;

function making(Kind: Kind, handoffAfter = 1): Make {
  return (words, self, hears) => new Kind(words, 0, { ...optionsOf(words, self, hears), handoffAfter });
}

/** Gives the permit back in the word, and wakes nobody. */
function forgetful(make: Make): Make {
  return (words, self, hears) => ({
    ...make(words, self, hears),
    unlock: () => void Atomics.store(words, 64, 0),
  });
}

export const pairs: readonly ModelPair[] = [
  {
    name: "RobustSpinLock excludes three",
    sound: counting(spinLock, 3),
    broken: counting(making(LooksThenTakes), 3),
    finds: /nothing that orders them|EPERM/,
    limits: { bound: 2, full: ALL },
  },
  {
    name: "RobustSpinLock, whose owner dies, and others look around",
    sound: dying(spinLock, AS_OWNER, false),
    broken: dying(making(TellsNobody), AS_OWNER, false),
    finds: /nobody said|INSIDE/,
    limits: { bound: 2 },
  },
  {
    name: "RobustMutex excludes three",
    sound: counting(mutex, 3),
    broken: counting(making(LooksAtNobody), 3),
    finds: /nobody wakes/,
    limits: { bound: 2 },
  },
  {
    name: "RobustMutex, whose first waiter is overtaken",
    sound: overtaking(mutex),
    broken: overtaking(making(LooksAtNobody)),
    finds: /nobody wakes/,
    isLong: true,
  },
  {
    name: "RobustMutex, with a thread that gives up",
    sound: givingUp(mutex, 2),
    broken: givingUp(making(LooksAtNobody), 2),
    finds: /nobody wakes/,
    limits: { bound: 2 },
  },
  {
    name: "RobustSemaphore, with a thread that gives up",
    sound: givingUp(semaphore, 2),
    broken: givingUp(forgetful(semaphore), 2),
    finds: /nobody wakes/,
    limits: { bound: 2 },
  },
  {
    name: "RobustMutex, whose owner or waiter dies, and others hear of it",
    sound: dying(mutex, ANYWHERE, true),
    broken: dying(making(WakesNobody), ANYWHERE, true),
    finds: /nobody wakes/,
  },
  {
    name: "RobustMutex, whose owner dies, and others look around",
    sound: dying(mutex, AS_OWNER, false),
    broken: dying(making(WakesNobody), ANYWHERE, true),
    finds: /nobody wakes/,
    limits: { bound: 2 },
  },
  {
    name: "RobustMutex in strict order, whose owner dies",
    sound: dying(strict, AS_OWNER, true),
    broken: dying(making(WakesNobody, 0), AS_OWNER, true),
    finds: /nobody wakes/,
    limits: { bound: 2, full: ALL },
  },
  {
    name: "RobustMutex, whose owner dies before two others",
    sound: dying(mutex, [4, 8], true, 2),
    broken: dying(making(WakesNobody), [4, 8], true, 2),
    finds: /nobody wakes/,
    limits: { bound: 1 },
  },
];
