/*
 * The effect vocabulary: what a protocol asks of the world.
 *
 * Everything that takes locks on an address space is a generator that yields an effect before each
 * point where another CPU may run. An executor performs the effect and resumes the generator with
 * its answer. State (VMAs, the tree, page tables) is changed by the protocol itself between two
 * yields; locks, waiting and cost belong to the executor. Three executors drive the same generator:
 * `executors/threads.ts`, `executors/cores.ts`, `executors/steps.ts`.
 */

/** What a lock is, and so which implementation an executor gives it. */
export type LockKind = "rwsem" | "spinlock" | "vma";

/** Names one lock. `word` is its index in the address space's arena, and its identity. */
export interface LockRef {
  readonly kind: LockKind;
  readonly word: number;
  /** For people: `mmap_lock`, `vma 0x7000-0x9000`, `ptl 0x7f0000000`. */
  readonly name: string;
}

/** One shared word that other CPUs may write; cores charge its cache line. */
export interface LineRef {
  readonly word: number;
  readonly name: string;
}

/** Private work with a cost; the simulator has a table by these names. */
export type WorkKind =
  | "fault-entry"
  | "syscall-entry"
  | "walk-tree"
  | "walk-page-table"
  | "alloc-page"
  | "alloc-page-table"
  | "zero-page"
  | "copy-page"
  | "install-pte"
  | "zap-pte"
  | "change-pte"
  | "flush-tlb"
  | "alloc-vma"
  | "store-tree";

export type Effect =
  | { readonly op: "acquire"; readonly lock: LockRef; readonly mode: "read" | "write" }
  | { readonly op: "try-acquire"; readonly lock: LockRef; readonly mode: "read" | "write" }
  | { readonly op: "release"; readonly lock: LockRef; readonly mode: "read" | "write" }
  | { readonly op: "downgrade"; readonly lock: LockRef }
  | { readonly op: "rcu-lock" }
  | { readonly op: "rcu-unlock" }
  /** Runs `free` after a grace period; `bytes` is what it holds back meanwhile. */
  | { readonly op: "rcu-defer"; readonly bytes: number; readonly free: () => void }
  | { readonly op: "touch"; readonly access: "read" | "write" | "rmw"; readonly line: LineRef }
  | { readonly op: "work"; readonly what: WorkKind; readonly times: number }
  /** Blocks for something slow (a disk, reclaim). Forbidden in an RCU section and under a spinlock. */
  | { readonly op: "sleep"; readonly what: string; readonly ns: number }
  /** Interrupts the CPUs that may cache translations of this address space. */
  | { readonly op: "shootdown"; readonly pages: number }
  /** A named step without cost, for captions and exact schedules. */
  | { readonly op: "step"; readonly name: string };

/** A protocol: yields effects, returns its result. `try-acquire` is answered with a boolean. */
export type Protocol<T> = Generator<Effect, T, boolean | undefined>;

export function* acquire(lock: LockRef, mode: "read" | "write"): Protocol<void> {
  yield { op: "acquire", lock, mode };
}

export function* tryAcquire(lock: LockRef, mode: "read" | "write"): Protocol<boolean> {
  return (yield { op: "try-acquire", lock, mode }) === true;
}

export function* release(lock: LockRef, mode: "read" | "write"): Protocol<void> {
  yield { op: "release", lock, mode };
}

export function* downgrade(lock: LockRef): Protocol<void> {
  yield { op: "downgrade", lock };
}

export function* work(what: WorkKind, times = 1): Protocol<void> {
  yield { op: "work", what, times };
}

export function* touch(access: "read" | "write" | "rmw", line: LineRef): Protocol<void> {
  yield { op: "touch", access, line };
}

export function* step(name: string): Protocol<void> {
  yield { op: "step", name };
}
