/*
 * A place in a tree from which to look around and to write: the kernel's `ma_state`.
 *
 * `index` and `last` are the request before a walk or a write and the range of the result after it. All steps
 * are made on ranges, so every status accepts every step. A cursor remembers the leaf it stands in together
 * with the tree's version; a step reads the version inside its read section and walks again from the root if
 * anybody has written since. So a cursor may be kept as long as one likes, across writes and read sections.
 * What must be protected by the caller (a read section of `arena.rcu`, or the lock) is what entries refer to.
 *
 *   status      meaning                                             next goes to           prev goes to
 *   start       not walked yet                                      behind index's range   before index's range
 *   active      on a range                                          the one behind         the one before
 *   root        on the entry that lives in the root word            nothing, [1,MAX]       —
 *   none        nothing here: no node, and index not on the entry   (walks again)          the entry at [0,0]
 *   pause       the caller let go; find goes on at last+1           as start               as start
 *   overflow    the upper limit was reached                         on, if the limit grew  the entry stood on, first
 *   underflow   the lower limit was reached                         the entry stood on     on, if the limit fell
 *               (find returns the entry stood on in both; findRev goes on from it in both)
 *   error       a gap search or store failed, errno in `error`      nothing until reset    nothing until reset
 *
 * Source: Linux lib/maple_tree.c, mas_walk(), mas_next_setup(), mas_next_slot(), mas_prev_setup(),
 * mas_prev_slot(), mas_find_setup(), mas_find_rev_setup(), mas_erase(), mas_empty_area().
 */

import type { TreeCore } from "../core.ts";
import { checkIndex, checkIndexOf, checkRange, MapleError } from "../errors.ts";
import { MAX_INDEX, MAX_NODE_ENTRY } from "../geometry.ts";
import {
  type CyclicAllocation,
  type CyclicRequest,
  checkCyclic,
  cyclicRefusal,
  cyclicResult,
} from "../search/allocate.ts";
import { searchGap } from "../search/gap.ts";
import { endsAtRoot } from "../search/gap-refusal.ts";
import { Reservation, takeNodes, withNodes } from "../write/reservation.ts";
import { finishBulk, plan, plannedNodes, write } from "../write/write.ts";
import type { WriteState } from "../write/write-state.ts";
import type { Position } from "./place.ts";
import { CursorSteps } from "./steps.ts";

/** Error numbers a cursor reports, negative as in the kernel. */
export const Errno = { ENOMEM: -12, EBUSY: -16, EINVAL: -22 } as const;

/** Of a cursor that has taken none; nobody adds to it. */
const NO_NODES: number[] = [];

/**
 * The advanced interface: steps over entries and over empty ranges, and writes at the place it stands.
 *
 * Reads open their own read section. Writes need the tree's write lock, which the caller holds (`tree.locked`,
 * or the external lock). Entries are handles; 0 means none.
 */
export class MapleCursor extends CursorSteps {
  readonly #writer: WriteState;
  /** Nodes that {@link nomem} has taken for the store to be tried again. */
  #nodes: number[] = NO_NODES;
  /** Nodes that the store which failed had asked for. */
  #wanted = 0;
  #bulk = false;

  /** Package-internal: use `tree.cursor()`. */
  constructor(core: TreeCore, writer: WriteState, index: number, last: number) {
    super(core, index, last);
    this.#writer = writer;
  }

  /**
   * Stores `entry` over `[index, last]`, 0 to leave a gap, which takes in the gaps beside it: `index` and
   * `last` tell afterwards what became empty.
   *
   * @returns the entry that was at `index`
   * @throws MapleError `ENOMEM` with the tree unchanged. Locking: write lock held by the caller
   */
  store(entry: number): number {
    checkEntry("store: entry", entry);
    checkRange("store", this.index, this.last, this.core.maxIndex);
    return this.#store(entry);
  }

  /**
   * Takes the nodes that a store of `entry` over `[index, last]` can need, so that it cannot fail later.
   *
   * @returns what to `commit()`, or to release. @throws MapleError `ENOMEM`, with the cursor reset.
   * Locking: write lock held by the caller, until the commit. Source: mas_preallocate()
   */
  reserve(entry: number): Reservation {
    checkEntry("reserve: entry", entry);
    checkRange("reserve", this.index, this.last, this.core.maxIndex);
    const core = this.core;
    const type = plan(this.#writer, this.index, this.last, entry);
    try {
      const nodes = takeNodes(core, plannedNodes(this.#writer, type));
      this.#stand();
      this.span = type === "spanning_store" ? spanOf(this.#writer) : undefined;
      if (entry === 0 && core.rootWord > 0 && this.span === undefined) {
        this.index = this.#writer.first;
        this.last = this.#writer.last;
      }
      return new Reservation(core, nodes, () => this.#store(entry));
    } catch (error) {
      this.reset();
      throw error;
    }
  }

  /**
   * After a store that failed with `ENOMEM`: takes the nodes it wanted, for {@link store} to be called again.
   *
   * @returns whether there was such a failure. @throws MapleError `ENOMEM` again. Source: mas_nomem()
   */
  nomem(): boolean {
    if (this.status !== "error" || this.error !== Errno.ENOMEM) return false;
    this.#nodes = takeNodes(this.core, this.#wanted);
    this.reset();
    return true;
  }

  /**
   * Says that about `count` entries will be stored in ascending order: leaves are left nearly full, and a last
   * leaf that is too small is put right by {@link destroy}. Source: mas_expected_entries()
   */
  expectedEntries(count: number): void {
    checkIndex("expectedEntries: count", count, MAX_INDEX);
    this.#bulk = true;
  }

  /** Gives back nodes taken in advance, and ends what {@link expectedEntries} began. Source: mas_destroy() */
  destroy(): void {
    for (const node of this.#nodes.splice(0)) this.core.cache.free(node);
    if (!this.#bulk) return;
    this.#bulk = false;
    finishBulk(this.#writer);
    this.placed = false;
  }

  /**
   * Stores `entry` at the first free index not below `next`, or failing that not below `min`.
   *
   * @throws MapleError `EBUSY`, `EINVAL`, `ENOMEM`. Locking: write lock held by the caller.
   * Source: mas_alloc_cyclic()
   */
  allocateCyclic(
    entry: number,
    { min = 0, max = this.core.maxIndex, next }: CyclicRequest,
  ): CyclicAllocation {
    checkEntry("allocateCyclic: entry", entry);
    checkCyclic(this.core, min, max, next);
    const low = Math.max(min, next);
    let wrapped = false;
    let refused = this.emptyArea(low, max, 1);
    if (refused === 0 && this.core.wrapped) {
      this.core.wrapped = false;
      wrapped = true;
    }
    if (refused !== 0 && low > min) {
      this.reset();
      refused = this.emptyArea(min, max, 1);
      wrapped = refused === 0;
    }
    if (refused !== 0) throw cyclicRefusal(refused === Errno.EBUSY ? "EBUSY" : "EINVAL", min, max);
    const { index } = this;
    this.#store(entry);
    return cyclicResult(this.core, index, wrapped);
  }

  /**
   * Erases the whole range that `index` lies in. If something was stored there, `index` and `last` become the
   * empty range that resulted, which is wider if its neighbours were empty.
   *
   * @returns the entry, 0 if nothing was stored
   * @throws MapleError `ENOMEM` with the tree unchanged. Locking: write lock held by the caller
   */
  erase(): number {
    if (this.core.root <= 0) return this.#eraseRoot();
    const entry = this.walk();
    if (entry === 0) return 0;
    this.#store(0);
    return entry;
  }

  /**
   * Finds the lowest `size` free indices in `[min, max]`; `index..last` becomes exactly that area.
   *
   * @returns 0, or `Errno.EINVAL` (min above max, size 0 or larger than the window, a tree without gaps), or
   * `Errno.EBUSY`. Locking: lock held by the caller, a read section is not enough
   */
  emptyArea(min: number, max: number, size: number): number {
    return this.#emptyArea("emptyArea", min, max, size, false);
  }

  /** As {@link emptyArea}, but the highest. */
  emptyAreaRev(min: number, max: number, size: number): number {
    return this.#emptyArea("emptyAreaRev", min, max, size, true);
  }

  #emptyArea(call: string, min: number, max: number, size: number, fromTop: boolean): number {
    const core = this.core;
    checkIndexOf(call, "min", min, core.maxIndex);
    checkIndexOf(call, "max", max, core.maxIndex);
    checkIndexOf(call, "size", size, core.maxIndex);
    if (min > max || size === 0 || max - min < size - 1 || !core.gaps) return Errno.EINVAL;
    const { root } = core;
    const fresh = this.status === "start";
    // Called again without reset, the search goes on behind the area it found.
    let low = min;
    let high = max;
    if (this.status === "active" && fromTop) high = Math.min(high, this.index - 1);
    else if (this.status === "active") low = Math.max(low, this.last + 1);
    const start = high - low < size - 1 ? -1 : searchGap(core, low, high, size, fromTop);
    this.placed = false;
    if (root <= 0) this.status = root === 0 ? "none" : "root";
    if (start < 0) {
      if (root > 0) {
        this.#refuse(min, max, fromTop && fresh && endsAtRoot(core, min, max, size));
      }
      return Errno.EBUSY;
    }
    this.index = start;
    this.last = start + size - 1;
    if (root > 0) this.status = "active";
    return 0;
  }

  /** No gap in `[min, max]`: an error, or for some searches from the top the root's first slot. */
  #refuse(min: number, max: number, atRoot: boolean): void {
    this.index = min;
    this.last = max;
    this.status = atRoot ? "active" : "error";
    this.error = atRoot ? 0 : Errno.EBUSY;
    this.span = atRoot ? { min: 0, max: this.core.maxIndex, slot: 0 } : undefined;
  }

  /** There is no node: only the entry at [0,0] can be erased, and the request stays as it is. */
  #eraseRoot(): number {
    const entry = this.index === 0 ? 0 - this.core.rootWord : 0;
    this.reset();
    this.#stand();
    if (entry === 0) return 0;
    this.last = 0;
    this.#store(0);
    return entry;
  }

  /** Takes on the status of a cursor that has walked to `index`, and keeps the request. */
  #stand(): void {
    const root = this.core.rootWord;
    if (root > 0) this.status = "active";
    else this.status = root === 0 ? "none" : "root";
  }

  #store(entry: number): number {
    const core = this.core;
    const { root } = core;
    this.span = undefined;
    try {
      const store = (): number => write(this.#writer, this.index, this.last, entry, this.#bulk);
      const old = this.#nodes.length === 0 ? store() : withNodes(core, this.#nodes, store);
      return this.#wrote(old, root, entry);
    } catch (error) {
      if (error instanceof MapleError && error.code === "ENOMEM") {
        this.status = "error";
        this.error = Errno.ENOMEM;
        this.placed = false;
        const type = plan(this.#writer, this.index, this.last, entry);
        this.#wanted = plannedNodes(this.#writer, type);
      }
      throw error;
    }
  }

  /** `root` is the root word before the write. */
  #wrote(old: number, root: number, entry: number): number {
    this.index = this.#writer.first;
    this.last = this.#writer.last;
    this.placed = false;
    this.error = 0;
    // Nothing stored where there is no node: the kernel leaves the status which the walk to it found.
    if (this.core.root > 0) this.status = "active";
    else if (root > 0 || entry !== 0) this.status = "start";
    else this.status = root === 0 ? "none" : "root";
    return old;
  }
}

/** The lowest node on the planned write's path whose slot holds all of the range, or else the last one looked at. */
function spanOf(w: WriteState): Position {
  const { left } = w;
  let level = 0;
  while (level < left.leafLevel && !spans(w, left.max[level + 1]!)) level++;
  return { min: left.min[level]!, max: left.max[level]!, slot: left.slot[level]! };
}

/** Does the requested range go beyond a slot which ends at `max`? */
function spans(w: WriteState, max: number): boolean {
  return w.requestedLast > max || (w.requestedLast === max && w.entry === 0 && max !== w.core.maxIndex);
}

/** @throws RangeError unless `entry` is 0, a handle, or one of those kept out of the root word */
export function checkEntry(what: string, entry: number): void {
  if (!Number.isInteger(entry) || entry < 0 || entry > MAX_NODE_ENTRY) {
    throw new RangeError(`${what} must be an integer in 0..${MAX_NODE_ENTRY}, got ${String(entry)}`);
  }
}
