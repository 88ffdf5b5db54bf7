/*
 * Where a cursor stands: its range, its status, and the leaf that it remembers. How it trusts that leaf is told
 * at the top of cursor.ts.
 */
import type { TreeCore } from "../core.ts";
import { checkIndex, checkRange } from "../errors.ts";
import * as L from "../layout.ts";
import { LIST_SHORTEST } from "../search/scan.ts";
import { newPlace, nextLeaf, type Place, stepTo, walkTo } from "../search/walk.ts";
import {
  type Descent,
  LIST_ENTRY as ENTRY,
  LIST_FIRST as FIRST,
  LIST_LAST as LAST,
  LIST_MOST,
} from "../wasm/descent.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const { PIVOTS_F64, SLOTS, VERSION } = L;
const [LIST_FIRST, LIST_LAST, LIST_ENTRY] = [FIRST, LAST, ENTRY] as const;

/** A slot of a node, and the range of that node. */
export interface Position {
  readonly min: number;
  readonly max: number;
  readonly slot: number;
}

/** Where a cursor stands; see the table at the top of cursor.ts. */
export type CursorStatus =
  | "start"
  | "active"
  | "root"
  | "none"
  | "pause"
  | "overflow"
  | "underflow"
  | "error";
/** Place of a cursor, and single steps from range to range. Package-internal: the base of `MapleCursor`. */
export class CursorPlace {
  #index = 0;
  #last = 0;
  #status: CursorStatus = "start";
  /**
   * The tree's version if {@link quickNext} may go on from here, -1 if not: then the cursor is active, on all of the
   * range that `place` tells of a tree which nobody else can write to. Every change of the request clears it.
   */
  #quick = -1;
  /**
   * In a tree that others write to: is the cursor on a range that {@link quickNext} may go on from, along a list of
   * the ranges behind it? The list is of one moment, of which `version` is the version; it is used as long as that has
   * not changed, and `#listAt` is the next of its `#listCount` ranges. Without WebAssembly there is none.
   */
  #listed = false;
  #listAt = 0;
  #listCount = 0;
  /** How many the next list is to have. */
  #listMost = LIST_SHORTEST;
  /** Errno of status `error`, 0 otherwise. */
  error = 0;
  protected readonly core: TreeCore;
  protected readonly place: Place = newPlace();
  /** Version of the tree when `place` was found. */
  protected version = 0;
  /** Does `place` tell the range that `index` lies in, as of `version`? */
  protected placed = false;
  /** Has the request been narrowed since? Steps then leave from the range that `place` tells. */
  protected within = false;
  /** Where `reserve()` stopped: the lowest node that holds all of a range which leaves its leaf. */
  protected span: Position | undefined = undefined;

  /** First index of the request, or of the result. */
  get index(): number {
    return this.#index;
  }

  set index(index: number) {
    this.#unquick();
    this.#index = index;
  }

  /** Last index of the request, or of the result; inclusive. */
  get last(): number {
    return this.#last;
  }

  set last(last: number) {
    this.#unquick();
    this.#last = last;
  }

  /** Where the cursor stands. */
  get status(): CursorStatus {
    return this.#status;
  }

  set status(status: CursorStatus) {
    this.#unquick();
    this.#status = status;
  }

  constructor(core: TreeCore, index: number, last: number) {
    checkRange("cursor", index, last, core.maxIndex);
    this.core = core;
    this.index = index;
    this.last = last;
  }

  /** Goes to `index`, not walked. @param last - end of the range of a store to come; default `index` */
  set(index: number, last: number = index): void {
    checkRange("set", index, last, this.core.maxIndex);
    this.index = index;
    this.last = last;
    this.reset();
  }

  /** Forgets the place: the next step walks from the root to `index`. */
  reset(): void {
    this.status = "start";
    this.error = 0;
    this.placed = false;
    this.span = undefined;
  }

  /** Lets go of the place so that find goes on behind it later, whatever happens to the tree meanwhile. */
  pause(): void {
    this.status = "pause";
    this.placed = false;
  }

  /** Narrows the request to a part of the range the cursor stands on, and stays there. Source: __mas_set_range(). */
  setWithin(first: number, last: number): void {
    checkRange("setWithin", first, last, this.core.maxIndex);
    // Steps will leave from the whole range, which a list does not tell `place`.
    if (this.#listed) this.walk();
    this.index = first;
    this.last = last;
    this.within = true;
  }

  /** Walks to `index`; `index` and `last` become the range it lies in, also if nothing is stored there. */
  walk(): number {
    return this.reading(() => this.walkFrom());
  }

  /** The leaf range and slot of `index`, for those who compare layouts; `undefined` if there is no node. */
  position(): Position | undefined {
    if (this.span !== undefined) return this.span;
    const place = newPlace();
    checkIndex("position: index", this.index, this.core.maxIndex);
    walkTo(this.core, this.index, place);
    return place.leaf === 0 ? undefined : { min: place.leafMin, max: place.leafMax, slot: place.slot };
  }

  // A property of its own, since the compiler would not believe that a walk can change the status.
  protected get isNone(): boolean {
    return this.status === "none";
  }

  protected reading(step: () => number): number {
    const core = this.core;
    core.readBegin();
    try {
      return step();
    } finally {
      core.readEnd();
    }
  }

  /** Walks to `at` and takes on the range and status found there. */
  protected walkFrom(at: number = this.index): number {
    const core = this.core;
    const place = this.place;
    // Whoever sets `index` may set it to anything.
    checkIndex("cursor: index", at, core.maxIndex);
    this.#unquick();
    this.version = core.version;
    walkTo(core, at, place);
    this.placed = place.leaf !== 0 && (this.version & 1) === 0;
    this.within = false;
    this.span = undefined;
    this.error = 0;
    if (place.leaf !== 0) this.status = "active";
    else this.status = place.entry === 0 ? "none" : "root";
    this.index = place.first;
    this.last = place.last;
    return place.entry;
  }

  /** One range on, from the range [index,last]. There is one. */
  protected step(direction: 1 | -1): number {
    const core = this.core;
    const place = this.place;
    this.#unquick();
    const fresh = this.placed && this.version === core.version;
    const narrowed = fresh && this.within && place.first <= this.index && place.last >= this.last;
    if (narrowed) {
      this.index = place.first;
      this.last = place.last;
    }
    const at = direction === 1 ? this.last + 1 : this.index - 1;
    if (!fresh || place.first !== this.index || place.last !== this.last) this.walkFrom(at);
    else stepTo(core, place, direction);
    this.within = false;
    // After a write (stepTo, too, walks if the leaf has just died) the range found may begin before the place
    // left: no index is visited twice. A cursor whose range is not its place's walks again at the next step.
    this.index = direction === 1 ? Math.max(place.first, at) : place.first;
    this.last = direction === 1 ? place.last : Math.min(place.last, at);
    return place.entry;
  }

  /** Lets the next {@link quickNext} go on from here if it can. */
  protected arm(): void {
    const { core, place } = this;
    if (
      core.concurrent &&
      this.#status === "active" &&
      core.descent !== undefined &&
      core.descent.list !== 0
    ) {
      this.#listed = true;
      this.#listAt = this.#listCount = 0;
      this.#listMost = LIST_SHORTEST;
    }
    const stands = this.placed && !this.within && this.#status === "active" && !core.concurrent;
    if (stands && place.first === this.#index && place.last === this.#last) this.#quick = this.version;
  }

  /**
   * The next stored range where that is simple: see `#quick`; and it must begin by `max`. Loops over a tree spend
   * their time here, so it loads no more than it must.
   *
   * @returns its entry; 0 if it is not simple, with nothing changed but the leaf that `place` names
   */
  protected quickNext(max: number): number {
    const { core, place } = this;
    const i32 = core.arena.i32;
    if (this.#quick !== i32[core.header + VERSION]!) return this.#listed ? this.#nextOfList(max) : 0;
    const f64 = core.arena.f64;
    let slot = place.slot + 1;
    if (slot > place.end) {
      if (!this.#nextLeaf()) return 0;
      slot = 0;
    }
    const { leaf } = place;
    let pivot = (leaf >> 1) + PIVOTS_F64 + slot;
    let first = this.#last + 1;
    let entry = i32[leaf + SLOTS + slot]!;
    if (entry === 0) {
      // No empty range follows an empty one, and only the last leaf ends with one.
      if (slot === place.end) return 0;
      first = f64[pivot]! + 1;
      slot++;
      pivot++;
      entry = i32[leaf + SLOTS + slot]!;
    }
    if (first > max) return 0;
    place.slot = slot;
    this.#index = first;
    this.#last = f64[pivot]!;
    return entry;
  }

  /** {@link quickNext} among writers: see `#listed`. */
  #nextOfList(max: number): number {
    const { core } = this;
    const descent = core.descent!;
    const current = descent.listOwner === this && this.version === descent.load(core.versionAddress);
    if ((!current || this.#listAt === this.#listCount) && !this.#fillList(descent)) return 0;
    const at = this.#listAt;
    const list = descent.list >> 1;
    const { f64 } = core.arena;
    // The first range may begin before the one left if a write has moved the border: no index is visited twice.
    const first = Math.max(f64[list + LIST_FIRST + at]!, this.#last + 1);
    if (first > max) return 0;
    this.#index = first;
    this.#last = f64[list + LIST_LAST + at]!;
    this.#listAt = at + 1;
    return core.arena.i32[descent.list + LIST_ENTRY + at]!;
  }

  /** Lists the ranges from behind this one to the end of some leaf. @returns whether there are any, in a tree at rest */
  #fillList(descent: Descent): boolean {
    const { core } = this;
    this.version = descent.load(core.versionAddress);
    this.#listAt = 0;
    this.#listCount = 0;
    if (this.#last === core.maxIndex || (this.version & 1) !== 0) return false;
    descent.listOwner = this;
    core.readBegin();
    const { rootAddress, maxIndex } = core;
    const list = descent.list * 4;
    const count = descent.rangesFrom(rootAddress, this.#last + 1, list, maxIndex, this.#listMost, maxIndex);
    core.readEnd();
    this.#listMost = Math.min(2 * this.#listMost, LIST_MOST);
    this.#listCount = Math.max(count, 0);
    return count > 0;
  }

  /** Takes `place` from the last slot of its leaf to before the first slot of the next one, if it knows that. */
  #nextLeaf(): boolean {
    this.#unquick();
    if (!nextLeaf(this.core, this.place)) return false;
    this.#quick = this.version;
    return true;
  }

  /** Ends quick steps, which leave the range of `place` as it was. */
  #unquick(): void {
    if (this.#listed) {
      // The list has gone on without `place`.
      this.#listed = false;
      this.placed = false;
    }
    if (this.#quick < 0) return;
    this.#quick = -1;
    this.place.first = this.#index;
    this.place.last = this.#last;
  }

  /** mas_next_slot(): from [index,last] to the next entry, or range if `empty`, not going beyond `max`. */
  protected forward(max: number, empty: boolean): number {
    for (;;) {
      if (this.last >= max) {
        this.status = "overflow";
        return 0;
      }
      const entry = this.step(1);
      if (entry !== 0 || empty) return entry;
    }
  }

  /** mas_prev_slot(): the mirror image. */
  protected backward(min: number, empty: boolean): number {
    for (;;) {
      if (this.index <= min) {
        this.status = "underflow";
        return 0;
      }
      const entry = this.step(-1);
      if (entry !== 0 || empty) return entry;
    }
  }
}
