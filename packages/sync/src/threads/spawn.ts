/*
 * Starting threads whose death is noticed.
 *
 * Only the thread that started a worker learns of its end, through events, so it reports the death for
 * everybody. It must reach its event loop for that: while it blocks, a death goes unnoticed, so a thread that
 * spawns others and waits for what they hold should wait asynchronously.
 *
 * "error" is not the end: the worker may still run exit handlers when its parent hears of the exception. The
 * death is declared on "exit", when no instruction of it can run any more; the error is kept for the report.
 */
import type { ThreadRegistry } from "./registry.ts";

/** The part of a `node:worker_threads` Worker that is needed; Deno's and Bun's have it too. */
export interface WorkerLike {
  on(event: "error", listener: (error: unknown) => void): unknown;
  on(event: "exit", listener: (exitCode: number) => void): unknown;
}

/** A thread started by {@link spawnAgent}. */
export interface SpawnedAgent<W extends WorkerLike> {
  /** Its id in the registry. */
  readonly id: number;
  readonly worker: W;
  /** Resolves when it has ended and hooks have run: `true` if that was a death, `false` if it had left. */
  readonly ended: Promise<boolean>;
}

/**
 * Starts a thread with an id of its own. The thread calls `registry.join(id)` first and `registry.leave()`
 * last; ending without that, for whatever reason, is a death.
 *
 * @param create - starts the worker and hands it the id, in `workerData` for example
 * @returns the worker; `ended` rejects if a death hook throws
 * @throws SyncError `ENOSPC` if the registry is full; what `create` throws, with the id given back
 */
export function spawnAgent<W extends WorkerLike>(
  registry: ThreadRegistry,
  create: (id: number) => W,
): SpawnedAgent<W> {
  const id = registry.reserve();
  let worker: W;
  try {
    worker = create(id);
  } catch (error) {
    registry.cancel(id);
    throw error;
  }
  return { id, worker, ended: watch(registry, id, worker) };
}

function watch(registry: ThreadRegistry, id: number, worker: WorkerLike): Promise<boolean> {
  let cause: unknown;
  worker.on("error", (error) => {
    cause = error;
  });
  return new Promise((resolve, reject) => {
    worker.on("exit", (exitCode) => {
      try {
        resolve(registry.declareDead(id, exitCode, cause));
      } catch (error) {
        reject(error);
      }
    });
  });
}
