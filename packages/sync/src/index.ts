export {
  assertHeld,
  assertNoLocksHeld,
  enableLockDebug,
  type LockDebug,
  type LockDebugOptions,
  type LockReport,
  type LockReportKind,
  lockClass,
  lockNested,
  lockStat,
} from "./debug/index.ts";
export { SyncError, type SyncErrorCode } from "./errors.ts";
export { Guard } from "./guard.ts";
export { Mutex } from "./mutex.ts";
export { RcuDomain, type RcuDomainOptions } from "./rcu.ts";
export { RwSem, WriteGuard } from "./rwsem.ts";
export { SpinLock } from "./spinlock.ts";
export type { AsyncWaitOptions, WaitOptions, WaitSignal } from "./words.ts";
