/* The spinlocks: which of them is the default, and why, is said at SpinLock. */
import { TestAndSetLock } from "./spinlock/test-and-set.ts";

export { McsLock } from "./spinlock/mcs.ts";
export { QSpinLock, type QSpinLockOptions } from "./spinlock/qspinlock.ts";
export { TestAndSetLock } from "./spinlock/test-and-set.ts";
export { TicketLock } from "./spinlock/ticket.ts";

/**
 * The default spinlock: one word, zero when free, a `TestAndSetLock` by another name.
 */
export class SpinLock extends TestAndSetLock {
  protected override get kind(): string {
    return "SpinLock";
  }
}
