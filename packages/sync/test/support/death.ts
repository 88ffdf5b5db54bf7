/*
 * Death at a given instruction, in one thread: the shared words change by Atomics operations only, so a thread
 * that is terminated leaves behind what its first n operations did. Here the n-th and all later ones throw,
 * which also makes any `finally` of the victim harmless: it cannot touch the words any more.
 *
 * A victim that would sleep dies in its sleep.
 */

/** Thrown out of the victim. */
export class Death extends Error {}

const OPERATIONS = [
  "add",
  "and",
  "compareExchange",
  "exchange",
  "load",
  "notify",
  "or",
  "store",
  "sub",
  "wait",
] as const;

type Operation = (...args: unknown[]) => unknown;

/**
 * Runs `victim`, which dies instead of its Atomics operation number `survived`, counted from 0.
 *
 * @returns `false` if it came to its end alive
 */
export function dieAfter(survived: number, victim: () => void): boolean {
  const atomics = Atomics as unknown as Record<string, Operation>;
  const originals = OPERATIONS.map((name) => [name, atomics[name]] as const);
  let done = 0;
  for (const [name, original] of originals) {
    atomics[name] = (...args) => {
      if (done++ >= survived || name === "wait") {
        done = Number.POSITIVE_INFINITY;
        throw new Death(name);
      }
      return original(...args);
    };
  }
  try {
    victim();
    return false;
  } catch (error) {
    if (error instanceof Death) return true;
    throw error;
  } finally {
    for (const [name, original] of originals) atomics[name] = original;
  }
}
