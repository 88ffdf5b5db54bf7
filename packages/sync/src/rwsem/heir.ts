/*
 * What becomes of a RobustRwSem whose writer died: a ghost holds it, until somebody inherits it and repairs what
 * it guards, or gives it up for ever.
 */
import { SyncError } from "../errors.ts";
import type { Repair } from "../robust/recovery.ts";
import type { SlowPath } from "../waiting.ts";
import { recoverIfNeeded } from "./recovery.ts";
import { ABANDONED, isAbandoned, isGhost, WHO_MASK } from "./robust-count.ts";
import type { RobustState } from "./robust-state.ts";

/**
 * A slow path that looks around after each sleep, and leaves the queue when there is a ghost to be followed.
 *
 * @param wait - is told whether the wait has been given up; otherwise `false` means that there is a ghost
 */
export function* attended(
  state: RobustState,
  path: SlowPath,
  wait: { isOver: boolean },
  recheckMs: number,
): SlowPath {
  let step = path.next(true);
  while (step.done !== true) {
    wait.isOver = false;
    // A ghost that came before the path made ready to sleep is seen here; one that comes later stirs the sleeper.
    let mayGoOn = !isForsaken(state);
    if (mayGoOn) {
      mayGoOn = yield { ...step.value, recheckMs };
      wait.isOver = !mayGoOn;
      // Before the look: what changes behind it stirs again.
      state.queue.settle(step.value.word);
      recoverIfNeeded(state);
      mayGoOn &&= !isForsaken(state);
    }
    step = path.next(mayGoOn);
  }
  return step.value;
}

/** Is there a ghost to be followed, or nothing to wait for any more? */
function isForsaken(state: RobustState): boolean {
  const count = state.load();
  return isGhost(count) || isAbandoned(count);
}

/**
 * Takes over what a dead writer left, and repairs it if that is known how.
 *
 * @returns `false` if there is no ghost
 * @throws SyncError `ENOTRECOVERABLE`
 */
export function inherit(state: RobustState, repair: Repair): boolean {
  for (;;) {
    const count = state.load();
    if (isAbandoned(count)) throw unusable();
    if (!isGhost(count)) return false;
    if (state.change(count, state.asWriter(count))) break;
  }
  state.sitter.isWriter = true;
  state.sitter.mustRepair = true;
  if (repair === "manual") return true;
  try {
    repair();
  } catch (cause) {
    abandon(state);
    throw unusable(cause);
  }
  state.sitter.mustRepair = false;
  return true;
}

/** The writer gives the lock back for ever. */
export function abandon(state: RobustState): void {
  for (;;) {
    const count = state.load();
    if (state.change(count, (count & ~WHO_MASK) | ABANDONED)) break;
  }
  state.sitter.isWriter = false;
  state.sitter.mustRepair = false;
  state.queue.lock();
  state.queue.stirAll();
  state.queue.unlock();
}

function unusable(cause?: unknown): SyncError {
  const message = "RobustRwSem: a writer died, and what it guarded could not be repaired";
  return new SyncError("ENOTRECOVERABLE", message, cause === undefined ? undefined : { cause });
}
