/*
 * What the reader-writer semaphores have in common: guards. The fast paths stay in the classes, where each call
 * of one is of one class.
 */
import { SyncError } from "../errors.ts";
import { Guard } from "../guard.ts";
import type { AsyncWaitOptions, WaitOptions } from "../words.ts";
import { WriteGuard } from "./guard.ts";

/** A lock with many readers or one writer; the public face of `RwSem` and `RobustRwSem`. */
export abstract class SharedLock {
  /** Name of the class, for messages. */
  protected abstract get kind(): string;

  /** Takes the lock in read mode, waiting for it if need be. @returns `false` if `timeoutMs` has passed */
  abstract downRead(options?: WaitOptions): boolean;
  /** As {@link downRead}, without blocking the thread. */
  abstract downReadAsync(options?: AsyncWaitOptions): Promise<boolean>;
  /** Takes the lock in read mode if that needs no waiting. */
  abstract tryDownRead(): boolean;
  /** Gives a read lock back. @throws SyncError `EPERM` if there is none to give back */
  abstract upRead(): void;

  /** Takes the lock in write mode, waiting for it if need be. @returns `false` if `timeoutMs` has passed */
  abstract downWrite(options?: WaitOptions): boolean;
  /** As {@link downWrite}, without blocking the thread. */
  abstract downWriteAsync(options?: AsyncWaitOptions): Promise<boolean>;
  /** Takes the lock in write mode if that needs no waiting. */
  abstract tryDownWrite(): boolean;
  /** Gives the write lock back. @throws SyncError `EPERM` if there is none to give back */
  abstract upWrite(): void;
  /** Turns the caller's write lock into a read lock in one step. */
  abstract downgradeWrite(): void;

  /** Throws an `Error` naming the words and values that break an invariant. */
  abstract validate(): void;
  /** The state in words, for messages. */
  abstract toString(): string;

  /**
   * Takes the lock in read mode and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  read(options?: WaitOptions): Guard {
    if (!this.downRead(options)) throw new SyncError("ETIMEDOUT", `${this.kind}.read: timed out`);
    return new Guard(() => this.upRead());
  }

  /**
   * Takes the lock in write mode and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed
   */
  write(options?: WaitOptions): WriteGuard {
    if (!this.downWrite(options)) throw new SyncError("ETIMEDOUT", `${this.kind}.write: timed out`);
    return new WriteGuard(this);
  }

  /**
   * As {@link read}, without blocking the thread: `using guard = await sem.readAsync()`.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed, `EINTR` if `signal` was aborted
   */
  async readAsync(options?: AsyncWaitOptions): Promise<Guard> {
    if (!(await this.downReadAsync(options)))
      throw new SyncError("ETIMEDOUT", `${this.kind}.readAsync: timed out`);
    return new Guard(() => this.upRead());
  }

  /**
   * As {@link write}, without blocking the thread.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed, `EINTR` if `signal` was aborted
   */
  async writeAsync(options?: AsyncWaitOptions): Promise<WriteGuard> {
    if (!(await this.downWriteAsync(options)))
      throw new SyncError("ETIMEDOUT", `${this.kind}.writeAsync: timed out`);
    return new WriteGuard(this);
  }
}
