/*
 * Typed arrays and DataView as the code under test sees them. A view on a buffer that `setup` made is a proxy:
 * its elements are plain shared accesses. Views on anything else are the real ones, at full speed.
 */
import { bufferOf, FACTS, type Facts, factsOfView, type Host, host, isShared, perform } from "./host.ts";
import { type AnyView, coerce, elementOf, VIEWS, type ViewConstructor } from "./natives.ts";
import type { ElementName, Value } from "./op.ts";

/** A plain access. 64-bit ones are two halves: ECMAScript lets them tear. */
function plain(facts: Facts, index: number, value: Value | undefined): Value {
  const { view, type, size } = facts;
  const running = host;
  const buffer = running === undefined ? -1 : bufferOf(facts, running);
  if (running === undefined || buffer < 0) {
    if (value === undefined) return view[index] as Value;
    view[index] = value;
    return value;
  }
  const offset = facts.start + index * size;
  if (size === 8) return torn(running, type, buffer, offset, value);
  if (value === undefined) return perform(running, "read", type, buffer, offset, size, 0, 0, 0) as Value;
  perform(running, "write", type, buffer, offset, size, coerce(type, value), 0, 0);
  return value;
}

const halves: Uint32Array = new Uint32Array(2);

function torn(
  running: Host,
  type: ElementName,
  buffer: number,
  offset: number,
  value: Value | undefined,
): Value {
  const whole = new VIEWS[type](halves.buffer);
  const half = (kind: "read" | "write", at: number, stored: number): number =>
    perform(running, kind, "Uint32", buffer, at, 4, stored, 0, 0) as number;
  if (value === undefined) {
    const low = half("read", offset, 0);
    const high = half("read", offset + 4, 0);
    halves[0] = low;
    halves[1] = high;
    return whole[0] as Value;
  }
  whole[0] = value;
  const low = halves[0]!;
  const high = halves[1]!;
  half("write", offset, low);
  half("write", offset + 4, high);
  return value;
}

/** Methods whose Array counterpart works element by element through the proxy. */
const GENERIC: ReadonlySet<string> = new Set([
  ..."at entries every fill find findIndex findLast findLastIndex forEach includes indexOf join keys".split(
    " ",
  ),
  ..."lastIndexOf reduce reduceRight reverse some sort values copyWithin".split(" "),
]);
/** Methods that return a private typed array. */
const COPYING: ReadonlySet<string> = new Set("slice map filter toReversed toSorted with".split(" "));

type Method = (this: unknown, ...args: unknown[]) => unknown;
const arrayMethods = Array.prototype as unknown as Record<PropertyKey, Method>;

function methodOf(view: AnyView, proxy: AnyView, name: PropertyKey): unknown {
  if (name === Symbol.iterator) return arrayMethods["values"]!.bind(proxy);
  if (typeof name === "string" && GENERIC.has(name)) return arrayMethods[name]!.bind(proxy);
  const Real = VIEWS[elementOf(view)];
  if (typeof name === "string" && COPYING.has(name)) {
    return (...args: unknown[]) => new Real(arrayMethods[name]!.apply(proxy, args));
  }
  if (name === "subarray") {
    return (...args: unknown[]) =>
      wrap((view as unknown as Record<string, Method>)["subarray"]!.apply(view, args) as AnyView);
  }
  if (name === "set") {
    return (source: ArrayLike<Value>, at = 0) => {
      const values = Array.from(source);
      if (at < 0 || at + values.length > view.length) throw new RangeError("offset is out of bounds");
      values.forEach((value, i) => {
        proxy[at + i] = value;
      });
    };
  }
  const value = Reflect.get(view, name, view) as unknown;
  return typeof value === "function" && name !== "constructor" ? (value as Method).bind(view) : value;
}

/** The element index that a property name stands for, `-1` if it is none. */
function indexOf(name: string | symbol): number {
  if (typeof name !== "string") return -1;
  const first = name.charCodeAt(0);
  return first >= 48 && first <= 57 ? Number(name) : -1;
}

class Handler implements ProxyHandler<AnyView> {
  readonly #facts: Facts;

  constructor(view: AnyView) {
    this.#facts = factsOfView(view);
  }

  get(view: AnyView, name: string | symbol, proxy: unknown): unknown {
    if (name === FACTS) return this.#facts;
    const index = indexOf(name);
    if (index < 0) return methodOf(view, proxy as AnyView, name);
    return index < view.length ? plain(this.#facts, index, undefined) : undefined;
  }

  set(view: AnyView, name: string | symbol, value: unknown): boolean {
    const index = indexOf(name);
    if (index < 0) return Reflect.set(view, name, value, view);
    if (index < view.length) plain(this.#facts, index, value as Value);
    return true;
  }
}

function wrap(view: AnyView): AnyView {
  return new Proxy(view, new Handler(view));
}

/** A typed-array constructor that wraps what it makes, if that is shared. */
export function viewConstructor(Real: ViewConstructor): ViewConstructor {
  const Replaced: ViewConstructor = new Proxy(Real, {
    construct(target, args, newTarget) {
      const made = Reflect.construct(target, args, newTarget === Replaced ? target : newTarget) as AnyView;
      return isShared(made.buffer) ? wrap(made) : made;
    },
  });
  return Replaced;
}

/** DataView over a shared buffer: its accesses are plain ones of unaligned places, byte by byte. */
export function dataViewConstructor(): typeof DataView {
  return new Proxy(DataView, {
    construct(target, args) {
      const real = Reflect.construct(target, args) as DataView;
      if (!isShared(real.buffer)) return real;
      const bytes = wrap(new VIEWS.Uint8(real.buffer, real.byteOffset, real.byteLength));
      return new Proxy(real, {
        get(_target, name) {
          const value = Reflect.get(real, name, real) as unknown;
          if (typeof value !== "function") return value;
          const width = typeof name === "string" ? WIDTHS[name.slice(3)] : undefined;
          return width === undefined ? value.bind(real) : viaBytes(real, bytes, name as string, width);
        },
      });
    },
  });
}

const WIDTHS: Readonly<Record<string, number>> = {
  Int8: 1,
  Uint8: 1,
  Int16: 2,
  Uint16: 2,
  Int32: 4,
  Uint32: 4,
  Float32: 4,
  Float64: 8,
  BigInt64: 8,
  BigUint64: 8,
};

function viaBytes(real: DataView, bytes: AnyView, name: string, width: number): Method {
  const copy = new DataView(new ArrayBuffer(width));
  const call = (copy as unknown as Record<string, Method>)[name]!;
  return (...args: unknown[]) => {
    const at = Number(args[0] ?? 0);
    if (!(at >= 0 && at + width <= real.byteLength))
      throw new RangeError("Offset is outside the bounds of the DataView");
    if (name.startsWith("get")) {
      for (let i = 0; i < width; i++) copy.setUint8(i, bytes[at + i] as number);
      return call.call(copy, 0, args[1]);
    }
    call.call(copy, 0, args[1], args[2]);
    for (let i = 0; i < width; i++) bytes[at + i] = copy.getUint8(i);
    return undefined;
  };
}
