/*
 * Where a local tree keeps its values: the tree's words hold small integers, the table maps them to values.
 *
 * A store can cut ranges, drop some and leave two halves of others, so nobody knows cheaply when the last
 * range with a value has gone. Counting would cost every store a visit to each range it overwrites, and the
 * point of a tree is that those need not be touched. Instead free handles are found when the table is full, by
 * marking the handles in all leaves. If more than half are in use then, the table may grow to twice their
 * number before the next search. So between two searches at least as many values are stored as a search finds
 * in use, and the cost per store is constant.
 *
 * Integers from 0 on need no table: the entries above ZERO_ENTRY stand for themselves. That takes 8 bytes less for
 * each value, and a look-up one cache miss less.
 *
 * Until the next search a value that has been overwritten stays reachable: see `sweep()`.
 */
import type { TreeCore } from "../core.ts";
import { MAX_ENTRY, MAX_NODE_ENTRY, ZERO_ENTRY } from "../geometry.ts";
import * as L from "../layout.ts";
import { endOf } from "../search/path.ts";

const FIRST_LIMIT = 64;
// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const RESERVED: number = ZERO_ENTRY;
/** Entry of the integer 0. */
const INTEGERS: number = ZERO_ENTRY + 1;
const INTEGER_MAX = MAX_NODE_ENTRY - INTEGERS;

/** The entry of a value that needs no table, 0 if it needs one. */
function entryOf(value: unknown): number {
  if (typeof value !== "number") return value === ZERO ? ZERO_ENTRY : 0;
  if (!(value >= 0 && value <= INTEGER_MAX) || (value | 0) !== value) return 0;
  return value === 0 && Object.is(value, -0) ? 0 : INTEGERS + value;
}

/**
 * The value that reserves a range of a `MapleTree` without storing anything there: nothing can be inserted or
 * allocated in it, `get`, `has` and `find` say that nothing is stored, and cursors and iterators return it. To use
 * it, say so in the type: `MapleTree<string | typeof ZERO>`.
 */
export const ZERO: unique symbol = Symbol("maple tree: reserved but empty");

/** Values by handle. Package-internal. */
export class ValueTable<V> {
  /** Index 0 is the handle that means nothing. */
  readonly #values: (V | undefined)[] = [undefined];
  readonly #free: number[] = [];
  readonly #core: TreeCore;
  #limit = FIRST_LIMIT;
  /** Searches for free handles so far. */
  sweeps = 0;

  constructor(core: TreeCore) {
    this.#core = core;
  }

  /** A handle for `value`, which must be stored in the tree before the next call. */
  add(value: V): number {
    const entry = entryOf(value);
    if (entry !== 0) return entry;
    if (this.#free.length === 0 && this.#values.length > this.#limit) {
      const used = this.sweep();
      this.#limit = Math.max(FIRST_LIMIT, 2 * used);
    }
    const handle = this.#free.pop() ?? this.#values.length;
    if (handle > MAX_ENTRY) throw new RangeError(`a tree holds at most ${MAX_ENTRY} values`);
    this.#values[handle] = value;
    return handle;
  }

  /** A handle for `value`, which may be stored later; for tables that have handed out none yet to be swept. */
  append(value: V): number {
    const entry = entryOf(value);
    if (entry !== 0) return entry;
    const handle = this.#values.length;
    if (handle > MAX_ENTRY) throw new RangeError(`a tree holds at most ${MAX_ENTRY} values`);
    this.#values.push(value);
    this.#limit = Math.max(this.#limit, 2 * handle);
    return handle;
  }

  /** The value of a handle, {@link ZERO} included. */
  value(handle: number): V | undefined {
    if (handle < RESERVED) return this.#values[handle];
    return (handle === RESERVED ? ZERO : handle - INTEGERS) as V;
  }

  /** The value of a handle; `undefined` for {@link ZERO}. */
  visible(handle: number): V | undefined {
    if (handle < RESERVED) return this.#values[handle];
    return handle === RESERVED ? undefined : ((handle - INTEGERS) as V);
  }

  /** Takes over all handles and values of another table. */
  copyFrom(other: ValueTable<V>): void {
    this.#values.length = 0;
    for (const value of other.#values) this.#values.push(value);
    this.#free.push(...other.#free);
    this.#limit = other.#limit;
  }

  /** Takes back a handle whose store was refused. */
  drop(handle: number): void {
    if (handle >= ZERO_ENTRY) return;
    this.#values[handle] = undefined;
    this.#free.push(handle);
  }

  /** Frees every handle that no leaf holds. @returns how many are in use. Cost: O(nodes + handles) */
  sweep(): number {
    this.sweeps++;
    const used = new Uint8Array(this.#values.length);
    const root = this.#core.rootWord;
    if (root > 0) mark(this.#core, root, used);
    else used[-root] = 1;
    this.#free.length = 0;
    // From the top, so that low handles are given out first.
    for (let handle = this.#values.length - 1; handle > 0; handle--) {
      if (used[handle] === 1) continue;
      this.#values[handle] = undefined;
      this.#free.push(handle);
    }
    return this.#values.length - 1 - this.#free.length;
  }
}

function mark(core: TreeCore, handle: number, used: Uint8Array): void {
  const { i32 } = core;
  const slots = (handle & L.NODE_MASK) + L.SLOTS;
  const end = endOf(i32, handle & L.NODE_MASK);
  const leaf = (handle & L.TAG_MASK) === L.NodeType.Leaf;
  for (let slot = 0; slot <= end; slot++) {
    if (leaf) used[i32[slots + slot]!] = 1;
    else mark(core, i32[slots + slot]!, used);
  }
}
