export {
  AddressSpace,
  type AddressSpaceHandle,
  type AddressSpaceOptions,
  type Layout,
  type RawVma,
} from "./address-space.ts";
export { type AnonState, prepareAnonVma } from "./anon-vma.ts";
export { brkProtocol } from "./brk.ts";
export type { Design, DesignName } from "./designs/design.ts";
export { designNamed, designs } from "./designs/index.ts";
export { mmapLockDesign } from "./designs/mmap-lock.ts";
export { MmError, type MmErrorCode } from "./errors.ts";
export { runThreads } from "./executors/threads.ts";
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
export type { PageOps } from "./page-ops.ts";
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
export { VmaTree } from "./vma-tree.ts";
