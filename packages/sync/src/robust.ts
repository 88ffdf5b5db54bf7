/* Locks that survive the death of threads; how, is said in robust/recovery.ts. */
export {
  RobustPerWorkerRwSem,
  type RobustPerWorkerRwSemOptions,
} from "./per-worker-rwsem/robust.ts";
export { RobustGuard } from "./robust/guard.ts";
export { RobustMutex, type RobustMutexOptions } from "./robust/mutex.ts";
export type { Agents, Recoverable, Repair, RobustOptions } from "./robust/recovery.ts";
export { RobustSemaphore, type RobustSemaphoreOptions } from "./robust/semaphore.ts";
export { RobustSpinLock } from "./robust/spin-lock.ts";
export { RobustRwSem, type RobustRwSemOptions } from "./rwsem/robust.ts";
