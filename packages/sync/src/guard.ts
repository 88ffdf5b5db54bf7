/**
 * Holds a lock until {@link Guard.release}, or until the end of the block with `using`.
 * Releasing twice does nothing the second time.
 */
export class Guard {
  #unlock: (() => void) | undefined;

  /** @param unlock - called once, by the first release */
  constructor(unlock: () => void) {
    this.#unlock = unlock;
  }

  /** Does the guard still hold the lock? */
  get isHeld(): boolean {
    return this.#unlock !== undefined;
  }

  /** Gives the lock back; a second call does nothing. */
  release(): void {
    const unlock = this.#unlock;
    this.#unlock = undefined;
    unlock?.();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
