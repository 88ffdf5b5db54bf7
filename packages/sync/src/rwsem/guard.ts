import { SyncError } from "../errors.ts";
import { Guard } from "../guard.ts";

/** What a {@link WriteGuard} needs of its lock. */
export interface Downgradable {
  upRead(): void;
  upWrite(): void;
  downgradeWrite(): void;
}

/** Holds an `RwSem` in write mode; can be turned into read mode once. */
export class WriteGuard extends Guard {
  readonly #sem: Downgradable;
  #mode: { isWrite: boolean };

  /** @param sem - held in write mode by the caller */
  constructor(sem: Downgradable) {
    const mode = { isWrite: true };
    super(() => (mode.isWrite ? sem.upWrite() : sem.upRead()));
    this.#sem = sem;
    this.#mode = mode;
  }

  /**
   * Turns the write lock into a read lock; the guard then releases that.
   *
   * @throws SyncError `EPERM` if the guard is released or downgraded already
   */
  downgrade(): void {
    if (!this.isHeld || !this.#mode.isWrite) {
      throw new SyncError("EPERM", "WriteGuard.downgrade: the guard holds no write lock");
    }
    this.#sem.downgradeWrite();
    this.#mode.isWrite = false;
  }
}
