/*
 * What all locks with one holder have in common: guards, `withLock`, and the two ways to wait. A lock brings
 * its words, a fast path and a slow path. The fast paths `lock()`, `tryLock()` and `unlock()` stay in the
 * classes: shared code that calls them would be polymorphic, and each call would cost as much as the lock.
 */
import { SyncError } from "./errors.ts";
import { Guard } from "./guard.ts";
import { runAsync, runBlocking, type SlowPath } from "./waiting.ts";
import { type AsyncWaitOptions, assertMayBlock, FOREVER, type WaitOptions } from "./words.ts";

/** Looks before a sleep: about 5 µs, the price of one sleep and wake-up, so a spin at most doubles a wait. */
const SPINS = 100;

/** What a slow path may do. */
export interface HowToWait {
  /** Can the wait be ended by a timeout or a signal? */
  readonly mayGiveUp: boolean;
  /** How often to look before each sleep; 0 in an async wait, whose thread has other work to do. */
  readonly spins: number;
}

/** A lock with one holder; the public face of every spinlock and of `Mutex`. */
export abstract class ExclusiveLock {
  /** The words the lock lives in. */
  protected abstract readonly words: Int32Array;
  /** Name of the class, for messages. */
  protected abstract get kind(): string;

  /** Is it held by anybody? May be out of date on return; for assertions and display. */
  abstract get isLocked(): boolean;

  /** Takes the lock if that needs no waiting. */
  abstract tryLock(): boolean;

  /**
   * Takes the lock, waiting for it if need be.
   *
   * @returns `true`, or `false` if `timeoutMs` was given and has passed
   * @throws SyncError `EDEADLK` if it is held and the words are not shared; `EWOULDBLOCK` if it is held and
   * this thread may not block (the main thread of a browser): use `lockAsync`
   */
  abstract lock(options?: WaitOptions): boolean;

  /**
   * Gives the lock back.
   *
   * @throws SyncError `EPERM` if nobody holds it
   */
  abstract unlock(): void;

  /** Throws an `Error` naming the words and values that break an invariant. */
  abstract validate(): void;

  /** Waits until the lock is got, or the wait given up. */
  protected abstract slowPath(how: HowToWait): SlowPath;

  /**
   * Takes the lock without blocking the thread, also on an `ArrayBuffer`. The holder is then the task that
   * awaits, not the thread. While a task of a thread holds or awaits a lock, that thread must not block for it:
   * the task, which is first, could never go on. Nor does a pending wait keep a Node process alive by itself.
   *
   * @returns resolves to `true`, or `false` if `timeoutMs` was given and has passed; a grant that comes in
   * the same moment as a timeout or an abort wins, so look at the result
   * @throws SyncError `EINTR` if `signal` is aborted first; its `cause` is the signal's reason
   */
  lockAsync(options?: AsyncWaitOptions): Promise<boolean> {
    const mayGiveUp = options?.timeoutMs !== undefined || options?.signal !== undefined;
    return runAsync(
      `${this.kind}.lockAsync`,
      this.words,
      options,
      () => this.tryLock(),
      () => this.slowPath({ mayGiveUp, spins: 0 }),
    );
  }

  /**
   * Takes the lock and returns a guard that gives it back.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed, and as {@link lock}
   */
  acquire(options?: WaitOptions): Guard {
    if (!this.lock(options)) throw this.#timedOut("acquire");
    return new Guard(() => this.unlock());
  }

  /**
   * As {@link acquire}, without blocking the thread: `using guard = await lock.acquireAsync()`.
   *
   * @throws SyncError `ETIMEDOUT` if `timeoutMs` was given and has passed, and as {@link lockAsync}
   */
  async acquireAsync(options?: AsyncWaitOptions): Promise<Guard> {
    if (!(await this.lockAsync(options))) throw this.#timedOut("acquireAsync");
    return new Guard(() => this.unlock());
  }

  /** Runs `fn` with the lock held and returns its result; the lock is given back also if `fn` throws. */
  withLock<T>(fn: () => T): T {
    this.lock();
    try {
      return fn();
    } finally {
      this.unlock();
    }
  }

  /**
   * Runs `fn`, which may be async, with the lock held; gives it back when the result is there, or has failed.
   *
   * @throws SyncError as {@link acquireAsync}; `fn` has then not been called
   */
  async withLockAsync<T>(fn: () => T | PromiseLike<T>, options?: AsyncWaitOptions): Promise<T> {
    const guard = await this.acquireAsync(options);
    try {
      return await fn();
    } finally {
      guard.release();
    }
  }

  /** The part of `lock()` that costs: a bounded spin, then sleep. */
  protected lockSlow(deadline: number): boolean {
    assertMayBlock(`${this.kind}.lock`, this.words, `${this.kind}.lockAsync or tryLock`);
    const how = { mayGiveUp: deadline !== FOREVER, spins: SPINS };
    return runBlocking(this.words, this.slowPath(how), deadline);
  }

  #timedOut(what: string): SyncError {
    return new SyncError("ETIMEDOUT", `${this.kind}.${what}: timed out`);
  }
}
