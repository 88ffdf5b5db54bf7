/*
 * The globals as the code under test sees them. A view on a buffer that `setup` made is a proxy: its elements
 * are plain shared accesses. Atomics unwraps it. Views on anything else are the real ones, at full speed.
 *
 * Nothing here schedules: every access goes to the `Host` that runs at the moment.
 */
import { InterleaveError } from "./errors.ts";
import {
  type AnyAtomics,
  type AnyView,
  ELEMENTS,
  elementOf,
  NativeSharedArrayBuffer,
  nativeAtomics,
  VIEWS,
  type ViewConstructor,
} from "./natives.ts";
import type { ElementName, Op, OpKind, Value } from "./op.ts";

/** Who runs the code under test. */
export interface Host {
  /** Does a shared operation and returns its result. May throw `Suspend`. */
  access(op: Op): unknown;
  /** Number of the buffer, `-1` for one that is private to the running thread. */
  idOf(buffer: ArrayBufferLike): number;
  allocate(bytes: number, options?: { maxByteLength?: number }): SharedArrayBuffer;
  /** Virtual time of the running thread, in ms. */
  now(): number;
  /** Refuses what would make the model nondeterministic. */
  refuse(what: string): never;
  /** Capture stacks? */
  readonly traced: boolean;
}

let host: Host | undefined;

/** Makes `next` the one that runs; `undefined` outside executions, where the replaced globals act as the real ones. */
export function setHost(next: Host | undefined): void {
  host = next;
}

/** Real views behind the proxies. */
const behind: WeakMap<object, AnyView> = new WeakMap();

function stackHere(): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, stackHere);
  return holder.stack ?? "";
}

function makeOp(
  running: Host,
  kind: OpKind,
  type: ElementName,
  buffer: number,
  offset: number,
  size: number,
  value: Value,
  replacement: Value,
  timeoutMs: number,
): Op {
  const op: Op = { kind, type, buffer, offset, size, value, replacement, timeoutMs };
  return running.traced ? { ...op, stack: stackHere() } : op;
}

/** The value an element has after `value` was stored in it, so that a log compares equal. */
const scratch: Record<ElementName, AnyView> = Object.fromEntries(
  ELEMENTS.map((name) => [name, new VIEWS[name](1)]),
) as Record<ElementName, AnyView>;

function coerce(type: ElementName, value: unknown): Value {
  const cell = scratch[type];
  cell[0] = value as Value;
  return cell[0] as Value;
}

/** A plain access. 64-bit ones are two halves: ECMAScript lets them tear. */
function plain(view: AnyView, type: ElementName, index: number, value: Value | undefined): Value {
  const running = host;
  const buffer = running === undefined ? -1 : running.idOf(view.buffer);
  if (running === undefined || buffer < 0) {
    if (value === undefined) return view[index] as Value;
    view[index] = value;
    return value;
  }
  const size = view.BYTES_PER_ELEMENT;
  const offset = view.byteOffset + index * size;
  const kind = value === undefined ? "read" : "write";
  if (size < 8) {
    const op = makeOp(
      running,
      kind,
      type,
      buffer,
      offset,
      size,
      value === undefined ? 0 : coerce(type, value),
      0,
      0,
    );
    const result = running.access(op);
    return value === undefined ? (result as Value) : value;
  }
  return torn(running, type, buffer, offset, value);
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
  if (value === undefined) {
    const low = running.access(makeOp(running, "read", "Uint32", buffer, offset, 4, 0, 0, 0)) as number;
    const high = running.access(makeOp(running, "read", "Uint32", buffer, offset + 4, 4, 0, 0, 0)) as number;
    halves[0] = low;
    halves[1] = high;
    return whole[0] as Value;
  }
  whole[0] = value;
  const low = halves[0]!;
  const high = halves[1]!;
  running.access(makeOp(running, "write", "Uint32", buffer, offset, 4, low, 0, 0));
  running.access(makeOp(running, "write", "Uint32", buffer, offset + 4, 4, high, 0, 0));
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

function wrap(view: AnyView): AnyView {
  const type = elementOf(view);
  const proxy: AnyView = new Proxy(view, {
    get(_target, name) {
      const index = indexOf(name);
      if (index < 0) return methodOf(view, proxy, name);
      return index < view.length ? plain(view, type, index, undefined) : undefined;
    },
    set(_target, name, value) {
      const index = indexOf(name);
      if (index < 0) return Reflect.set(view, name, value, view);
      if (index < view.length) plain(view, type, index, value as Value);
      return true;
    },
  });
  behind.set(proxy, view);
  return proxy;
}

function isShared(buffer: unknown): boolean {
  return buffer instanceof NativeSharedArrayBuffer;
}

function viewConstructor(Real: ViewConstructor): ViewConstructor {
  return new Proxy(Real, {
    construct(target, args, newTarget) {
      const made = Reflect.construct(
        target,
        args,
        newTarget === replaced.get(target) ? target : newTarget,
      ) as AnyView;
      return isShared(made.buffer) ? wrap(made) : made;
    },
  });
}

const replaced: Map<ViewConstructor, ViewConstructor> = new Map();

/** DataView over a shared buffer: its accesses are plain ones of unaligned places, byte by byte. */
function dataViewConstructor(): typeof DataView {
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

/** Does an Atomics method, through the host if its memory is shared. */
function atomic(
  kind: OpKind,
  given: AnyView,
  index: unknown,
  value: Value,
  replacement: Value,
  timeoutMs: number,
): unknown {
  const view = behind.get(given) ?? given;
  const running = host;
  if (running === undefined || !isShared(view.buffer))
    return direct(kind, view, index as number, value, replacement, timeoutMs);
  const buffer = running.idOf(view.buffer);
  if (buffer < 0) return direct(kind, view, index as number, value, replacement, timeoutMs);
  const at = Number(index);
  // Refusals of a bad index or element type are the real ones.
  if (!Number.isInteger(at) || at < 0 || at >= view.length) return nativeAtomics.load(view, index as number);
  const type = elementOf(view);
  if (type.startsWith("Float") || type === "Uint8Clamped") return nativeAtomics.load(view, at);
  const size = view.BYTES_PER_ELEMENT;
  return running.access(
    makeOp(running, kind, type, buffer, view.byteOffset + at * size, size, value, replacement, timeoutMs),
  );
}

function direct(
  kind: OpKind,
  view: AnyView,
  index: number,
  value: Value,
  replacement: Value,
  timeoutMs: number,
): unknown {
  if (kind === "load" || kind === "read" || kind === "write") return nativeAtomics.load(view, index);
  if (kind === "compareExchange") return nativeAtomics.compareExchange(view, index, value, replacement);
  if (kind === "wait") {
    // Nobody could ever wake it: a private buffer is seen by one thread.
    if (isShared(view.buffer) && host !== undefined && nativeAtomics.load(view, index) === value)
      return "timed-out";
    return nativeAtomics.wait(view, index, value, timeoutMs);
  }
  if (kind === "waitAsync") {
    if (host !== undefined) host.refuse("Atomics.waitAsync on a SharedArrayBuffer that a thread made");
    return nativeAtomics.waitAsync?.(view, index, value, timeoutMs);
  }
  if (kind === "notify") return nativeAtomics.notify(view, index, Number(value));
  return nativeAtomics[kind](view, index, value);
}

function valueFor(given: AnyView, value: unknown): Value {
  if (typeof value === "number" && (value | 0) === value && given instanceof VIEWS.Int32) return value;
  const type = elementOf(behind.get(given) ?? given);
  return type.startsWith("Float") ? (value as Value) : coerce(type, value);
}

function timeoutOf(timeout: unknown): number {
  const ms = timeout === undefined ? Number.NaN : Number(timeout);
  return Number.isNaN(ms) ? Number.POSITIVE_INFINITY : Math.max(0, ms);
}

function makeAtomics(): AnyAtomics {
  const rmw =
    (kind: "store" | "add" | "sub" | "and" | "or" | "xor" | "exchange") =>
    (view: AnyView, index: number, value: Value): Value => {
      const stored = valueFor(view, value);
      const result = atomic(kind, view, index, stored, 0, 0) as Value;
      return kind === "store" ? (typeof value === "bigint" ? value : Math.trunc(Number(value)) || 0) : result;
    };
  return {
    load: (view, index) => atomic("load", view, index, 0, 0, 0) as Value,
    store: rmw("store"),
    add: rmw("add"),
    sub: rmw("sub"),
    and: rmw("and"),
    or: rmw("or"),
    xor: rmw("xor"),
    exchange: rmw("exchange"),
    compareExchange: (view, index, expected, replacement) =>
      atomic(
        "compareExchange",
        view,
        index,
        valueFor(view, expected),
        valueFor(view, replacement),
        0,
      ) as Value,
    wait: (view, index, value, timeout) =>
      atomic("wait", view, index, valueFor(view, value), 0, timeoutOf(timeout)) as string,
    waitAsync: (view, index, value, timeout) =>
      atomic("waitAsync", view, index, valueFor(view, value), 0, timeoutOf(timeout)),
    notify: (view, index, count) =>
      atomic(
        "notify",
        view,
        index,
        count === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Math.trunc(Number(count))),
        0,
        0,
      ) as number,
    isLockFree: (size) => nativeAtomics.isLockFree(size),
    // Spinning is recognised by what is read again, so a pause needs no scheduling point of its own.
    pause: () => {},
  };
}

function sharedArrayBufferConstructor(): SharedArrayBufferConstructor {
  return new Proxy(NativeSharedArrayBuffer, {
    construct(target, args) {
      if (host === undefined) return Reflect.construct(target, args) as object;
      return host.allocate(Number(args[0] ?? 0), args[1] as { maxByteLength?: number } | undefined);
    },
  });
}

/** Replaces the globals of this realm. Returns what puts them back. Not reentrant. */
export function install(): () => void {
  const scope = globalThis as unknown as Record<string, unknown>;
  if (replaced.size > 0) throw new InterleaveError("EBUSY", "check: another check runs in this realm");
  const undo: (() => void)[] = [];
  const put = (holder: Record<string, unknown>, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(holder, name);
    Object.defineProperty(holder, name, { value, writable: true, configurable: true, enumerable: false });
    undo.push(() => {
      if (before === undefined) delete holder[name];
      else Object.defineProperty(holder, name, before);
    });
  };
  for (const name of ELEMENTS) {
    const made = viewConstructor(VIEWS[name]);
    replaced.set(VIEWS[name], made);
    put(scope, `${name}Array`, made);
  }
  put(scope, "DataView", dataViewConstructor());
  put(scope, "SharedArrayBuffer", sharedArrayBufferConstructor());
  put(scope, "Atomics", { ...makeAtomics(), [Symbol.toStringTag]: "Atomics" });
  const isView = ArrayBuffer.isView;
  put(ArrayBuffer as unknown as Record<string, unknown>, "isView", (value: unknown) =>
    isView(typeof value === "object" && value !== null ? (behind.get(value) ?? value) : value),
  );
  patchClocks(put);
  return () => {
    for (const step of undo.reverse()) step();
    replaced.clear();
    host = undefined;
  };
}

/** Time is virtual and randomness refused, or a thread could not be executed again. */
function patchClocks(put: (holder: Record<string, unknown>, name: string, value: unknown) => void): void {
  const holder = (value: unknown): Record<string, unknown> => value as Record<string, unknown>;
  const dateNow = Date.now;
  const performanceNow = performance.now.bind(performance);
  const random = Math.random;
  put(holder(Date), "now", () => (host === undefined ? dateNow() : host.now()));
  put(holder(performance), "now", () => (host === undefined ? performanceNow() : host.now()));
  put(holder(Math), "random", () => (host === undefined ? random() : host.refuse("Math.random")));
  patchTimers(put);
}

/** Delay of timers that only keep a process alive: the longest that any platform accepts. They never fire here. */
const FOREVER_MS = 0x7fffffff;
const NEVER = { ref: () => NEVER, unref: () => NEVER, hasRef: () => true, refresh: () => NEVER };

/** What comes by a timer comes at a moment that the checker does not choose. */
function patchTimers(put: (holder: Record<string, unknown>, name: string, value: unknown) => void): void {
  const scope = globalThis as unknown as Record<string, Method | undefined>;
  for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
    const native = scope[name];
    if (native === undefined) continue;
    put(scope, name, (...args: unknown[]) => {
      if (host === undefined) return native.apply(globalThis, args);
      return name === "setTimeout" && Number(args[1]) >= FOREVER_MS ? NEVER : host.refuse(name);
    });
  }
}
