import type { CyclicAllocation, CyclicRequest } from "../search/allocate.ts";
import type { ValueTable } from "../values/value-table.ts";
import type { Reservation } from "../write/reservation.ts";
import type { MapleCursor } from "./cursor.ts";
import type { CursorStatus } from "./place.ts";

/**
 * A cursor of a `MapleTree`: that of `SharedMapleTree`, with values for handles and `undefined` for none. Each
 * method does what the method of the same name of {@link MapleCursor} says; no lock is needed.
 */
export class LocalCursor<V> {
  readonly #cursor: MapleCursor;
  readonly #table: ValueTable<V>;

  /** Package-internal: use `tree.cursor()`. */
  constructor(cursor: MapleCursor, table: ValueTable<V>) {
    this.#cursor = cursor;
    this.#table = table;
  }

  /** First index of the request, or of the result. */
  get index(): number {
    return this.#cursor.index;
  }

  /** Last index of the request, or of the result; inclusive. */
  get last(): number {
    return this.#cursor.last;
  }

  /** Where the cursor stands. */
  get status(): CursorStatus {
    return this.#cursor.status;
  }

  /** Goes to `index`, not walked; `last` is the end of a store to come. */
  set(index: number, last?: number): void {
    this.#cursor.set(index, last);
  }

  /** Forgets the place. */
  reset(): void {
    this.#cursor.reset();
  }

  /** Lets go of the place; find goes on behind it. */
  pause(): void {
    this.#cursor.pause();
  }

  /** The value at `index`; `index` and `last` become its range. */
  walk(): V | undefined {
    return this.#value(this.#cursor.walk());
  }

  /** The next value. */
  next(max?: number): V | undefined {
    return this.#value(this.#cursor.next(max));
  }

  /** The next range, stored or empty. */
  nextRange(max?: number): V | undefined {
    return this.#value(this.#cursor.nextRange(max));
  }

  /** The value before. */
  prev(min?: number): V | undefined {
    return this.#value(this.#cursor.prev(min));
  }

  /** The range before, stored or empty. */
  prevRange(min?: number): V | undefined {
    return this.#value(this.#cursor.prevRange(min));
  }

  /** The value at or behind `index`, then the ones behind. */
  find(max?: number): V | undefined {
    return this.#value(this.#cursor.find(max));
  }

  /** As {@link find}, stopping on empty ranges too. */
  findRange(max?: number): V | undefined {
    return this.#value(this.#cursor.findRange(max));
  }

  /** The value at or before `index`, then the ones before. */
  findRev(min?: number): V | undefined {
    return this.#value(this.#cursor.findRev(min));
  }

  /** As {@link findRev}, stopping on empty ranges too. */
  findRangeRev(min?: number): V | undefined {
    return this.#value(this.#cursor.findRangeRev(min));
  }

  /** Stores `value` over `[index, last]`. @returns the value that was at `index` */
  store(value: V | undefined): V | undefined {
    const handle = value === undefined ? 0 : this.#table.add(value);
    try {
      return this.#value(this.#cursor.store(handle));
    } catch (error) {
      if (handle !== 0) this.#table.drop(handle);
      throw error;
    }
  }

  /**
   * Takes the nodes that a store of `value` over `[index, last]` can need, so that it cannot fail later. Nothing
   * may be written to the tree before the commit. @throws MapleError `ENOMEM`, with the cursor reset
   */
  reserve(value: V | undefined): Reservation {
    const handle = value === undefined ? 0 : this.#table.add(value);
    try {
      return this.#cursor.reserve(handle);
    } catch (error) {
      if (handle !== 0) this.#table.drop(handle);
      throw error;
    }
  }

  /** Erases the whole range that `index` lies in. @returns the value that was there */
  erase(): V | undefined {
    return this.#value(this.#cursor.erase());
  }

  /** Stores `value` at the first free index from `next` on, or failing that from `min`. @throws MapleError */
  allocateCyclic(value: V, request: CyclicRequest): CyclicAllocation {
    const handle = this.#table.add(value);
    try {
      return this.#cursor.allocateCyclic(handle, request);
    } catch (error) {
      this.#table.drop(handle);
      throw error;
    }
  }

  /** Finds the lowest free area. @returns 0 or an `Errno` */
  emptyArea(min: number, max: number, size: number): number {
    return this.#cursor.emptyArea(min, max, size);
  }

  /** Finds the highest free area. @returns 0 or an `Errno` */
  emptyAreaRev(min: number, max: number, size: number): number {
    return this.#cursor.emptyAreaRev(min, max, size);
  }

  #value(handle: number): V | undefined {
    return this.#table.value(handle);
  }
}
