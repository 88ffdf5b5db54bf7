/*
 * The kinds of locks that are swept; a new one is a row here.
 *
 * A kind says how to attach to a lock and how to take it. What is done under it, and what must hold, is in
 * turns.ts. Each row is the robust form of locks of the package: which one of which is said there.
 */
import {
  type Agents,
  RcuDomain,
  type Recoverable,
  RobustMutex,
  RobustPerWorkerRwSem,
  RobustRwSem,
  RobustSemaphore,
  RobustSpinLock,
  SeqLock,
  type WaitOptions,
} from "../src/index.ts";
import { type Broken, deaf, SilentLock } from "./broken.ts";

/** A way to take a lock and to give it back. */
export interface Side {
  lock(options?: WaitOptions): boolean;
  tryLock(): boolean;
  lockAsync(options?: WaitOptions): Promise<boolean>;
  unlock(): void;
}

/** A lock under the sweep. */
export interface SweptLock extends Recoverable {
  /** Alone inside. */
  readonly write: Side;
  /** Inside with other readers, if the lock has that. */
  readonly read?: Side;
  /** Reads without the lock: runs `fn` until it has seen nothing half changed. */
  peek?<T>(fn: () => T): T;
  /** How many may be inside at once, if that is not one; there is nothing to repair then. */
  readonly seats?: number;
  validate(): void;
  toString(): string;
}

/** What a lock is told. */
export interface SweptOptions {
  readonly agents: Agents;
  readonly repair: () => void;
}

/** How to attach to a lock of a kind. */
export interface Kind {
  readonly name: string;
  attach(words: Int32Array, word: number, options: SweptOptions): SweptLock;
}

type Exclusive = RobustSpinLock | RobustMutex;

/** A lock with one holder, as the sweep sees it. */
function exclusive(lock: Exclusive): SweptLock {
  return {
    write: lock,
    agentDied: (id) => lock.agentDied(id),
    validate: () => lock.validate(),
    toString: () => lock.toString(),
  };
}

function seqLock(lock: SeqLock): SweptLock {
  const write: Side = {
    lock: (options) => lock.writeLock(options),
    tryLock: () => lock.tryWriteLock(),
    lockAsync: async () => lock.writeLock(),
    unlock: () => lock.writeUnlock(),
  };
  return {
    write,
    peek: (fn) => lock.read(fn),
    agentDied: (id) => lock.agentDied(id),
    validate: () => lock.validate(),
    toString: () => lock.toString(),
  };
}

function shared(lock: RobustRwSem | RobustPerWorkerRwSem): SweptLock {
  const write: Side = {
    lock: (options) => lock.downWrite(options),
    tryLock: () => ("tryDownWrite" in lock ? lock.tryDownWrite() : lock.downWrite({ timeoutMs: 0 })),
    lockAsync: (options) => lock.downWriteAsync(options),
    unlock: () => lock.upWrite(),
  };
  const read: Side = {
    lock: (options) => lock.downRead(options),
    tryLock: () => lock.tryDownRead(),
    lockAsync: (options) => lock.downReadAsync(options),
    unlock: () => lock.upRead(),
  };
  return {
    write,
    read,
    agentDied: (id) => lock.agentDied(id),
    validate: () => lock.validate(),
    toString: () => lock.toString(),
  };
}

function semaphore(lock: RobustSemaphore): SweptLock {
  const write: Side = {
    lock: (options) => lock.down(options),
    tryLock: () => lock.tryDown(),
    lockAsync: (options) => lock.downAsync(options),
    unlock: () => lock.up(),
  };
  return {
    write,
    seats: lock.permits,
    agentDied: (id) => lock.agentDied(id),
    validate: () => lock.validate(),
    toString: () => lock.toString(),
  };
}

/** Slots of a semaphore with a slot per worker: more than a sweep has workers at once, by default. */
const WORKERS = 12;

/** The semaphore, and behind it the domain that its readers are in. */
function perWorker(words: Int32Array, word: number, options: SweptOptions): SweptLock {
  const rcu = new RcuDomain(words, word + RobustPerWorkerRwSem.words(WORKERS), { agentsMax: WORKERS });
  return shared(new RobustPerWorkerRwSem(words, word, rcu, { ...options, workersMax: WORKERS }));
}

export const KINDS: readonly Kind[] = [
  {
    name: "RobustSpinLock",
    attach: (words, word, options) => exclusive(new RobustSpinLock(words, word, options)),
  },
  {
    name: "RobustMutex",
    attach: (words, word, options) => exclusive(new RobustMutex(words, word, options)),
  },
  {
    name: "RobustMutex in strict order",
    attach: (words, word, options) =>
      exclusive(new RobustMutex(words, word, { ...options, handoffAfter: 0 })),
  },
  {
    name: "RobustMutex repaired by hand",
    attach: (words, word, { agents, repair }) =>
      byHand(new RobustMutex(words, word, { agents, repair: "manual" }), repair),
  },
  {
    name: "RobustRwSem",
    attach: (words, word, options) => shared(new RobustRwSem(words, word, options)),
  },
  {
    name: "RobustRwSem in order of arrival",
    attach: (words, word, options) =>
      shared(new RobustRwSem(words, word, { ...options, policy: "fair-fifo" })),
  },
  { name: "RobustPerWorkerRwSem", attach: perWorker },
  { name: "SeqLock", attach: (words, word, options) => seqLock(new SeqLock(words, word, options)) },
  {
    name: "RobustSemaphore",
    attach: (words, word, { agents }) => semaphore(new RobustSemaphore(words, word, { agents, permits: 2 })),
  },
];

const BROKEN: Readonly<Record<Broken, Kind>> = {
  deaf: {
    name: "a lock that hears of no death",
    attach: (words, word, options) =>
      exclusive(new RobustSpinLock(words, word, { ...options, agents: deaf(options.agents) })),
  },
  silent: {
    name: "a lock that tells nobody",
    attach: (words, word, options) => exclusive(new SilentLock(words, word, options)),
  },
};

/** What to sweep: every kind, one of them, or a broken one. */
export interface Choice {
  /** Name of a kind. */
  readonly lock?: string | undefined;
  readonly broken?: Broken | undefined;
}

/** The kinds a sweep is over. @throws RangeError if there is none of that name */
export function kindsOf({ lock, broken }: Choice): readonly Kind[] {
  if (broken !== undefined) return [BROKEN[broken]];
  const kinds = lock === undefined ? KINDS : KINDS.filter((kind) => kind.name === lock);
  if (kinds.length > 0) return kinds;
  const names = KINDS.map((kind) => `"${kind.name}"`).join(", ");
  throw new RangeError(`--lock must be one of ${names}, got "${lock}"`);
}
