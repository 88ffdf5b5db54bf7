/* The spinlocks: which of them is the default, and why, is said at SpinLock. */
import { QSpinLock } from "./spinlock/qspinlock.ts";

export { McsLock } from "./spinlock/mcs.ts";
export { QSpinLock, type QSpinLockOptions } from "./spinlock/qspinlock.ts";
export { TestAndSetLock } from "./spinlock/test-and-set.ts";
export { TicketLock } from "./spinlock/ticket.ts";

/**
 * The default spinlock: a {@link QSpinLock} by another name; one word, zero when free. Without a table of nodes
 * the second comer cannot be overtaken, and further ones compete for its place.
 *
 * Why this one: alone it costs what a {@link TestAndSetLock} does, 1.05 to 1.14 times a bare compareExchange
 * and store (bench/spinlocks.ts, two busy cores), was faster between two threads (20 to 35 ns a section against
 * 38 to 89), and with four the two were within each other's noise. What speaks for `TestAndSetLock`: a thread that is terminated while it waits leaves nothing behind in it, here a
 * PENDING bit which nobody clears.
 */
export class SpinLock extends QSpinLock {
  protected override get kind(): string {
    return "SpinLock";
  }
}
