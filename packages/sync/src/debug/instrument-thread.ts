/*
 * What the checks see of the thread as a whole: sleeps by other means than this package, and its end.
 *
 * A thread ends with locks held by an exception, by process.exit, by close() in a Web Worker, or by an empty event
 * loop; leaving its registry says that it holds nothing. Not seen is a thread that another one terminates: robust
 * locks are for that.
 */
import { ThreadRegistry } from "../threads.ts";
import type { LockOrder } from "./lock-order.ts";
import type { Patches } from "./patch.ts";
import { Site } from "./site.ts";

/** As much of Node's `process` as is needed; Deno and Bun have it too. */
interface ProcessLike {
  on(event: "exit", listener: () => void): void;
  off(event: "exit", listener: () => void): void;
}
type Sleep = (words: Int32Array, word: number, value: number, timeoutMs?: number) => string;

/** Watches Atomics.wait and the end of this thread, until the patches are restored. */
export function instrumentThread(patches: Patches, order: LockOrder): void {
  patches.replace<Sleep>(Atomics, "wait", (wait) => {
    return (words, word, value, timeoutMs) => {
      if (patches.beforeOwnSleep !== undefined) patches.beforeOwnSleep();
      else if (!patches.isInside) order.beforeSleep("Atomics.wait", new Site());
      return wait(words, word, value, timeoutMs);
    };
  });
  patches.replace<(this: ThreadRegistry) => void>(ThreadRegistry.prototype, "leave", (leave) => {
    return function () {
      order.assertNoLocksHeld("ThreadRegistry.leave", new Site());
      leave.call(this);
    };
  });
  watchEnd(patches, order);
}

function watchEnd(patches: Patches, order: LockOrder): void {
  const scope = globalThis as { process?: Partial<ProcessLike>; close?: () => void; document?: unknown };
  const atExit = (): void => order.assertNoLocksHeld("end of the thread", new Site());
  const { process } = scope;
  if (typeof process?.on === "function" && typeof process.off === "function") {
    process.on("exit", atExit);
    patches.onRestore(() => process.off?.("exit", atExit));
  } else if (typeof scope.close === "function" && scope.document === undefined) {
    patches.replace<() => void>(globalThis, "close", (close) => () => {
      atExit();
      close.call(globalThis);
    });
  }
}
