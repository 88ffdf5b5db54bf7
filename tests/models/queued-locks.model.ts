// The locks that serve in order of arrival: TicketLock, McsLock, QSpinLock over nodes, Mutex with handoffs.
import type { Model } from "@faultline/interleave";
import { Mutex } from "@faultline/sync/mutex";
import { McsLock, QSpinLock, TicketLock } from "@faultline/sync/spinlock";
import { counting, givingUp, type LockClass } from "./lock-models.ts";
import { ALL, type Limits, type ModelPair, zeroed } from "./support.ts";

/** Draws a number, and does not wait for its turn. */
class JumpsTheQueue extends TicketLock {
  override lock(): boolean {
    Atomics.add(this.words, 0, 1);
    return true;
  }
}

/** Calls the next number before it has left. */
class LeavesEarly extends TicketLock {
  override lock(options?: { readonly timeoutMs?: number }): boolean {
    const isGot = super.lock(options);
    if (isGot) super.unlock();
    return isGot;
  }
  override unlock(): void {}
}

/** Calls the next number, and does not wake who sleeps for it. */
class CallsInSilence extends TicketLock {
  override unlock(): void {
    Atomics.add(this.words, 1, 1);
  }
}

/** Forgets who stands behind. */
class LeavesAlone extends McsLock {
  override unlock(): void {
    Atomics.store(this.words, 0, 0);
    Atomics.store(this.words, 1, 0);
  }
}

const NODES_MAX = 2;

/** Over a table of nodes of its own. */
class WithNodes extends QSpinLock {
  static override readonly WORDS: number = 2 + NODES_MAX * QSpinLock.NODE_WORDS;
  constructor(words: Int32Array, word: number) {
    super(words, word, { nodes: word + 2, nodesMax: NODES_MAX });
  }
}

/** Clears the whole word, and with it who stands last in the queue. */
class ForgetsTheTail extends WithNodes {
  override unlock(): void {
    Atomics.store(this.words, 0, 0);
  }
}

/** Bit of a mutex whose first waiter is owed it. */
const HANDOFF = 4;
const ALREADY = 64;

type MutexClass = new (words: Int32Array, word: number) => Mutex;

/** A waiter is owed the mutex as soon as it is the first. */
class GivesWay extends Mutex {
  constructor(words: Int32Array, word: number) {
    super(words, word, { handoffAfter: 0, spinBudget: 0 });
  }
}

/** Is free for a moment before it is handed over. */
class LetsGo extends GivesWay {
  override unlock(): void {
    Atomics.and(this.words, 0, ~1);
    Atomics.or(this.words, 0, 1);
    super.unlock();
  }
}

/** Nobody gets in before a waiter that is owed the mutex, not even who tries at the right moment. */
function handoff(Kind: MutexClass): Model<Int32Array> {
  return {
    setup: () => {
      const words = zeroed(ALREADY + 1);
      new Kind(words, 0).lock();
      return words;
    },
    threads: [
      (words) => new Kind(words, 0).unlock(),
      (words) => {
        const mutex = new Kind(words, 0);
        mutex.lock();
        words[ALREADY] = 1;
        mutex.unlock();
      },
      (words) => {
        const mutex = new Kind(words, 0);
        if ((Atomics.load(words, 0) & HANDOFF) === 0 || !mutex.tryLock()) return;
        if (words[ALREADY] !== 1) throw new Error("got in before the one who is owed it");
        mutex.unlock();
      },
    ],
    after: (words) => {
      const mutex = new Kind(words, 0);
      mutex.validate();
      if (mutex.isLocked) throw new Error("the lock is held although all have gone");
    },
  };
}

/** One of each kind for two threads, for three, and with one that gives up. */
function exclusion(
  name: string,
  Kind: LockClass,
  Broken: LockClass,
  Lossy: LockClass,
  three: Limits = { bound: 2 },
): ModelPair[] {
  return [
    {
      name: `${name} excludes`,
      sound: counting(Kind),
      broken: counting(Broken),
      finds: /nothing that orders them|nobody wakes|spun on/,
    },
    {
      name: `${name}, with a thread that gives up`,
      sound: givingUp(Kind),
      broken: givingUp(Lossy),
      finds: /nothing that orders them|nobody wakes|spun on|held although/,
    },
    {
      name: `${name} excludes three`,
      sound: counting(Kind, 3),
      broken: counting(Broken, 3),
      finds: /nothing that orders them|nobody wakes|spun on/,
      limits: three,
    },
  ];
}

export const pairs: readonly ModelPair[] = [
  ...exclusion("TicketLock", TicketLock, JumpsTheQueue, CallsInSilence, { bound: 2, full: ALL }),
  ...exclusion("McsLock", McsLock, LeavesAlone, LeavesAlone),
  ...exclusion("QSpinLock over nodes", WithNodes, ForgetsTheTail, ForgetsTheTail),
  {
    name: "TicketLock calls a number when the one before has left",
    sound: counting(TicketLock),
    broken: counting(LeavesEarly),
    finds: /nothing that orders them/,
  },
  {
    name: "Mutex hands itself over to the waiter that is owed it",
    sound: handoff(GivesWay),
    broken: handoff(LetsGo),
    finds: /nothing that orders them|owed it|not locked/,
  },
];
