/** What the instruction wanted to do. */
export type FaultAccess = "read" | "write" | "exec";

/** How it ended: the access can be repeated, or the signal (`OOM`: no memory for a page table). */
export type FaultOutcome = "ok" | "SIGSEGV" | "SIGBUS" | "OOM";

/** Which road resolved it. */
export type FaultPath = "vma-lock" | "mmap-lock" | "speculative" | "rcu";

/** Why a fault left the road it was on; the empty string: it did not. */
export type FaultReason =
  | ""
  | "kernel-mode"
  | "no-vma"
  | "write-locked"
  | "lock-busy"
  | "retest"
  | "out-of-range"
  | "no-access"
  | "anon-vma"
  | "no-map-pages"
  | "io"
  | "no-page-table"
  | "changed";

/** The checks of the lock-free designs, by what they look at. */
export type FaultCheck = "hint" | "retest" | "detached" | "range" | "recheck";

/** Circumstances of a fault, and switches for experiments. */
export interface FaultOptions {
  /** Getting the page takes this long, slept with the VMA pinned, as page reclaim does. Default 0. */
  readonly sleepNs?: number;
  /** The page is on disk: the first attempt drops its lock, sleeps this long and comes back. Default 0. */
  readonly ioNs?: number;
  /** From kernel code: goes to mmap_lock at once. Default false. */
  readonly kernelMode?: boolean;
  /** Checks to leave out, to see what breaks. `hint`, `retest`, `detached`, `range`: VMA lock; `recheck`: others. */
  readonly withoutChecks?: Partial<Record<FaultCheck, boolean>>;
}

/** Events as /proc/vmstat counts them, with `mmapLock`: faults that took mmap_lock at some time. */
export interface FaultCounters {
  /** Resolved without mmap_lock, signals included. */
  success: number;
  /** The VMA could not be pinned. */
  abort: number;
  /** It was pinned, but the fault came back and took mmap_lock. */
  retry: number;
  /** The VMA was detached meanwhile, the walk was repeated. */
  miss: number;
  mmapLock: number;
}

/** What a fault comes to. */
export interface FaultResult {
  readonly outcome: FaultOutcome;
  readonly path: FaultPath;
  /** How often it began again. */
  readonly retries: number;
  /** Why it left the fast road. */
  readonly reason: FaultReason;
  /** What this fault has counted. */
  readonly counters: FaultCounters;
}

/** All zero. */
export function newFaultCounters(): FaultCounters {
  return { success: 0, abort: 0, retry: 0, miss: 0, mmapLock: 0 };
}

/** One fault on its way. */
export interface FaultRequest {
  /** First byte of the page. */
  readonly page: number;
  readonly access: FaultAccess;
  readonly options: FaultOptions;
  readonly counters: FaultCounters;
  reason: FaultReason;
  retries: number;
  /** The slow part is behind us: the second attempt must get through. */
  tried: boolean;
}
