// Robust locks: the owner, or a waiter, dies at any operation; the others get the lock and are told.
import type { Model } from "@faultline/interleave";
import { RobustRwSem } from "@faultline/sync";
import { type Agents, RobustMutex, RobustSemaphore, RobustSpinLock } from "@faultline/sync/robust";
import { agentId, agentsOf, fate, MORTAL_WORDS, mortal } from "./mortal.ts";
import { inOwnMemory } from "./own-memory.ts";
import { ALL, type ModelPair, zeroed } from "./support.ts";

/** Two words that are equal unless somebody is about to change both. */
const LEFT = 256;
const RIGHT = LEFT + 1;
const MORTAL = RIGHT + 1;
const WORDS = MORTAL + MORTAL_WORDS;

interface Robust {
  lock(): boolean;
  unlock(): void;
  tryLock(): boolean;
  agentDied(id: number): boolean;
  validate(): void;
}

/** Makes a thread's view of the lock. */
type Make = (words: Int32Array, agents: Agents, repair: () => void) => Robust;

/** Nobody tells those who sleep; only for who looks by himself. */
const NEVER = { recheckMs: Number.POSITIVE_INFINITY } as const;

const spinLock: Make = (words, agents, repair) => new RobustSpinLock(words, 0, { agents, repair, ...NEVER });
const mutex: Make = (words, agents, repair) => new RobustMutex(words, 0, { agents, repair, ...NEVER });

/** An RwSem as its writers see it. */
const writeLock: Make = (words, agents, repair) => {
  const sem = new RobustRwSem(words, 0, { agents, repair, ...NEVER });
  return {
    lock: () => sem.downWrite(),
    unlock: () => sem.upWrite(),
    tryLock: () => sem.tryDownWrite(),
    agentDied: (id) => sem.agentDied(id),
    validate: () => sem.validate(),
  };
};

/** What is repaired: the first half is undone. */
function undo(words: Int32Array): void {
  Atomics.store(words, LEFT, Atomics.load(words, RIGHT));
}

function change(words: Int32Array, lock: Robust): void {
  lock.lock();
  const [left, right] = [Atomics.load(words, LEFT), Atomics.load(words, RIGHT)];
  if (left !== right) throw new Error(`the owner finds half a write: ${left} and ${right}`);
  Atomics.store(words, LEFT, left + 1);
  Atomics.store(words, RIGHT, left + 1);
  lock.unlock();
}

interface Mistakes {
  /** Does who reports the death tell the lock? */
  readonly tells?: boolean;
  /** Is what the lock guards repaired? */
  readonly repairs?: boolean;
}

/** One that may die, and some that go on. */
function survivors(
  make: Make,
  count: number,
  { tells = true, repairs = true }: Mistakes = {},
): Model<Int32Array> {
  const open = (words: Int32Array, agents: Agents): Robust =>
    make(words, agents, repairs ? () => undo(words) : () => {});
  const survivor = (thread: number) => (given: Int32Array) =>
    inOwnMemory(given, (words) => change(words, open(words, agentsOf(words, MORTAL, agentId(thread)))));
  return {
    setup: () => zeroed(WORDS),
    threads: [
      mortal(
        MORTAL,
        (words, agents) => change(words, open(words, agents)),
        (words, agents, dead) => tells && open(words, agents).agentDied(dead),
      ),
      fate(MORTAL),
      ...Array.from({ length: count }, (_, i) => survivor(i + 2)),
    ],
    after: (words) => {
      const lock = open(words, agentsOf(words, MORTAL, agentId(8)));
      if (!lock.tryLock()) throw new Error("nobody has it, and nobody gets it");
      lock.unlock();
      lock.validate();
      if (Atomics.load(words, LEFT) !== Atomics.load(words, RIGHT)) throw new Error("half a write is left");
      if (Atomics.load(words, LEFT) < count) throw new Error("the survivors have not all been in");
    },
  };
}

/** A reader that may die, and a writer that needs it gone. */
function deadReader({ tells = true }: Mistakes = {}): Model<Int32Array> {
  const open = (words: Int32Array, agents: Agents): RobustRwSem =>
    new RobustRwSem(words, 0, { agents, repair: () => {}, ...NEVER });
  return {
    setup: () => zeroed(WORDS),
    threads: [
      mortal(
        MORTAL,
        (words, agents) => {
          const sem = open(words, agents);
          sem.downRead();
          if (Atomics.load(words, LEFT) !== Atomics.load(words, RIGHT))
            throw new Error("half a write is seen");
          sem.upRead();
        },
        (words, agents, dead) => tells && open(words, agents).agentDied(dead),
      ),
      fate(MORTAL),
      (given) =>
        inOwnMemory(given, (words) => {
          const sem = open(words, agentsOf(words, MORTAL, agentId(2)));
          sem.downWrite();
          Atomics.store(words, LEFT, 1);
          Atomics.store(words, RIGHT, 1);
          sem.upWrite();
        }),
    ],
    after: (words) => {
      const sem = open(words, agentsOf(words, MORTAL, agentId(8)));
      if (!sem.tryDownWrite()) throw new Error("nobody has it, and nobody gets it");
      sem.upWrite();
      sem.validate();
    },
  };
}

/** Permits come back. */
function permits({ tells = true }: Mistakes = {}): Model<Int32Array> {
  const open = (words: Int32Array, agents: Agents): RobustSemaphore =>
    new RobustSemaphore(words, 0, { agents, permits: 1, ...NEVER });
  const use = (semaphore: RobustSemaphore): void => {
    semaphore.down();
    semaphore.up();
  };
  return {
    setup: () => zeroed(WORDS),
    threads: [
      mortal(
        MORTAL,
        (words, agents) => use(open(words, agents)),
        (words, agents, dead) => tells && open(words, agents).agentDied(dead),
      ),
      fate(MORTAL),
      (words) => use(open(words, agentsOf(words, MORTAL, agentId(2)))),
    ],
    after: (words) => {
      const semaphore = open(words, agentsOf(words, MORTAL, agentId(8)));
      if (!semaphore.tryDown()) throw new Error("nobody has the permit, and nobody gets it");
      semaphore.up();
      semaphore.validate();
    },
  };
}

function lockPair(name: string, make: Make, bound: number | undefined): ModelPair {
  return {
    name: `${name}: half a write is repaired by the next owner, wherever the last one died`,
    sound: survivors(make, 1),
    broken: survivors(make, 1, { tells: false }),
    finds: /nobody wakes|spun on/,
    others: [
      {
        mistake: "repairs nothing",
        broken: survivors(make, 1, { repairs: false }),
        finds: /half a write/,
      },
    ],
    ...(bound === undefined ? {} : { limits: { bound } }),
  };
}

export const pairs: readonly ModelPair[] = [
  lockPair("RobustSpinLock", spinLock, undefined),
  lockPair("RobustMutex", mutex, undefined),
  lockPair("RobustRwSem", writeLock, 1),
  {
    name: "RobustRwSem: a reader that dies stops no writer",
    sound: deadReader(),
    broken: deadReader({ tells: false }),
    finds: /nobody wakes|spun on/,
    limits: { bound: 1 },
  },
  {
    name: "RobustSemaphore: the permit of the dead comes back",
    sound: permits(),
    broken: permits({ tells: false }),
    finds: /nobody wakes|spun on/,
    limits: { bound: 1, full: ALL },
  },
];
