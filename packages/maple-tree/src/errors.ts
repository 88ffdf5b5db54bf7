/**
 * Why a tree refused.
 *
 * - `EINVAL`: a range that ends before it starts, a gap that cannot fit its window, gaps asked of a plain tree
 * - `EEXIST`: insert over a range where something is stored
 * - `EBUSY`: no gap of that size
 * - `ENOMEM`: the arena has no room for the new nodes
 * - `EPERM`: in debug mode, a write without the tree's lock
 */
export type MapleErrorCode = "EINVAL" | "EEXIST" | "EBUSY" | "ENOMEM" | "EPERM";

/** A refusal of a tree, after which the tree is as it was before the call. */
export class MapleError extends Error {
  override readonly name: string = "MapleError";
  /** Which kind of refusal. */
  readonly code: MapleErrorCode;

  /**
   * @param code - which kind of refusal
   * @param message - what was refused, with the values
   */
  constructor(code: MapleErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** No value above `max`, the largest index, passes: neither does Infinity. */
function isIndex(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

/** @throws RangeError naming the argument unless `value` is an index of a domain that ends at `max` */
export function checkIndex(what: string, value: number, max: number): void {
  if (!isIndex(value, max)) {
    throw new RangeError(`${what} must be an integer in 0..${max}, got ${String(value)}`);
  }
}

/** {@link checkIndex} for calls of several names, whose message is put together only if it is needed. */
export function checkIndexOf(call: string, argument: string, value: number, max: number): void {
  if (!isIndex(value, max)) checkIndex(`${call}: ${argument}`, value, max);
}

/** @throws RangeError for a value which is no index up to `max`, MapleError `EINVAL` if `last < first` */
export function checkRange(call: string, first: number, last: number, max: number): void {
  checkIndexOf(call, "first", first, max);
  checkIndexOf(call, "last", last, max);
  if (last < first) throw new MapleError("EINVAL", `${call}: last ${last} is below first ${first}`);
}
