/*
 * The realm's own constructors and Atomics, taken before anything is replaced: the checker works with these.
 */
import type { ElementName, Value } from "./op.ts";

/** A typed array as the checker uses it, whatever its element type. */
export interface AnyView {
  [index: number]: Value;
  readonly length: number;
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly BYTES_PER_ELEMENT: number;
}

/** Constructor of a typed array. */
export interface ViewConstructor {
  new (...args: unknown[]): AnyView;
  readonly BYTES_PER_ELEMENT: number;
}

/** The shape of Atomics over {@link AnyView}. */
export interface AnyAtomics {
  load(view: AnyView, index: number): Value;
  store(view: AnyView, index: number, value: Value): Value;
  add(view: AnyView, index: number, value: Value): Value;
  sub(view: AnyView, index: number, value: Value): Value;
  and(view: AnyView, index: number, value: Value): Value;
  or(view: AnyView, index: number, value: Value): Value;
  xor(view: AnyView, index: number, value: Value): Value;
  exchange(view: AnyView, index: number, value: Value): Value;
  compareExchange(view: AnyView, index: number, expected: Value, replacement: Value): Value;
  wait(view: AnyView, index: number, value: Value, timeout?: number): string;
  waitAsync?(view: AnyView, index: number, value: Value, timeout?: number): unknown;
  notify(view: AnyView, index: number, count?: number): number;
  isLockFree(size: number): boolean;
  pause?(): void;
}

/** The realm's Atomics. */
export const nativeAtomics: AnyAtomics = Atomics as unknown as AnyAtomics;
/** The realm's SharedArrayBuffer. */
export const NativeSharedArrayBuffer: SharedArrayBufferConstructor = SharedArrayBuffer;

/** The realm's typed-array constructors by element name. */
export const VIEWS: Readonly<Record<ElementName, ViewConstructor>> = {
  Int8: Int8Array,
  Uint8: Uint8Array,
  Uint8Clamped: Uint8ClampedArray,
  Int16: Int16Array,
  Uint16: Uint16Array,
  Int32: Int32Array,
  Uint32: Uint32Array,
  Float32: Float32Array,
  Float64: Float64Array,
  BigInt64: BigInt64Array,
  BigUint64: BigUint64Array,
} as unknown as Record<ElementName, ViewConstructor>;

/** Element names, in the order of {@link VIEWS}. */
export const ELEMENTS: readonly ElementName[] = Object.keys(VIEWS) as ElementName[];

const BY_TAG: ReadonlyMap<string, ElementName> = new Map(ELEMENTS.map((name) => [`${name}Array`, name]));

/** Element name of a view, such as `"Int32"`; what is no view is refused as Atomics would. */
export function elementOf(view: AnyView): ElementName {
  const name = BY_TAG.get((view as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag]);
  if (name === undefined) throw new TypeError("[object Object] is not a typed array");
  return name;
}

/** One element of each type. */
const scratch: Record<ElementName, AnyView> = Object.fromEntries(
  ELEMENTS.map((name) => [name, new VIEWS[name](1)]),
) as Record<ElementName, AnyView>;

/** The value that an element of the type has after `value` was stored in it. */
export function coerce(type: ElementName, value: unknown): Value {
  const cell = scratch[type];
  cell[0] = value as Value;
  return cell[0] as Value;
}
