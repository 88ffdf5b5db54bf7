/*
 * How a writer waits for a grace period: a number of looks, then sleep until a reader it has marked says that
 * it left, and again. The two kinds of domain differ in how they look and mark (source.ts); the waiting, and the complaint about readers that take too long, are the same.
 */

import { FOREVER, isPast, isShared, nowMs, pause, sleepWhile } from "../words.ts";
import type { GraceSource } from "./source.ts";

/** Looks made before a writer sleeps: a section that ends soon costs no sleep. */
export const SPINS = 64;
/** Looks of an expedited wait, some hundred microseconds: dearer than a sleep, but without its wake-up. */
export const SPINS_EXPEDITED = 8192;
/** A reader that holds up a grace period for so long is reported. */
export const STALL_MS_DEFAULT = 1000;

/** One who holds up a grace period. */
export interface StalledAgent {
  /** Its id in the thread registry, 0 if it has none. */
  readonly id: number;
  /** Its slot in the domain, `0..agentsMax - 1`. */
  readonly slot: number;
}

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

/** Blocks until `cookie` is reached, which `source.advance` has just denied. */
export function waitFor(source: GraceSource, cookie: number, spins: number, stall: StallOptions): void {
  for (let spin = 0; spin < spins; spin++) {
    pause();
    if (source.advance(cookie)) return;
  }
  const watch = new StallWatch(source, stall);
  while (!source.advance(cookie)) {
    const ticket = source.awaitBlocker();
    if (ticket === undefined) continue;
    sleepWhile(source.words, source.leftWord, ticket, watch.deadline);
    watch.report();
  }
}

/** The same without blocking the thread. */
export async function waitForAsync(source: GraceSource, cookie: number, stall: StallOptions): Promise<void> {
  const watch = new StallWatch(source, stall);
  while (!source.advance(cookie)) {
    const ticket = source.awaitBlocker();
    if (ticket === undefined) continue;
    await someoneLeft(source, ticket, watch.deadline);
    watch.report();
  }
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

function someoneLeft(source: GraceSource, ticket: number, deadline: number): Promise<unknown> | undefined {
  // Nobody else can be the blocker on an ArrayBuffer, so waiting is listening to ourselves.
  if (!isShared(source.words)) return new Promise<void>((wake) => source.onLeave.push(wake));
  if (typeof Atomics.waitAsync !== "function") return nextTurn();
  const timeoutMs = deadline === FOREVER ? FOREVER : Math.max(0, deadline - nowMs());
  const result = Atomics.waitAsync(source.words, source.leftWord, ticket, timeoutMs);
  return result.async ? result.value : undefined;
}

/** One turn of the event loop, in engines without Atomics.waitAsync. */
function nextTurn(): Promise<void> {
  const timers = globalThis as unknown as { setTimeout(fn: () => void, ms: number): unknown };
  return new Promise((resolve) => timers.setTimeout(resolve, 1));
}

/** @throws RangeError if `stallMs` is not a number above 0 */
export function checkStall(what: string, options: StallOptions | undefined): StallOptions {
  const stallMs = options?.stallMs;
  if (stallMs !== undefined && !(stallMs > 0)) {
    throw new RangeError(`${what}: stallMs must be a number > 0, got ${stallMs}`);
  }
  return { onStall: options?.onStall, stallMs: stallMs ?? STALL_MS_DEFAULT };
}
