export { SyncError, type SyncErrorCode } from "./errors.ts";
export { ExclusiveLock } from "./exclusive-lock.ts";
export { Guard } from "./guard.ts";
export { Mutex } from "./mutex.ts";
export { SrcuDomain, type SrcuDomainOptions } from "./rcu/srcu.ts";
export {
  RcuDomain,
  type RcuDomainOptions,
  type RcuFlavour,
  type RcuStall,
  type StalledAgent,
  type StallOptions,
} from "./rcu.ts";
export { Mutex, type MutexOptions } from "./mutex.ts";
export { RcuDomain, type RcuDomainOptions } from "./rcu.ts";
export { RwSem, WriteGuard } from "./rwsem.ts";
export type { RwSemOptions, RwSemPolicy } from "./rwsem-policy.ts";
export {
  McsLock,
  QSpinLock,
  type QSpinLockOptions,
  SpinLock,
  TestAndSetLock,
  TicketLock,
} from "./spinlock.ts";
export type { AsyncWaitOptions, WaitOptions, WaitSignal } from "./words.ts";
