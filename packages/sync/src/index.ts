export { SyncError, type SyncErrorCode } from "./errors.ts";
export { Guard } from "./guard.ts";
export { Mutex } from "./mutex.ts";
export { RcuList } from "./rcu/list.ts";
export { RcuRef, type ReadSide } from "./rcu/ref.ts";
export { SrcuDomain, type SrcuDomainOptions } from "./rcu/srcu.ts";
export {
  RcuDomain,
  type RcuDomainOptions,
  type RcuFlavour,
  type RcuStall,
  type StalledAgent,
  type StallOptions,
} from "./rcu.ts";
export { RwSem, WriteGuard } from "./rwsem.ts";
export { SpinLock } from "./spinlock.ts";
export {
  type AgentDeath,
  type AgentState,
  currentAgentId,
  type SpawnedAgent,
  spawnAgent,
  ThreadRegistry,
  type WorkerLike,
} from "./threads.ts";
export type { WaitOptions } from "./words.ts";
