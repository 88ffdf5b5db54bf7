export { SyncError, type SyncErrorCode } from "./errors.ts";
export { Guard } from "./guard.ts";
export { Mutex } from "./mutex.ts";
export { RcuDomain, type RcuDomainOptions } from "./rcu.ts";
export { RwSem, WriteGuard } from "./rwsem.ts";
export { SpinLock } from "./spinlock.ts";
export type { AsyncWaitOptions, WaitOptions, WaitSignal } from "./words.ts";
