import { vi } from "vitest";

/** Runs `fn` and counts the calls of `Atomics.notify` this thread makes meanwhile. */
export function countNotifies(fn: () => void): number {
  const notify = vi.spyOn(Atomics, "notify");
  try {
    fn();
    return notify.mock.calls.length;
  } finally {
    notify.mockRestore();
  }
}
