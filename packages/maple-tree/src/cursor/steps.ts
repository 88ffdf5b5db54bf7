/*
 * A cursor's walks over entries and over ranges: what each status makes of each step. The table of statuses is
 * at the top of cursor.ts.
 *
 * Source: Linux lib/maple_tree.c, mas_next_setup(), mas_prev_setup(), mas_find_setup(), mas_find_rev_setup().
 */

import { checkIndex } from "../errors.ts";
import { MAX_INDEX } from "../geometry.ts";
import { CursorPlace } from "./place.ts";

// A limit that no range of either domain begins behind; a constant of this module, which V8 folds: see layout.ts.
const MAX: number = MAX_INDEX;

/** Steps forwards and backwards. Package-internal: the base of `MapleCursor`. */
export class CursorSteps extends CursorPlace {
  /** The entry behind this one, as long as `last` is below `max`; 0 and status overflow if there is none. */
  next(max?: number): number {
    if (max !== undefined) checkIndex("next: max", max, this.core.maxIndex);
    return this.quickNext(max ?? MAX) || this.#slowNext(max ?? this.core.maxIndex);
  }

  /** As {@link next}, but stops on empty ranges too. */
  nextRange(max: number = this.core.maxIndex): number {
    checkIndex("nextRange: max", max, this.core.maxIndex);
    return this.reading(() => this.#next(max, true));
  }

  /** The entry before this one, as long as `index` is above `min`; 0 and status underflow if there is none. */
  prev(min = 0): number {
    checkIndex("prev: min", min, this.core.maxIndex);
    return this.reading(() => this.#prev(min, false));
  }

  /** As {@link prev}, but stops on empty ranges too. */
  prevRange(min = 0): number {
    checkIndex("prevRange: min", min, this.core.maxIndex);
    return this.reading(() => this.#prev(min, true));
  }

  /** First call: the entry at or behind `index`. Later calls: the one behind the last result. Up to `max`. */
  find(max?: number): number {
    if (max !== undefined) checkIndex("find: max", max, this.core.maxIndex);
    return this.quickNext(max ?? MAX) || this.#slowFind(max ?? this.core.maxIndex);
  }

  // Closures stay out of the two methods above: with one in them, each call would make a context for it.
  #slowNext(max: number): number {
    const entry = this.reading(() => this.#next(max, false));
    this.arm();
    return entry;
  }

  #slowFind(max: number): number {
    const found = this.reading(() => {
      const early = this.#findSetup(max);
      if (early !== undefined) return early;
      const entry = this.forward(max, false);
      // As in the kernel: find never leaves the cursor in overflow.
      this.status = "active";
      return entry;
    });
    this.arm();
    return found;
  }

  /** As {@link find}, but stops on empty ranges too. */
  findRange(max: number = this.core.maxIndex): number {
    checkIndex("findRange: max", max, this.core.maxIndex);
    return this.reading(() => this.#findSetup(max) ?? this.forward(max, true));
  }

  /** First call: the entry at or before `index`. Later calls: the one before the last result. Down to `min`. */
  findRev(min = 0): number {
    checkIndex("findRev: min", min, this.core.maxIndex);
    return this.reading(() => this.#findRevSetup(min) ?? this.backward(min, false));
  }

  /** As {@link findRev}, but stops on empty ranges too. */
  findRangeRev(min = 0): number {
    checkIndex("findRangeRev: min", min, this.core.maxIndex);
    return this.reading(() => this.#findRevSetup(min) ?? this.backward(min, true));
  }

  #next(max: number, empty: boolean): number {
    const wasNone = this.status === "none";
    if (this.status === "error") return 0;
    if (this.last >= max) {
      this.status = "overflow";
      return 0;
    }
    switch (this.status) {
      case "none":
      case "pause":
      case "start":
        this.walkFrom();
        break;
      case "overflow":
        this.status = "active";
        break;
      case "underflow": {
        // It went below the entry it stands on, so that entry comes next.
        const entry = this.walkFrom();
        if (entry !== 0) return entry;
        break;
      }
    }
    if (this.status === "root") {
      this.index = wasNone ? 0 : 1;
      this.last = wasNone ? 0 : this.core.maxIndex;
      if (!wasNone) this.status = "none";
      return 0;
    }
    if (this.status === "none") return 0;
    return this.forward(max, empty);
  }

  #prev(min: number, empty: boolean): number {
    if (this.status === "error") return 0;
    if (this.index <= min) {
      this.status = "underflow";
      return 0;
    }
    switch (this.status) {
      case "none":
      case "pause":
      case "start":
        this.walkFrom();
        break;
      case "underflow":
        this.status = "active";
        break;
      case "overflow": {
        // It went beyond the entry it stands on, so that entry comes first.
        const entry = this.walkFrom();
        if (entry !== 0) return entry;
        break;
      }
    }
    if (this.status === "root") {
      this.status = "none";
      return 0;
    }
    if (this.status === "none") return this.#toRootEntry();
    return this.backward(min, empty);
  }

  /** There is no node, and the place is not on the entry in the root word: that entry is what comes before. */
  #toRootEntry(): number {
    if (this.index === 0) return 0;
    this.index = 0;
    this.last = 0;
    this.status = "root";
    return 0 - this.core.rootWord;
  }

  /** Decides where a find begins; the result if it is already known. */
  #findSetup(max: number): number | undefined {
    switch (this.status) {
      case "active":
        return this.last < max ? undefined : 0;
      case "pause":
        if (this.last >= max) return 0;
        this.index = ++this.last;
        this.status = "start";
        break;
      case "none":
        if (this.last >= max) return 0;
        this.index = this.last;
        this.status = "start";
        break;
      case "underflow": {
        if (this.index >= max) {
          this.status = "overflow";
          return 0;
        }
        const entry = this.walkFrom();
        if (entry !== 0) return entry;
        break;
      }
      case "overflow": {
        if (this.last >= max) return 0;
        const entry = this.walkFrom();
        if (entry !== 0) return entry;
        break;
      }
      case "error":
        return 0;
    }
    if (this.status === "start") {
      if (this.index > max) return 0;
      const entry = this.walkFrom();
      if (entry !== 0) return entry;
    }
    if (this.status === "root") {
      this.status = "none";
      this.index = 1;
      this.last = this.core.maxIndex;
      return 0;
    }
    if (this.isNone || this.index === max) return 0;
    return undefined;
  }

  /** Decides where a find downwards begins; the result if it is already known. */
  #findRevSetup(min: number): number | undefined {
    switch (this.status) {
      case "active":
        return this.index < min ? 0 : undefined;
      case "pause":
        if (this.index <= min) {
          this.status = "underflow";
          return 0;
        }
        this.last = --this.index;
        this.status = "start";
        break;
      case "none":
        if (this.index <= min) return 0;
        this.last = this.index;
        this.status = "start";
        break;
      case "overflow":
      case "underflow": {
        if (this.index <= min) {
          this.status = "underflow";
          return 0;
        }
        // Unlike find, it does not come back to the entry that it stands on.
        this.status = "active";
        return undefined;
      }
      case "error":
        return 0;
    }
    if (this.status === "start") {
      if (this.index < min) return 0;
      const entry = this.walkFrom();
      if (entry !== 0) return entry;
    }
    if (this.status === "root") {
      this.status = "none";
      return 0;
    }
    if (this.isNone) {
      this.index = 0;
      this.last = 0;
      this.status = "root";
      return 0 - this.core.rootWord;
    }
    return this.index < min ? 0 : undefined;
  }
}
