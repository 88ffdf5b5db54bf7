export {
  AddressSpace,
  type AddressSpaceHandle,
  type AddressSpaceOptions,
  type RawVma,
} from "./address-space.ts";
export { type AnonState, prepareAnonVma } from "./anon-vma.ts";
export { brkProtocol } from "./brk.ts";
export { designNamed, designs } from "./designs/index.ts";
export { mmapLockDesign } from "./designs/mmap-lock.ts";
export { lockVmaUnderRcu, perVmaLockDesign, vmaEndRead } from "./designs/per-vma-lock.ts";
export { rcuvmPureDesign } from "./designs/rcuvm-pure.ts";
export { spfDesign } from "./designs/spf.ts";
export { treeSpinlockDesign } from "./designs/tree-spinlock.ts";
export { treeSpinlockNaiveDesign } from "./designs/tree-spinlock-naive.ts";
export { MmError, type MmErrorCode } from "./errors.ts";
export { DeadlockError, describeEffect, SleepError } from "./executors/context.ts";
export { type CorePort, onCores } from "./executors/cores.ts";
export {
  type CounterExample,
  type Exploration,
  type ExploreOptions,
  type ExploreSetup,
  explore,
} from "./executors/explore.ts";
export { LockModel, type RwPolicy } from "./executors/lock-model.ts";
export { RcuModel } from "./executors/rcu-model.ts";
export { type StepEvent, StepsExecutor, type StepsOptions, type ThreadState } from "./executors/steps.ts";
export { runThreads } from "./executors/threads.ts";
export { type TimedEvent, TimedExecutor, type TimedOptions, type TimedThread } from "./executors/timed.ts";
export { faultRequest } from "./fault.ts";
export type {
  FaultAccess,
  FaultCheck,
  FaultCounters,
  FaultOptions,
  FaultOutcome,
  FaultPath,
  FaultReason,
  FaultResult,
} from "./fault-types.ts";
export { FileTable, type FileTableHandle, type OpenFile, type OpenFileOptions } from "./file-table.ts";
export {
  MAP,
  MREMAP,
  PAGE_SIZE,
  PROT,
  parseMapFlags,
  parseMremapFlags,
  parseProt,
  parseVmFlagCodes,
  permsOf,
  TASK_SIZE,
  VM,
  vmFlagCodes,
  vmFlagsOfPerms,
} from "./flags.ts";
export { expandVma, mergeExisting, mergeNew, modifyVma, type NewRange, shrinkVma } from "./merge.ts";
export { type Design, type DesignName, type Layout, Mm, type PageOps } from "./mm.ts";
export {
  countPages,
  describePte,
  frameOf,
  type MappedPage,
  mappedPages,
  type PageCounts,
  PTE,
  pageViolations,
  readPte,
} from "./page-table.ts";
export { pageTableOps } from "./page-table-ops.ts";
export { type HeapRange, procMaps, vmaName } from "./proc-maps.ts";
export {
  acquire,
  downgrade,
  type Effect,
  type LineRef,
  type LockKind,
  type LockRef,
  type Protocol,
  release,
  step,
  touch,
  tryAcquire,
  type WorkKind,
  work,
} from "./protocol.ts";
export { splitVma } from "./split.ts";
export { forkProtocol } from "./syscalls/fork.ts";
export { type Advice, madviseProtocol } from "./syscalls/madvise.ts";
export { mlockProtocol } from "./syscalls/mlock.ts";
export { type MmapArgs, mmapProtocol } from "./syscalls/mmap.ts";
export { mprotectProtocol } from "./syscalls/mprotect.ts";
export { type MremapArgs, mremapProtocol } from "./syscalls/mremap.ts";
export { munmapProtocol } from "./syscalls/munmap.ts";
export { Vma, type VmaInfo } from "./vma.ts";
export { VmaLock } from "./vma-lock.ts";
export { VmaTree } from "./vma-tree.ts";
