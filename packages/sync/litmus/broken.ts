/*
 * Twins of the real primitives that keep no promise. Tests run litmus and torture with them to know that a
 * failure would be seen; nothing else uses them.
 */

/** A spinlock that lets everybody in; lock_busted of the kernel's locktorture. */
export class BrokenLock {
  readonly isLocked: boolean = false;

  tryLock(): boolean {
    return true;
  }

  lock(): boolean {
    return true;
  }

  unlock(): void {}
}

/** An RCU whose grace periods end at once. */
export class BrokenRcu {
  readLock(): void {}

  readUnlock(): void {}

  synchronize(): void {}
}
