/** A tree's contents as plain data: what `toJSON()` gives and `fromJSON()` takes. */
export interface TreeJSON<V> {
  /** Does the tree keep gaps? */
  readonly gaps: boolean;
  /** The stored ranges, ascending: first and last index, both inclusive, and the value. */
  readonly ranges: readonly (readonly [first: number, last: number, value: V])[];
}
