export { Barrier, type BarrierOutcome } from "./barrier.ts";
export { Completion } from "./completion.ts";
export {
  assertHeld,
  assertNoLocksFreed,
  assertNoLocksHeld,
  type ContentionEvent,
  ContentionFlag,
  enableLockDebug,
  type LockDebug,
  type LockDebugOptions,
  type LockReport,
  type LockReportKind,
  lockClass,
  lockEvents,
  lockNested,
  lockStat,
} from "./debug/index.ts";
export { SyncError, type SyncErrorCode } from "./errors.ts";
export { ExclusiveLock } from "./exclusive-lock.ts";
export { Guard } from "./guard.ts";
export {
  bhDisable,
  bhEnable,
  type IrqContext,
  type IrqFlags,
  type IrqLock,
  irqContext,
  irqRestore,
  irqSave,
  irqsDisabled,
  lockBh,
  lockIrqSave,
  raiseIrq,
  raiseSoftirq,
  softirqsEnabled,
  tryLockIrqSave,
  unlockBh,
  unlockIrqRestore,
} from "./irq.ts";
export { Mutex, type MutexOptions } from "./mutex.ts";
export { PerWorkerRwSem, type PerWorkerRwSemOptions } from "./per-worker-rwsem.ts";
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
export { RefCount, type RefCountFault, type RefCountLock, type RefCountOptions } from "./refcount.ts";
export {
  type Agents,
  type Recoverable,
  type Repair,
  RobustGuard,
  RobustMutex,
  type RobustMutexOptions,
  type RobustOptions,
  RobustPerWorkerRwSem,
  type RobustPerWorkerRwSemOptions,
  RobustRwSem,
  type RobustRwSemOptions,
  RobustSemaphore,
  type RobustSemaphoreOptions,
  RobustSpinLock,
} from "./robust.ts";
export type { RwSemOwner } from "./rwsem/owner.ts";
export { SharedLock } from "./rwsem/shared-lock.ts";
export { RwSem, type RwSemOptions, type RwSemPolicy, WriteGuard } from "./rwsem.ts";
export { Semaphore } from "./semaphore.ts";
export { SeqCount } from "./seqcount.ts";
export { SeqLatch } from "./seqlatch.ts";
export { type RobustSeqLockOptions, SeqLock } from "./seqlock.ts";
export { SharedMemory, type SharedMemoryHandle, type SharedMemoryOptions } from "./shared-memory.ts";
export {
  McsLock,
  QSpinLock,
  type QSpinLockOptions,
  SpinLock,
  TestAndSetLock,
  TicketLock,
} from "./spinlock.ts";
export {
  type AgentDeath,
  type AgentState,
  currentAgentId,
  currentAgentName,
  joinWebAgent,
  nameCurrentAgent,
  type SpawnedAgent,
  type SpawnedWebAgent,
  spawnAgent,
  spawnWebAgent,
  ThreadRegistry,
  type WebAgentOptions,
  type WebAgentSeat,
  type WebWorkerLike,
  type WorkerLike,
} from "./threads.ts";
export { type WaitForAsyncOptions, type WaitForOptions, WaitQueueHead } from "./wait-queue-head.ts";
export type { Backend } from "./wasm/backend.ts";
export type { AsyncWaitOptions, WaitOptions, WaitSignal } from "./words.ts";
