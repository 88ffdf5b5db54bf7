/*
 * Sleeping until something may have happened: what completions, barriers, sequence counters and wait queues
 * have in common.
 *
 *   word   name       meaning
 *   0      EVENTS     counts wake-ups; the word that waiters sleep on
 *   1      SLEEPERS   how many have announced that they are about to sleep
 *
 * Why no wake-up is lost, and none is sent without need:
 *
 *     waiter                                   waker
 *     A: add 1 to SLEEPERS                     C: change the state
 *     B: load EVENTS                           D: load SLEEPERS; stop if it is 0
 *     T: try the state; done if it suffices    E: add 1 to EVENTS
 *     W: sleep while EVENTS is what B saw      N: notify
 *
 *   - D sees 0: then C < D < A < T in the total order of Atomics operations, T finds the new state.
 *   - D sees a sleeper, and B comes after E: C < E < B < T, T finds the new state.
 *   - B comes before E: W either finds EVENTS changed and returns at once, or is asleep when N comes.
 *
 * A counter, not the state itself, is what one sleeps on, because a state can change and change back between
 * T and W. The state must be accessed with Atomics, or under a lock that both sides take.
 *
 * A thread that is terminated in its sleep leaves SLEEPERS too high. That costs needless notifies, no more. One
 * that dies with the only wake-up, or between the change of the state and N, leaves others asleep who could go on.
 * The primitives built on this have an agentDied() for that, which wakes everybody to look again.
 */
import { interrupted, isAborted, napAsync } from "./wait-async.ts";
import {
  type AsyncWaitOptions,
  assertMayBlock,
  deadlineOf,
  isPast,
  pause,
  sleepWhile,
  type WaitOptions,
} from "./words.ts";

const EVENTS = 0;
const SLEEPERS = 1;

/** Words of an event count. */
export const EVENT_WORDS = 2;

/** Wakes `count` of those who sleep, the longest asleep first; all by default. No notify if nobody does. */
export function wakeEvent(words: Int32Array, base: number, count: number = Number.POSITIVE_INFINITY): void {
  if (Atomics.load(words, base + SLEEPERS) === 0) return;
  Atomics.add(words, base + EVENTS, 1);
  Atomics.notify(words, base + EVENTS, count);
}

/** How many wait; may be out of date on return. */
export function sleepersOf(words: Int32Array, base: number): number {
  return Atomics.load(words, base + SLEEPERS);
}

/** Throws if the words cannot be those of an event count. */
export function validateEvent(what: string, words: Int32Array, base: number): void {
  const sleepers = sleepersOf(words, base);
  if (sleepers < 0) throw new Error(`${what}: SLEEPERS at word ${base + SLEEPERS} is ${sleepers}`);
}

/**
 * Blocks until `attempt` gives `true`; it is tried once at least, and again after each wake-up.
 *
 * @param spins - how often to look before sleeping, when what is awaited usually takes less than a sleep
 * @returns `false` if `timeoutMs` was given and has passed, after a last try
 */
export function awaitEvent(
  what: string,
  words: Int32Array,
  base: number,
  attempt: () => boolean,
  options: WaitOptions | undefined,
  spins: number = 0,
): boolean {
  const deadline = deadlineOf(what, options);
  if (attempt()) return true;
  if (isPast(deadline)) return false;
  assertMayBlock(what, words, `${what}Async`);
  for (let spin = 0; spin < spins; spin++) {
    pause();
    if (attempt()) return true;
  }
  Atomics.add(words, base + SLEEPERS, 1);
  try {
    for (;;) {
      const events = Atomics.load(words, base + EVENTS);
      if (attempt()) return true;
      if (isPast(deadline)) return false;
      sleepWhile(words, base + EVENTS, events, deadline);
    }
  } catch (error) {
    passOn(words, base);
    throw error;
  } finally {
    Atomics.sub(words, base + SLEEPERS, 1);
  }
}

/** The same without blocking; rejects with `EINTR` when the signal is aborted. */
export async function awaitEventAsync(
  what: string,
  words: Int32Array,
  base: number,
  attempt: () => boolean | Promise<boolean>,
  options: AsyncWaitOptions | undefined,
): Promise<boolean> {
  const deadline = deadlineOf(what, options);
  const signal = options?.signal;
  if (isAborted(signal)) throw interrupted(what, signal);
  Atomics.add(words, base + SLEEPERS, 1);
  try {
    for (;;) {
      const events = Atomics.load(words, base + EVENTS);
      const result = attempt();
      // Awaited only if need be: a waiter then goes to sleep before its caller goes on.
      if (typeof result === "boolean" ? result : await result) return true;
      if (isPast(deadline)) return false;
      await napAsync(words, { word: base + EVENTS, expected: events }, deadline, signal);
      if (isAborted(signal)) throw interrupted(what, signal);
    }
  } catch (error) {
    passOn(words, base);
    throw error;
  } finally {
    Atomics.sub(words, base + SLEEPERS, 1);
  }
}

/** A waiter that leaves with an error may have been the one that was woken: somebody else has to look. */
function passOn(words: Int32Array, base: number): void {
  wakeEvent(words, base, 1);
}
