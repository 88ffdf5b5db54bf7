/*
 * The words of an RwSem as its slow paths see them. The class itself knows only COUNT, which its fast paths
 * change; all that is asked where somebody waits or must is behind this, made on first contention, because
 * most locks of most threads are never contended.
 */
import { SyncError } from "../errors.ts";
import { QUEUE_WORDS, WaitQueue } from "../wait-queue.ts";
import { READER, readersOf, WRITER } from "./count.ts";
import { POLICIES, type PolicyRules, policyCodeOf, type RwSemPolicy, type Waiters } from "./policy.ts";

/** Who holds it (count.ts); the lock's first word. */
const COUNT = 0;
/** Who held it last, as far as that is recorded (owner.ts). */
const OWNER = 1;
const POLICY = 2;
/** Is somebody looking at the lock instead of queueing (spin.ts)? */
const SPINNER = 3;
const QUEUE = 8;

/** Words an RwSem occupies. */
export const RWSEM_WORDS: number = QUEUE + QUEUE_WORDS;

/** One thread's view of one lock; the robust lock has its own, with other words and other bits for readers. */
export class RwSemState {
  readonly words: Int32Array;
  /** Word of COUNT. */
  readonly count: number;
  /** Word of OWNER. */
  readonly owner: number;
  /** Word of SPINNER. */
  readonly spinner: number;
  /** Word of POLICY. */
  readonly policy: number;
  /** Those who wait. */
  readonly queue: Waiters;

  /** @param base - first word of the lock */
  constructor(words: Int32Array, base: number, queue: Waiters = new WaitQueue(words, base + QUEUE)) {
    this.words = words;
    this.count = base + COUNT;
    this.owner = base + OWNER;
    this.spinner = base + SPINNER;
    this.policy = base + POLICY;
    this.queue = queue;
  }

  /** COUNT as it is now. */
  load(): number {
    return Atomics.load(this.words, this.count);
  }

  /** Adds `change` to COUNT. @returns what it was */
  add(change: number): number {
    return Atomics.add(this.words, this.count, change);
  }

  /** Makes COUNT `to` if it is `from`. */
  change(from: number, to: number): boolean {
    return Atomics.compareExchange(this.words, this.count, from, to) === from;
  }

  /** What this thread leaves in SPINNER while it spins, not 0. */
  get spinMark(): number {
    return 1;
  }

  /** COUNT with this thread as the writer, nobody holding the lock. */
  asWriter(count: number): number {
    return count | WRITER;
  }

  /** What is to be added to COUNT for these waiting readers, `held` of it being in there. Under the queue's lock. */
  biasOf(readers: readonly number[], held: number): number {
    return readers.length * READER - held;
  }

  /** How many readers `count` tells of. */
  readersIn(count: number): number {
    return readersOf(count);
  }

  /** Adds one reader's bias. @returns COUNT with it */
  addReader(): number {
    return (this.add(READER) + READER) | 0;
  }

  /** Writes the policy down, unless there is another: then it throws `EINVAL`. */
  choosePolicy(kind: string, policy: RwSemPolicy): void {
    Atomics.compareExchange(this.words, this.policy, 0, policyCodeOf(policy));
    const { name } = this.rules;
    if (name === policy) return;
    throw new SyncError("EINVAL", `${kind}: the lock has policy ${name}, not ${policy}`);
  }

  /** Throws if POLICY is none. */
  validatePolicy(kind: string): void {
    const code = Atomics.load(this.words, this.policy);
    if (POLICIES[code] === undefined) throw new Error(`${kind}: POLICY is ${code}, expected 0..3`);
  }

  /** The policy; the fast paths are the same for all of them. */
  get rules(): PolicyRules {
    return POLICIES[Atomics.load(this.words, this.policy)] ?? POLICIES[0];
  }
}
