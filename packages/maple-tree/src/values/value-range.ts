/** Indices `first..last`, both inclusive, and the value stored over them; `undefined` for an empty range. */
export interface ValueRange<V> {
  readonly first: number;
  readonly last: number;
  readonly value: V | undefined;
}

/** A range with something stored. */
export interface StoredRange<V> extends ValueRange<V> {
  readonly value: V;
}
