import type { Mm } from "./mm.ts";
import { acquire, type Protocol, release, work } from "./protocol.ts";

/**
 * Begins a change of the VMA tree: what follows up to {@link endStore}, one store and the bounds of the VMAs it
 * concerns, is not interrupted. Under designs whose tree has a spinlock it is taken here, and nothing in between
 * may sleep.
 */
export function* beginStore(mm: Mm): Protocol<void> {
  yield* work("store-tree");
  if (mm.design.locksTree === true) yield* acquire(mm.treeLock, "write");
}

/** Ends what {@link beginStore} began; in a `finally`, for the store can fail. */
export function* endStore(mm: Mm): Protocol<void> {
  if (mm.design.locksTree === true) yield* release(mm.treeLock, "write");
}
