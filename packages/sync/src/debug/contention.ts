/*
 * Events around each wait for a lock, for tracers: the kernel's tracepoints contention_begin and contention_end,
 * with its flags.
 *
 * Source: Linux include/trace/events/lock.h.
 */

/** Bits of {@link ContentionEvent.flags}: what kind of lock is waited for, and how. */
export const ContentionFlag = {
  /** A spinlock. */
  Spin: 1,
  /** In read mode. */
  Read: 2,
  /** In write mode. */
  Write: 4,
  /** A `PerWorkerRwSem`. */
  Percpu: 16,
  /** A mutex. */
  Mutex: 32,
} as const;

/** A wait for a lock begins, or is over. */
export interface ContentionEvent {
  readonly phase: "begin" | "end";
  /** Class of what is waited for. */
  readonly className: string;
  /** Name of the call. */
  readonly what: string;
  /** Sum of {@link ContentionFlag}; 0 for semaphores, completions, barriers and wait queues. */
  readonly flags: number;
  /** For `end`: was it got? `false` after a timeout, an abort or an error. */
  readonly isGot: boolean;
  /** For `end`: milliseconds since `begin`; else 0. */
  readonly waitedMs: number;
}
