/* What the benchmark's threads are told. */
import type { Backend, SharedMemoryHandle } from "@faultline/sync";

/** What a worker can do (team.worker.ts). */
export type PartName =
  | "Mutex"
  | "SpinLock"
  | "spin"
  | "sleep"
  | "npm"
  | "mb"
  | "qsbr"
  | "seqlock"
  | "read"
  | "turns"
  | "turns asleep"
  | "hands"
  | "hands asleep";

/** What a worker is told when it starts: a memory for each backend. */
export type TeamMemories = Readonly<Record<Backend, SharedMemoryHandle>>;

/** What a worker is asked to do. */
export interface TeamOrder {
  readonly part: PartName;
  readonly backend: Backend;
  /** For locks that insist on a buffer of their own. */
  readonly lockBuffer: SharedArrayBuffer;
  readonly index: number;
  readonly threadCount: number;
  readonly ops: number;
}
