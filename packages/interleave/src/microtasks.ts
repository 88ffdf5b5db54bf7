/*
 * Async threads are driven by the realm's own microtasks: after each piece of a thread the checker waits until
 * none is left. Node's tick queue is served exactly then, without a turn of the event loop in which somebody
 * else's code could run; elsewhere a message to oneself does it.
 */
import { Suspend } from "./errors.ts";

interface Emitter {
  nextTick(fn: () => void): void;
  listeners(name: string): ((reason: unknown, promise: unknown) => void)[];
  removeListener(name: string, listener: (reason: unknown, promise: unknown) => void): void;
  on(name: string, listener: (reason: unknown, promise: unknown) => void): void;
}

const node: Emitter | undefined = (globalThis as { process?: Emitter }).process;

/** Resolves when no microtask is left. */
export function drained(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof node?.nextTick === "function") node.nextTick(resolve);
    else {
      const { port1, port2 } = new MessageChannel();
      const port = port1 as unknown as EventTarget;
      port.addEventListener("message", () => {
        port1.close();
        resolve();
      });
      port1.start();
      port2.postMessage(0);
    }
  });
}

/** Runs what yields whenever the microtasks are to be drained; a promise only if it does. */
export function drive<T>(pieces: Generator<undefined, T>): T | Promise<T> {
  const first = pieces.next();
  return first.done === true ? first.value : driveOn(pieces);
}

async function driveOn<T>(pieces: Generator<undefined, T>): Promise<T> {
  for (;;) {
    await drained();
    const next = pieces.next();
    if (next.done === true) return next.value;
  }
}

const EVENT = "unhandledRejection";

/**
 * A thread is left by an exception. In a task that it has started and not awaited, that would be an unhandled
 * rejection, which ends the process: while a check runs those are nobody's. All others go where they went.
 *
 * @returns what ends that
 */
export function quieten(): () => void {
  if (typeof node?.listeners !== "function") return () => {};
  const before = node.listeners(EVENT);
  const filter = (reason: unknown, promise: unknown): void => {
    if (reason instanceof Suspend) return;
    if (before.length === 0) throw reason;
    for (const listener of before) listener(reason, promise);
  };
  for (const listener of before) node.removeListener(EVENT, listener);
  node.on(EVENT, filter);
  return () => {
    node.removeListener(EVENT, filter);
    for (const listener of before) node.on(EVENT, listener);
  };
}
