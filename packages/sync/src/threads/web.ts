/*
 * Web Workers whose death is noticed, although a browser tells nobody of it.
 *
 * What there is to go by:
 *
 *   a Web Lock    The worker holds one for as long as it lives; the browser takes it away when the worker's world
 *                 is gone, whether it was terminated, closed itself or crashed. Whoever asked for the lock after it
 *                 then gets it, and knows that no instruction of the worker can run any more. Nothing else is proof.
 *   terminate()   is no proof: a browser lets a worker that computes go on for some time, Chromium for up to two
 *                 seconds, before it is stopped by force. Where there are no Web Locks (a page that is not
 *                 served securely has neither them nor shared memory) we wait that long.
 *   "error"       is none either: a Web Worker survives what it throws. One that is not handled ends a Node
 *                 worker, and so it does here: the worker is terminated, and the error kept for the report.
 *   heartbeats    The worker counts in a word of the registry, from a timer. A worker that blocks or computes
 *                 counts as little as a dead one; so silence is no death, but may be a reason to terminate.
 *
 * Order of a start: the worker gets its lock, then joins. The spawner sees it alive, then asks for the lock, which
 * it gets only from a dead worker. A worker that dies before it has joined has held nothing: its id is declared
 * dead while it is reserved, and a worker that should come to life all the same cannot join with it.
 */
import type { ThreadRegistry } from "./registry.ts";

/** The part of a browser's `Worker` that is needed. */
export interface WebWorkerLike {
  addEventListener(type: "error", listener: (event: unknown) => void): void;
  terminate(): void;
}

/** What a worker needs to join: post it, or put it into the worker's name or URL. */
export interface WebAgentSeat {
  /** Id that is reserved for it. */
  readonly id: number;
  /** Name of the Web Lock it holds while it lives. */
  readonly lockName: string;
  /** Milliseconds between its heartbeats, 0 for none. */
  readonly beatMs: number;
}

/** Options of {@link spawnWebAgent}. */
export interface WebAgentOptions {
  /**
   * A worker that gives no sign of life for so many milliseconds is terminated; without it nobody is. A worker
   * gives none while it blocks or computes, so take much longer than it ever does.
   */
  readonly silentMs?: number;
}

/** A Web Worker started by {@link spawnWebAgent}. */
export interface SpawnedWebAgent<W extends WebWorkerLike> {
  /** Its id in the registry. */
  readonly id: number;
  /** The worker; its `terminate()` is watched. */
  readonly worker: W;
  /** Resolves when it has ended and hooks have run: `true` if that was a death, `false` if it had left. */
  readonly ended: Promise<boolean>;
  /** Terminates it. @returns {@link ended} */
  terminate(): Promise<boolean>;
}

interface Locks {
  request(name: string, hold: () => Promise<unknown>): Promise<unknown>;
}
interface Platform {
  readonly navigator?: { readonly locks?: Locks };
  readonly crypto?: { randomUUID?(): string };
  setTimeout(fn: () => void, ms: number): unknown;
  setInterval(fn: () => void, ms: number): unknown;
}
const platform = globalThis as unknown as Platform;

/** A terminated worker that computes is stopped by force before that. */
const FORCED_MS = 3_000;
/** How often the spawner looks whether its worker has joined, or given signs of life. */
const LOOK_MS = 20;
/** Heartbeats in the time after which silence is noticed. */
const BEATS = 8;
let seatCount = 0;

/**
 * Starts a Web Worker with an id of its own. The worker awaits {@link joinWebAgent} first and calls
 * `registry.leave()` last; ending without that, for whatever reason, is a death. The spawner must reach its event
 * loop to notice.
 *
 * @param create - starts the worker and hands it the seat
 * @returns the worker; `ended` rejects if a death hook throws
 * @throws SyncError `ENOSPC` if the registry is full; RangeError if `silentMs` is not a number `> 0`; what `create`
 * throws, with the id given back
 */
export function spawnWebAgent<W extends WebWorkerLike>(
  registry: ThreadRegistry,
  create: (seat: WebAgentSeat) => W,
  options: WebAgentOptions = {},
): SpawnedWebAgent<W> {
  const { silentMs } = options;
  if (silentMs !== undefined && !(silentMs > 0)) {
    throw new RangeError(`spawnWebAgent: silentMs must be a number > 0, got ${silentMs}`);
  }
  const id = registry.reserve();
  const beatMs = silentMs === undefined ? 0 : Math.ceil(silentMs / BEATS);
  const seat: WebAgentSeat = { id, lockName: newLockName(), beatMs };
  let worker: W;
  try {
    worker = create(seat);
  } catch (error) {
    registry.cancel(id);
    throw error;
  }
  const watch = new Watch(registry, seat, worker);
  if (silentMs !== undefined) void watch.endIfSilent(silentMs);
  const terminate = (): Promise<boolean> => {
    worker.terminate();
    return watch.ended;
  };
  return { id, worker, ended: watch.ended, terminate };
}

/**
 * Makes this Web Worker the agent it was started as: it gets the lock that shows that it lives, joins, and begins
 * to give signs of life. Locks and sections before that are nobody's.
 *
 * @throws SyncError `EINVAL` if the seat is not reserved any more, or this thread has joined already
 */
export async function joinWebAgent(registry: ThreadRegistry, seat: WebAgentSeat): Promise<void> {
  await holdForLife(seat.lockName);
  registry.join(seat.id);
  if (seat.beatMs > 0) platform.setInterval(() => registry.beat(), seat.beatMs);
}

/** Resolves when this thread has the lock, which it never gives back. */
function holdForLife(name: string): Promise<void> {
  const locks = platform.navigator?.locks;
  if (locks === undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    locks
      .request(name, () => {
        resolve();
        return new Promise(() => {});
      })
      .catch(reject);
  });
}

/** What the spawner knows of one worker. */
class Watch {
  readonly #registry: ThreadRegistry;
  readonly #seat: WebAgentSeat;
  #cause: unknown;
  #isOver = false;
  #isTerminated = false;
  #isWaiting = false;
  readonly ended: Promise<boolean>;
  #resolve: (wasDeath: boolean) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(registry: ThreadRegistry, seat: WebAgentSeat, worker: WebWorkerLike) {
    this.#registry = registry;
    this.#seat = seat;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const terminate = worker.terminate.bind(worker);
    worker.terminate = () => {
      terminate();
      this.#isTerminated = true;
      void this.#awaitEnd();
    };
    this.#terminate = () => worker.terminate();
    worker.addEventListener("error", (event) => {
      this.#cause ??= (event as { error?: unknown }).error ?? event;
      this.#terminate();
    });
    void this.#awaitStart();
  }

  readonly #terminate: () => void;

  /** Terminates the worker when it has given no sign of life for so long. */
  async endIfSilent(silentMs: number): Promise<void> {
    const { id, beatMs } = this.#seat;
    let beats = this.#registry.beatsOf(id);
    for (let quietMs = 0; !this.#isOver; quietMs += beatMs) {
      await sleep(beatMs);
      const now = this.#registry.beatsOf(id);
      if (now !== beats) quietMs = -beatMs;
      beats = now;
      if (quietMs < silentMs) continue;
      this.#cause ??= new Error(`no sign of life for ${silentMs} ms`);
      this.#terminate();
      return;
    }
  }

  async #awaitStart(): Promise<void> {
    while (this.#registry.stateOf(this.#seat.id) === "starting" && !this.#isTerminated) await sleep(LOOK_MS);
    await this.#awaitEnd();
  }

  /** The worker has joined, or has been terminated: from now on its lock tells when it is gone. */
  async #awaitEnd(): Promise<void> {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    const locks = platform.navigator?.locks;
    if (locks !== undefined) await locks.request(this.#seat.lockName, () => Promise.resolve());
    else await this.#awaitWithoutLocks();
    this.#isOver = true;
    try {
      this.#resolve(this.#registry.declareDead(this.#seat.id, undefined, this.#cause));
    } catch (error) {
      this.#reject(error);
    }
  }

  async #awaitWithoutLocks(): Promise<void> {
    const hasLeft = (): boolean => !this.#registry.isAlive(this.#seat.id);
    while (!this.#isTerminated && !hasLeft()) await sleep(LOOK_MS);
    if (!hasLeft()) await sleep(FORCED_MS);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => platform.setTimeout(resolve, ms));
}

/** A name that no other page of this origin has. */
function newLockName(): string {
  seatCount++;
  const unique = platform.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  return `faultline-agent-${unique}-${seatCount}`;
}
