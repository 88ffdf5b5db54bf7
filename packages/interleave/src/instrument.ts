/*
 * Puts the globals that the code under test sees in place of the realm's own, and those back.
 */
import { makeAtomics } from "./atomics.ts";
import { InterleaveError } from "./errors.ts";
import { host, setHost, unwrap } from "./host.ts";
import { ELEMENTS, NativeSharedArrayBuffer, VIEWS } from "./natives.ts";
import { dataViewConstructor, viewConstructor } from "./views.ts";

function sharedArrayBufferConstructor(): SharedArrayBufferConstructor {
  return new Proxy(NativeSharedArrayBuffer, {
    construct(target, args) {
      if (host === undefined) return Reflect.construct(target, args) as object;
      return host.allocate(Number(args[0] ?? 0), args[1] as { maxByteLength?: number } | undefined);
    },
  });
}

let isInstalled = false;

/** Replaces the globals of this realm. Returns what puts them back. Not reentrant. */
export function install(): () => void {
  const scope = globalThis as unknown as Record<string, unknown>;
  if (isInstalled) throw new InterleaveError("EBUSY", "check: another check runs in this realm");
  isInstalled = true;
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
    put(scope, `${name}Array`, viewConstructor(VIEWS[name]));
  }
  put(scope, "DataView", dataViewConstructor());
  put(scope, "SharedArrayBuffer", sharedArrayBufferConstructor());
  put(scope, "Atomics", { ...makeAtomics(), [Symbol.toStringTag]: "Atomics" });
  const isView = ArrayBuffer.isView;
  put(ArrayBuffer as unknown as Record<string, unknown>, "isView", (value: unknown) => isView(unwrap(value)));
  patchClocks(put);
  return () => {
    for (const step of undo.reverse()) step();
    isInstalled = false;
    setHost(undefined);
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
  put(holder(globalThis), "Date", dateConstructor());
  const { crypto } = globalThis;
  for (const name of ["getRandomValues", "randomUUID"] as const) {
    const native = crypto?.[name] as ((...args: unknown[]) => unknown) | undefined;
    if (native === undefined) continue;
    const refusing = (...args: unknown[]): unknown =>
      host === undefined ? native.apply(crypto, args) : host.refuse(`crypto.${name}`);
    put(holder(crypto), name, refusing);
  }
  put(holder(Math), "random", () => (host === undefined ? random() : host.refuse("Math.random")));
  patchTimers(put);
}

/** A date made of nothing is the thread's virtual time. */
function dateConstructor(): DateConstructor {
  const Replaced: DateConstructor = new Proxy(Date, {
    construct(target, args, newTarget) {
      const given = args.length === 0 && host !== undefined ? [host.now()] : args;
      return Reflect.construct(target, given, newTarget === Replaced ? target : newTarget) as object;
    },
    apply: (target) => (host === undefined ? target() : new target(host.now()).toString()),
  });
  return Replaced;
}

/** Delay of timers that only keep a process alive: the longest that any platform accepts. They never fire here. */
const FOREVER_MS = 0x7fffffff;
const NEVER = { ref: () => NEVER, unref: () => NEVER, hasRef: () => true, refresh: () => NEVER };

/** What comes by a timer comes at a moment that the checker does not choose. */
function patchTimers(put: (holder: Record<string, unknown>, name: string, value: unknown) => void): void {
  const scope = globalThis as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
    const native = scope[name];
    if (native === undefined) continue;
    put(scope, name, (...args: unknown[]) => {
      if (host === undefined) return native.apply(globalThis, args);
      return name === "setTimeout" && Number(args[1]) >= FOREVER_MS ? NEVER : host.refuse(name);
    });
  }
}
