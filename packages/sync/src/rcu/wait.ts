/*
 * How a writer waits for a grace period: a number of looks, then sleep until a reader it has marked says that
 * it left, and again. The two kinds of domain differ in how they look and mark (source.ts); the waiting, and the complaint about readers that take too long, are the same.
 */

import { interrupted, isAborted, napAsync } from "../wait-async.ts";
import { FOREVER, isPast, isShared, nowMs, pause, sleepWhile, type WaitSignal } from "../words.ts";
import type { GraceSource, StalledAgent } from "./source.ts";

/** Looks made before a writer sleeps: a section that ends soon costs no sleep. */
export const SPINS = 64;
/** Looks of an expedited wait, some hundred microseconds: dearer than a sleep, but without its wake-up. */
export const SPINS_EXPEDITED = 8192;
/** A reader that holds up a grace period for so long is reported. */
export const STALL_MS_DEFAULT = 1000;

/** What `onStall` is told. */
export interface RcuStall {
  /** Those who hold up the grace period at this moment. */
  readonly agents: readonly StalledAgent[];
  /** How long this call has been waiting, in milliseconds. */
  readonly since: number;
}

/** Options of both kinds of domain. */
export interface StallOptions {
  /**
   * Called in the agent that waits when readers have held it up for `stallMs`, then again when the wait has
   * become three times as long, and so on. It must not throw: the wait would be given up.
   */
  readonly onStall?: ((stall: RcuStall) => void) | undefined;
  /** Milliseconds until `onStall`, `> 0`. Default 1000. */
  readonly stallMs?: number | undefined;
}

/**
 * Blocks until `cookie` is reached, which `source.advance` has just denied.
 *
 * @returns `false` if the deadline has passed before
 */
export function waitFor(
  source: GraceSource,
  cookie: number,
  spins: number,
  stall: StallOptions,
  deadline: number,
): boolean {
  for (let spin = 0; spin < spins; spin++) {
    pause();
    if (source.advance(cookie)) return true;
  }
  const watch = new StallWatch(source, stall);
  while (!source.advance(cookie)) {
    if (isPast(deadline)) return false;
    const ticket = source.awaitBlocker();
    if (ticket === undefined) continue;
    sleepWhile(source.words, source.leftWord, ticket, Math.min(deadline, watch.deadline));
    watch.report();
  }
  return true;
}

/**
 * The same without blocking the thread.
 *
 * @throws SyncError `EINTR` if the signal is aborted first
 */
export async function waitForAsync(
  what: string,
  source: GraceSource,
  cookie: number,
  stall: StallOptions,
  deadline: number,
  signal: WaitSignal | undefined,
): Promise<boolean> {
  const watch = new StallWatch(source, stall);
  while (!source.advance(cookie)) {
    if (isAborted(signal)) throw interrupted(what, signal);
    if (isPast(deadline)) return false;
    const ticket = source.awaitBlocker();
    if (ticket === undefined) continue;
    await someoneLeft(source, ticket, Math.min(deadline, watch.deadline), signal);
    watch.report();
  }
  return true;
}

/** Knows when the next complaint is due. */
class StallWatch {
  readonly #source: GraceSource;
  readonly #onStall: ((stall: RcuStall) => void) | undefined;
  readonly #began: number;
  #dueMs: number;

  constructor(source: GraceSource, { onStall, stallMs = STALL_MS_DEFAULT }: StallOptions) {
    this.#source = source;
    this.#onStall = onStall;
    this.#began = onStall === undefined ? 0 : nowMs();
    this.#dueMs = stallMs;
  }

  get deadline(): number {
    return this.#onStall === undefined ? FOREVER : this.#began + this.#dueMs;
  }

  report(): void {
    if (this.#onStall === undefined || !isPast(this.deadline)) return;
    const since = nowMs() - this.#began;
    while (this.#dueMs <= since) this.#dueMs *= 3;
    const agents = this.#source.blockers();
    if (agents.length > 0) this.#onStall({ agents, since });
  }
}

function someoneLeft(
  source: GraceSource,
  ticket: number,
  deadline: number,
  signal: WaitSignal | undefined,
): Promise<unknown> | boolean {
  // Nobody else can be the blocker on an ArrayBuffer, so waiting is listening to ourselves.
  const isOurs = !isShared(source.words) && deadline === FOREVER && signal === undefined;
  if (isOurs) return new Promise<void>((wake) => source.onLeave.push(wake));
  return napAsync(source.words, { word: source.leftWord, expected: ticket }, deadline, signal);
}

/** @throws RangeError if `stallMs` is not a number above 0 */
export function checkStall(what: string, options: StallOptions | undefined): StallOptions {
  const stallMs = options?.stallMs;
  if (stallMs !== undefined && !(stallMs > 0)) {
    throw new RangeError(`${what}: stallMs must be a number > 0, got ${stallMs}`);
  }
  return { onStall: options?.onStall, stallMs: stallMs ?? STALL_MS_DEFAULT };
}
