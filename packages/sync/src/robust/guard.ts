/* A guard that can tell that the lock's last owner died. */
import { Guard } from "../guard.ts";

/** What a guard needs of a robust lock. */
export interface Inherited {
  readonly ownerDied: boolean;
  markConsistent(): void;
  unlock(): void;
}

/** Holds a robust lock until {@link Guard.release}, or until the end of the block with `using`. */
export class RobustGuard extends Guard {
  readonly #lock: Inherited;

  constructor(lock: Inherited) {
    super(() => lock.unlock());
    this.#lock = lock;
  }

  /** Did the last owner die, and has nobody repaired yet what it left? See `markConsistent`. */
  get ownerDied(): boolean {
    return this.isHeld && this.#lock.ownerDied;
  }

  /** What the lock guards has been repaired. Without it, release makes the lock unusable after a death. */
  markConsistent(): void {
    this.#lock.markConsistent();
  }
}
