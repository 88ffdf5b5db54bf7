/*
 * What is watched: the locks, by the methods that take and give them back, and the things that are only waited for.
 * A new primitive is a row here, and a probe in lock-class.ts if it has no `isLocked` at its first word.
 */
import { Barrier } from "../barrier.ts";
import { Completion } from "../completion.ts";
import { Mutex } from "../mutex.ts";
import { RobustPerWorkerRwSem } from "../per-worker-rwsem/robust.ts";
import { PerWorkerRwSem } from "../per-worker-rwsem.ts";
import { RobustMutex } from "../robust/mutex.ts";
import { RobustSemaphore } from "../robust/semaphore.ts";
import { RobustSpinLock } from "../robust/spin-lock.ts";
import { RobustRwSem } from "../rwsem/robust.ts";
import { RwSem } from "../rwsem.ts";
import { Semaphore } from "../semaphore.ts";
import { SeqLock } from "../seqlock.ts";
import { McsLock, QSpinLock, SpinLock, TestAndSetLock, TicketLock } from "../spinlock.ts";
import { WaitQueueHead } from "../wait-queue-head.ts";
import { ContentionFlag } from "./contention.ts";
import type { LockMode } from "./lock-order.ts";

/** The methods by which a class takes and gives back a lock in one mode. */
export interface Family {
  readonly kind: string;
  readonly prototype: object;
  readonly mode: LockMode;
  readonly maySleep: boolean;
  /** Of ContentionFlag. */
  readonly flags: number;
  readonly take: string;
  /** `undefined` if there is none: then `take` with no time to wait does it. */
  readonly tryTake?: string;
  readonly takeAsync?: string;
  readonly release: string;
  /** May another thread give it back? A release by one that does not hold it is then no mistake. */
  readonly isPassedOn?: boolean;
}

const EXCLUSIVE = {
  mode: "write",
  take: "lock",
  tryTake: "tryLock",
  takeAsync: "lockAsync",
  release: "unlock",
} as const;
const SPIN = { ...EXCLUSIVE, maySleep: false, flags: ContentionFlag.Spin } as const;
const READ = {
  mode: "read",
  maySleep: true,
  take: "downRead",
  tryTake: "tryDownRead",
  takeAsync: "downReadAsync",
  release: "upRead",
} as const;
const WRITE = {
  mode: "write",
  maySleep: true,
  take: "downWrite",
  takeAsync: "downWriteAsync",
  release: "upWrite",
} as const;
const { Percpu, Read, Write } = ContentionFlag;

/** Every lock class of the package; a class before the one it inherits from. */
export const FAMILIES: readonly Family[] = [
  { kind: "SpinLock", prototype: SpinLock.prototype, ...SPIN },
  { kind: "QSpinLock", prototype: QSpinLock.prototype, ...SPIN },
  { kind: "TestAndSetLock", prototype: TestAndSetLock.prototype, ...SPIN },
  { kind: "TicketLock", prototype: TicketLock.prototype, ...SPIN },
  { kind: "McsLock", prototype: McsLock.prototype, ...SPIN },
  {
    kind: "SeqLock",
    prototype: SeqLock.prototype,
    mode: "write",
    maySleep: false,
    flags: ContentionFlag.Spin,
    take: "writeLock",
    tryTake: "tryWriteLock",
    release: "writeUnlock",
  },
  {
    kind: "SeqLock",
    prototype: SeqLock.prototype,
    mode: "write", // an exclusive reader: it keeps other ones out, too
    maySleep: false,
    flags: ContentionFlag.Spin,
    take: "readExclLock",
    release: "readExclUnlock",
  },
  { kind: "Mutex", prototype: Mutex.prototype, maySleep: true, flags: ContentionFlag.Mutex, ...EXCLUSIVE },
  { kind: "RobustSpinLock", prototype: RobustSpinLock.prototype, ...SPIN },
  {
    kind: "RobustMutex",
    prototype: RobustMutex.prototype,
    maySleep: true,
    flags: ContentionFlag.Mutex,
    ...EXCLUSIVE,
  },
  { kind: "RwSem", prototype: RwSem.prototype, flags: Read, ...READ },
  { kind: "RwSem", prototype: RwSem.prototype, flags: Write, tryTake: "tryDownWrite", ...WRITE },
  { kind: "RobustRwSem", prototype: RobustRwSem.prototype, flags: Read, ...READ },
  {
    kind: "RobustRwSem",
    prototype: RobustRwSem.prototype,
    flags: Write,
    tryTake: "tryDownWrite",
    ...WRITE,
  },
  {
    kind: "PerWorkerRwSem",
    prototype: PerWorkerRwSem.prototype,
    flags: Percpu | Read,
    isPassedOn: true,
    ...READ,
  },
  { kind: "PerWorkerRwSem", prototype: PerWorkerRwSem.prototype, flags: Percpu | Write, ...WRITE },
  { kind: "RobustPerWorkerRwSem", prototype: RobustPerWorkerRwSem.prototype, flags: Percpu | Read, ...READ },
  {
    kind: "RobustPerWorkerRwSem",
    prototype: RobustPerWorkerRwSem.prototype,
    flags: Percpu | Write,
    ...WRITE,
  },
];

/** A call that waits for something that nobody holds. */
export interface Wait {
  readonly kind: string;
  readonly prototype: object;
  readonly wait: string;
  readonly waitAsync: string;
  /** What the call answers when it has not got what it waited for. */
  readonly inVain: unknown;
}

/** Everything that is waited for and not held; semaphores too, whose permits others may give back. */
export const WAITS: readonly Wait[] = [
  { kind: "Semaphore", prototype: Semaphore.prototype, wait: "down", waitAsync: "downAsync", inVain: false },
  {
    kind: "RobustSemaphore",
    prototype: RobustSemaphore.prototype,
    wait: "down",
    waitAsync: "downAsync",
    inVain: false,
  },
  {
    kind: "Completion",
    prototype: Completion.prototype,
    wait: "wait",
    waitAsync: "waitAsync",
    inVain: false,
  },
  {
    kind: "Barrier",
    prototype: Barrier.prototype,
    wait: "wait",
    waitAsync: "waitAsync",
    inVain: "timed-out",
  },
  {
    kind: "WaitQueueHead",
    prototype: WaitQueueHead.prototype,
    wait: "waitFor",
    waitAsync: "waitForAsync",
    inVain: false,
  },
];
