/*
 * Who is served next by an RwSem. The fast paths are the same for all policies: a reader gets in if there is
 * neither a writer nor a waiter, a writer if there is nobody at all. The policies differ in three questions,
 * asked only where somebody waits or must:
 *
 *                 whose turn is it          which readers with it        who may overtake the queue
 *   linux         the first                 every queued one             anyone while the lock is free, until HANDOFF
 *   fair-fifo     the first                 those up to the next writer  nobody
 *   reader-pref   the first reader, if any  every queued one             readers, always
 *   writer-pref   the first writer, if any  every queued one             writers while the lock is free, until HANDOFF
 */
import { Kind, type WaitQueue } from "../wait-queue.ts";

/** Those who wait, as the slow paths see them. */
export type Waiters = Pick<WaitQueue, keyof WaitQueue>;

/** Who is served next, see {@link RwSemOptions.policy}. */
export type RwSemPolicy = "linux" | "fair-fifo" | "reader-pref" | "writer-pref";

/** Options of `RwSem`. */
export interface RwSemOptions {
  /**
   * Who is served next; it is written into the lock's words. Without it the constructor takes the lock as it
   * is, and zeroed words are `"linux"`. So the thread that makes the lock names the policy, before others use it.
   *
   * - `"linux"`: a queued writer stops new readers; one reader phase admits every queued reader; whoever runs
   *   may overtake a woken waiter for at most about 4 ms. The fastest under contention, nobody starves.
   * - `"fair-fifo"`: strictly in order of arrival, neighbouring readers together. Nobody starves, and every
   *   change of hands costs a wake-up.
   * - `"reader-pref"`: a reader waits for a writer inside, never for one in the queue. Writers can starve.
   * - `"writer-pref"`: a reader waits for every writer that is inside or queued. Readers can starve.
   */
  readonly policy?: RwSemPolicy;
}

/** The answers of one policy. */
export interface PolicyRules {
  readonly name: RwSemPolicy;
  /** Whose turn comes before the first in the queue; `Free` for nobody's. */
  readonly preferred: Kind;
  /** Does a reader phase end at the next queued writer? Otherwise it skips over writers. */
  readonly phaseEndsAtWriter: boolean;
  /** When may a reader that is not queued overtake the queue? */
  readonly readersOvertake: "never" | "while free" | "always";
  /** May a writer that is not queued overtake the queue while the lock is free? */
  readonly writersOvertake: boolean;
  /** Is a waiter that has been overtaken for too long owed the lock? */
  readonly writersAreOwed: boolean;
}

/** The place of a policy is its number in the lock's POLICY word; zeroed words mean the first. */
export const POLICIES: readonly PolicyRules[] = [
  {
    name: "linux",
    preferred: Kind.Free,
    phaseEndsAtWriter: false,
    readersOvertake: "while free",
    writersOvertake: true,
    writersAreOwed: true,
  },
  {
    name: "fair-fifo",
    preferred: Kind.Free,
    phaseEndsAtWriter: true,
    readersOvertake: "never",
    writersOvertake: false,
    writersAreOwed: true,
  },
  {
    name: "reader-pref",
    preferred: Kind.Read,
    phaseEndsAtWriter: false,
    readersOvertake: "always",
    writersOvertake: false,
    writersAreOwed: false,
  },
  {
    name: "writer-pref",
    preferred: Kind.Write,
    phaseEndsAtWriter: false,
    readersOvertake: "never",
    writersOvertake: true,
    writersAreOwed: true,
  },
];

/** Number of a policy by its name. @throws RangeError if there is none */
export function policyCodeOf(name: RwSemPolicy): number {
  const code = POLICIES.findIndex((rules) => rules.name === name);
  if (code >= 0) return code;
  const names = POLICIES.map((rules) => rules.name).join(", ");
  throw new RangeError(`RwSem: policy must be one of ${names}, got ${name}`);
}

/** Whose turn it is when the lock is free, 0 if nobody waits. Under the queue's lock. */
export function nextWaiter(queue: Waiters, rules: PolicyRules): number {
  const preferred = rules.preferred === Kind.Free ? 0 : queue.firstOf(rules.preferred);
  return preferred === 0 ? queue.head : preferred;
}

/** Who stands in the way of a reader that finds no writer inside, 0 for nobody. Under the queue's lock. */
export function blockerOfReader(queue: Waiters, rules: PolicyRules): number {
  if (rules.readersOvertake === "always") return 0;
  return rules.preferred === Kind.Write ? queue.firstOf(Kind.Write) : queue.head;
}
