/* Every kind of spinlock over the same words, under the names that tests use. */
import {
  type ExclusiveLock,
  McsLock,
  QSpinLock,
  SpinLock,
  TestAndSetLock,
  TicketLock,
} from "../../src/index.ts";

export const SPINLOCK_NAMES = [
  "SpinLock",
  "TestAndSetLock",
  "TicketLock",
  "McsLock",
  "QSpinLock",
  "QSpinLock without nodes",
] as const;
export type SpinLockName = (typeof SPINLOCK_NAMES)[number];

/** A queue of eight nodes, so that tests with more waiters run out of them. */
const NODES = 8;

/** One lock of each kind at `word`, which each of them takes for its own: use one of them. */
export function spinlocksOver(words: Int32Array, word: number): Record<SpinLockName, ExclusiveLock> {
  return {
    SpinLock: new SpinLock(words, word),
    TestAndSetLock: new TestAndSetLock(words, word),
    TicketLock: new TicketLock(words, word),
    McsLock: new McsLock(words, word),
    QSpinLock: new QSpinLock(words, word, { nodes: word + 1, nodesMax: NODES }),
    "QSpinLock without nodes": new QSpinLock(words, word),
  };
}
