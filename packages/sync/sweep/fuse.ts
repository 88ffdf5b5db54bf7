/*
 * A death at a chosen instruction.
 *
 * `terminate()` from outside stops a thread where the engine looks for interrupts: at a function's entry, at the
 * end of a loop's turn, asleep. The moments that matter lie between two accesses to shared words, so a fuse
 * counts this thread's Atomics operations and ends it before or after a chosen one.
 */
import { exit } from "node:process";

const COUNTED = [
  "load",
  "store",
  "add",
  "sub",
  "and",
  "or",
  "exchange",
  "compareExchange",
  "notify",
  "wait",
] as const;

type Operation = (...args: unknown[]) => unknown;

/**
 * Lights the fuse: this thread ends at its Atomics operation number `length` from now.
 *
 * @param isAfter - whether that operation is still carried out
 */
export function lightFuse(length: number, isAfter: boolean): void {
  let left = length;
  const operations = Atomics as unknown as Record<string, Operation>;
  for (const name of COUNTED) {
    const original = operations[name];
    operations[name] = (...args) => {
      left--;
      if (left === 0 && !isAfter) die();
      const result = original(...args);
      if (left === 0) die();
      return result;
    };
  }
}

function die(): never {
  exit();
  for (;;); // No further instruction: the end comes at the next interrupt.
}
