/*
 * Nodes taken before the write that may need them, so that the write itself cannot fail: the kernel's
 * mas_preallocate() and mas_store_prealloc().
 *
 * The nodes belong to the reservation, not to the arena's promise to this agent: other writes of this agent
 * between reserve() and commit() do not eat them. They are handed to the core for the length of one write.
 */
import type { TreeCore } from "../core.ts";
import { MapleError } from "../errors.ts";

/** Takes `count` nodes. @throws MapleError `ENOMEM` with none of them taken */
export function takeNodes(core: TreeCore, count: number): number[] {
  core.reserve(count);
  const nodes: number[] = [];
  while (nodes.length < count) nodes.push(core.newNode());
  return nodes;
}

/** Runs `write` with `nodes` to build from; what it does not use stays in the array. */
export function withNodes<T>(core: TreeCore, nodes: number[], write: () => T): T {
  const before = core.prepaid;
  core.prepaid = nodes;
  try {
    return write();
  } finally {
    core.prepaid = before;
  }
}

/**
 * A store that cannot fail, as long as the tree is not written to before it. Made by `cursor.reserve()`.
 *
 * Give it back with `using`, or {@link release}: nodes that were not needed return to the arena.
 */
export class Reservation implements Disposable {
  readonly #core: TreeCore;
  readonly #nodes: number[];
  readonly #store: () => number;
  #open = true;

  /** Package-internal: use `cursor.reserve()`. */
  constructor(core: TreeCore, nodes: number[], store: () => number) {
    this.#core = core;
    this.#nodes = nodes;
    this.#store = store;
  }

  /** Nodes held, the worst case of the planned write. */
  get nodes(): number {
    return this.#nodes.length;
  }

  /**
   * Carries the store out and gives back what it did not need.
   *
   * @returns the entry that was at the first index
   * @throws MapleError `EINVAL` if the reservation has been used or released; `ENOMEM` only if the tree has
   * been written to since, so that more nodes are needed than were reserved
   */
  commit(): number {
    if (!this.#open) throw new MapleError("EINVAL", "commit: the reservation has been used or released");
    try {
      return withNodes(this.#core, this.#nodes, this.#store);
    } finally {
      this.release();
    }
  }

  /** Gives the nodes back. Doing so twice, or after {@link commit}, changes nothing. */
  release(): void {
    this.#open = false;
    // Nobody has seen them, so they need no grace period.
    for (const node of this.#nodes.splice(0)) this.#core.cache.free(node);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
