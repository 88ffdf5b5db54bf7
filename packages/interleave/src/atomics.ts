/*
 * Atomics as the code under test sees it: over shared memory every method is an operation of the host.
 */
import { bufferOf, factsOf, host, isShared, perform } from "./host.ts";
import { type AnyAtomics, type AnyView, coerce, ELEMENTS, nativeAtomics } from "./natives.ts";
import type { ElementName, OpKind, Value } from "./op.ts";

/** Does an Atomics method, through the host if its memory is shared. */
function atomic(
  kind: OpKind,
  given: AnyView,
  index: unknown,
  value: Value,
  replacement: Value,
  timeoutMs: number,
): unknown {
  const facts = factsOf(given);
  const { view, type } = facts;
  const running = host;
  if (running === undefined || !facts.isShared) {
    return direct(kind, view, index as number, value, replacement, timeoutMs);
  }
  const buffer = bufferOf(facts, running);
  if (buffer < 0) return direct(kind, view, index as number, value, replacement, timeoutMs);
  const at = Number(index);
  // Refusals of a bad index or element type are the real ones.
  if (!Number.isInteger(at) || at < 0 || at >= view.length) return nativeAtomics.load(view, index as number);
  if (!HAS_ATOMICS.has(type)) return nativeAtomics.load(view, at);
  const offset = facts.start + at * facts.size;
  return perform(running, kind, type, buffer, offset, facts.size, value, replacement, timeoutMs);
}

const HAS_ATOMICS: ReadonlySet<ElementName> = new Set(
  ELEMENTS.filter((name) => !name.startsWith("Float") && name !== "Uint8Clamped"),
);

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
  const { type } = factsOf(given);
  if (type === "Int32" && (value as number | 0) === value) return value as number;
  return type.startsWith("Float") ? (value as Value) : coerce(type, value);
}

function timeoutOf(timeout: unknown): number {
  const ms = timeout === undefined ? Number.NaN : Number(timeout);
  return Number.isNaN(ms) ? Number.POSITIVE_INFINITY : Math.max(0, ms);
}

/** Atomics as the code under test sees it. */
export function makeAtomics(): AnyAtomics {
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
