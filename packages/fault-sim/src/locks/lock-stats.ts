/** What a class of locks cost: all locks of one name together, all threads together. */
export interface LockReport {
  readonly name: string;
  readonly acquisitions: number;
  /** Acquisitions that found the lock taken and queued, spun or slept. */
  readonly contended: number;
  /** Tries that gave up. */
  readonly failed: number;
  /** Picoseconds in lock and unlock calls: line transfers, spinning, sleeping, waking. */
  readonly waiting: number;
}

/** Counts the use of one class of locks. */
export class LockStats {
  readonly name: string;
  acquisitions = 0;
  contended = 0;
  failed = 0;
  waiting = 0;

  constructor(name: string) {
    this.name = name;
  }

  report(): LockReport {
    const { name, acquisitions, contended, failed, waiting } = this;
    return { name, acquisitions, contended, failed, waiting };
  }
}
