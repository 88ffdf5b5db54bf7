export { SyncError, type SyncErrorCode } from "./errors.ts";
export { Guard } from "./guard.ts";
export { RcuDomain, type RcuDomainOptions } from "./rcu.ts";
export { SpinLock } from "./spinlock.ts";
export type { WaitOptions } from "./words.ts";
