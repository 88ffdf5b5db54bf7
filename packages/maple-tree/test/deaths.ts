/*
 * Every moment at which a writer can be terminated, one after the other. While a write runs, the arena's whole
 * buffer is copied before each Atomics operation and at each step that the tree reports: the copy is what a
 * death at that moment would leave. (Throwing from inside would not do: `finally` blocks would run.)
 */
import { Arena } from "@faultline/arena";
import { SharedMapleTree } from "@faultline/maple-tree";
import type { Agents } from "@faultline/sync";

const CHANGES = ["store", "add", "sub", "and", "or", "exchange", "compareExchange"] as const;

/** Ids as a registry would give: who writes and dies, and who comes after. */
export const DYING: Agents = { self: 1024, isAlive: () => true };
const heir = (self: number): Agents => ({ self, isAlive: (id) => id === self });

/** Runs `write` and returns the buffer as it was at each of its moments. */
export function momentsOf(tree: SharedMapleTree, write: () => void): SharedArrayBuffer[] {
  const copies: SharedArrayBuffer[] = [];
  const copy = (): void => void copies.push(copyOf(tree.arena.handle().buffer as SharedArrayBuffer));
  const original = Object.fromEntries(CHANGES.map((name) => [name, Atomics[name]]));
  for (const name of CHANGES) {
    const operation = Atomics[name] as (...args: unknown[]) => unknown;
    Object.assign(Atomics, {
      [name]: (...args: unknown[]): unknown => {
        copy();
        return operation.apply(Atomics, args);
      },
    });
  }
  tree.onStep = copy;
  try {
    write();
  } finally {
    Object.assign(Atomics, original);
    tree.onStep = undefined;
  }
  return copies;
}

function copyOf(buffer: SharedArrayBuffer): SharedArrayBuffer {
  const copy = new SharedArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength });
  new Uint8Array(copy).set(new Uint8Array(buffer, 0, buffer.byteLength));
  return copy;
}

/** The tree as the agent `self` finds it in a copy, knowing that all before it are dead. */
export function inherit(buffer: SharedArrayBuffer, root: number, self = 2048): SharedMapleTree {
  return SharedMapleTree.attach(Arena.attach({ buffer }, heir(self)), root);
}
